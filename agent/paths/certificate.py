"""How long a certificate is good, and which point that is. Pure: DER and the time in, days and a finding out.

The dates stand at one place of every X.509 certificate (RFC 5280 section 4.1.2.5); they are read from there, since the
standard library decodes only certificates that it has verified.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from agent.paths.outcome import Finding
from agent.readings import Plain

STEPS_DAYS = (30, 7, 1)
DAY_S = 86_400.0
_SEQUENCE, _UTC_TIME, _GENERALIZED, _VERSION = 0x30, 0x17, 0x18, 0xA0
BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Validity:
    """Seconds since 1970, UTC."""

    not_before_s: float
    not_after_s: float


class _Unreadable(ValueError):
    pass


def validity(der: bytes) -> Validity | None:
    """The dates of a certificate; None for what is none."""
    try:
        if len(der) > BYTES_MAX:
            raise _Unreadable
        body, _ = _take(der, _SEQUENCE)  # Certificate
        tbs, _ = _take(body, _SEQUENCE)  # TBSCertificate
        if tbs[:1] == bytes([_VERSION]):
            _, tbs = _take(tbs, _VERSION)
        for _ in range(3):  # serialNumber, signature, issuer
            _, tbs = _any(tbs)
        dates, _ = _take(tbs, _SEQUENCE)
        first, dates = _date(dates)
        last, _ = _date(dates)
    except (_Unreadable, ValueError, IndexError):
        return None
    return Validity(first, last)


def _any(data: bytes) -> tuple[bytes, bytes]:
    """One element's content, and what follows it (X.690 section 8.1, definite lengths as DER has them)."""
    length, at = data[1], 2
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4:
            raise _Unreadable
        length, at = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    if at + length > len(data):
        raise _Unreadable
    return data[at : at + length], data[at + length :]


def _take(data: bytes, tag: int) -> tuple[bytes, bytes]:
    if data[:1] != bytes([tag]):
        raise _Unreadable
    return _any(data)


def _date(data: bytes) -> tuple[float, bytes]:
    tag = data[0]
    content, rest = _any(data)
    text = content.decode("ascii")
    if tag == _UTC_TIME:
        year = int(text[:2])
        text = f"{2000 + year if year < 50 else 1900 + year}{text[2:]}"  # RFC 5280 section 4.1.2.5.1
    elif tag != _GENERALIZED:
        raise _Unreadable
    return datetime.strptime(text, "%Y%m%d%H%M%SZ").replace(tzinfo=UTC).timestamp(), rest


def finding(dates: Validity, utc_s: float, subject: str) -> Finding:
    """The point ``certificate-expiry``: it stands from 30 days before the end on; the text steps at 7 and at 1."""
    left_days = (dates.not_after_s - utc_s) / DAY_S
    on = datetime.fromtimestamp(dates.not_after_s, UTC).strftime("%Y-%m-%d")
    if left_days < 0:
        text = f"its certificate expired on {on}"
    else:
        step = next((days for days in reversed(STEPS_DAYS) if left_days <= days), None)
        within = f", within {step} day{'s' if step != 1 else ''}" if step is not None else ""
        text = f"its certificate expires on {on}{within}"
    detail: dict[str, Plain] = {"not_after": on, "days_left": int(left_days // 1)}
    return Finding("certificate-expiry", subject, left_days <= STEPS_DAYS[0], text, detail)
