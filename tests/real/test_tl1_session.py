"""A TL1 session over a pty, by the agent of ``run``: it logs in with its secret, asks what stands, and says no more."""

from __future__ import annotations

import contextlib
import json
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

from tests.real.sites import site, until
from tests.real.test_calls import Wire

PASSWORD = "s3cret-pass"
HEAD = "\r\n\n   MX2800 04-10-05 09:14:22\r\n"


class Element:
    """A network element that knows one user; T1-2 has stood in alarm since before anybody listened."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._stop = wire, threading.Event()
        self.heard: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        held = ""
        os.set_blocking(self._wire.master, False)
        while not self._stop.wait(0.02):
            with contextlib.suppress(BlockingIOError, OSError):
                data = os.read(self._wire.master, 4096).decode()
                self._wire.send(data.encode())  # the echo is on
                held += data
            while ";" in held:
                command, _, held = held.partition(";")
                self.heard.append(command.strip())
                self._answer(command.strip())

    def _answer(self, command: str) -> None:
        verb, _tid, _aid, ctag = (*command.split(":"), "", "", "")[:4]
        text = ""
        if verb == "RTRV-ALM-T1":
            text = '   "T1-2,T1:MJ,LOS,SA,10-04,08-00-00,NEND,RCV:\\"Loss Of Signal\\""\r\n'
        right = verb != "ACT-USER" or PASSWORD in command
        compl = "COMPLD" if right else "DENY\r\n   PIUI"
        self._wire.send(f"{HEAD}M  {ctag} {compl}\r\n{text};".encode())

    def close(self) -> None:
        self._stop.set()
        self._thread.join(5)


@contextlib.contextmanager
def element(directory: Path) -> Iterator[Element]:
    wire = Wire(directory / "craft")
    made = Element(wire)
    try:
        yield made
    finally:
        made.close()
        wire.close()


def test_it_logs_in_asks_what_stands_and_tells_no_password(tmp_path: Path) -> None:
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    (secrets / "bank").write_text(PASSWORD + "\n")
    (secrets / "bank").chmod(0o600)
    with site() as s, element(tmp_path) as ne:
        s.file.write_text(
            s.file.read_text()
            + f'[[line]]\nid = "craft"\nport = "{tmp_path / "craft"}"\ndialect = "tl1"\n'
            + 'trunks = { "T1-2" = "south" }\n[line.session]\nuser = "dialtone"\npassword = "bank"\n'
            + f'[secrets]\ndirectory = "{secrets}"\n'
        )
        with s.agent():
            until(lambda: s.alarm("craft_los_t1-2"), "what stood before was not told")
            assert s.alarm("south_trunk-group-down_all")
            status = json.dumps(s.status())
        verbs = [re.split("[:]", command)[0] for command in ne.heard]
        assert verbs[:3] == ["ACT-USER", "ALW-MSG-ALL", "RTRV-ALM-T1"]
        assert set(verbs) <= {"ACT-USER", "ALW-MSG-ALL", "RTRV-ALM-T1", "RTRV-HDR", "CANC-USER"}
        assert PASSWORD not in status
        for path in s.journal.iterdir():
            assert PASSWORD.encode() not in path.read_bytes()
