"""How long the certificates of a way out are good, our own and the server's. Pure."""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping

from agent.clock import Wall, unix_s
from agent.paths.certificate import Validity, finding, validity
from agent.readings import Reading, State

BEGIN, END = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"


def first_of(pem: str) -> bytes:
    """The first certificate of a file in PEM as DER; empty where there is none."""
    start, stop = pem.find(BEGIN), pem.find(END)
    if start < 0 or stop < start:
        return b""
    try:
        return ssl.PEM_cert_to_DER_cert(pem[start : stop + len(END)])
    except ValueError:
        return b""


class Certificates:
    """What an uplink's certificates say, told when it changes: state ``degraded`` from 30 days before the end on."""

    def __init__(self, uplink: str) -> None:
        self._uplink = uplink
        self._dates: dict[str, Validity] = {}
        self._told: dict[str, str] = {}

    def seen(self, certificates: Mapping[str, bytes]) -> None:
        """DER by whose it is: ``own``, ``server``. What is none is left out: TLS says so itself."""
        for whose, der in certificates.items():
            dates = validity(der)
            if dates is not None:
                self._dates[whose] = dates

    def judge(self, wall: Wall, now_ns: int) -> Iterator[Reading]:
        """Readings for what has changed; none while this box's own clock can't be trusted."""
        if not wall.synced:
            return
        for whose, dates in self._dates.items():
            found = finding(dates, unix_s(wall.utc), whose)
            text = found.text if found.holds else ""
            if text == self._told.get(whose):
                continue
            self._told[whose] = text
            state: State = "degraded" if found.holds else "up"
            yield Reading(
                self._uplink, "uplink", "event", whose, state, now_ns, {**found.detail, "certificate": found.text}
            )
