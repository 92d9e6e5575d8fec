"""One emulated Pi 3: QEMU ``raspi3b`` with a card, its UART, its console and its GPIO registers, seen from outside."""

from __future__ import annotations

import base64
import contextlib
import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.appliance.board.steps import NICE, call
from tests.real.sites import until

BOOT_S = 240.0
APPEND = (
    "rootwait rw net.ifnames=0 loglevel=4 systemd.show_status=false "
    "rng_core.default_quality=1000 random.trust_bootloader=on audit=0"
)


class Wire:
    """A Unix socket of QEMU's: what came is kept, what is sent goes whole."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._heard = bytearray()
        self._lock = threading.Condition()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):
            while data := self._socket.recv(65536):
                with self._lock:
                    self._heard += data
                    self._lock.notify_all()

    def heard(self) -> bytes:
        """Everything since the start."""
        with self._lock:
            return bytes(self._heard)

    def wait(self, mark: bytes, start: int, patience_s: float) -> bytes:
        """What came after ``start``, once it holds ``mark``."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._heard.find(mark, start) >= 0, patience_s):
                raise AssertionError(f"waited {patience_s:g} s in vain for {mark!r}: …{bytes(self._heard[-2000:])!r}")
            return bytes(self._heard[start:])

    def send(self, data: bytes) -> None:
        """Down the wire."""
        self._socket.sendall(data)

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Qmp:
    """QEMU's own control socket."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))
        self._file = self._socket.makefile("rw")
        self._file.readline()
        self.ask("qmp_capabilities")

    def ask(self, command: str, **arguments: Any) -> Any:
        """One command's answer; events that come between are passed over."""
        self._file.write(json.dumps({"execute": command, "arguments": arguments}) + "\n")
        self._file.flush()
        while True:
            line = self._file.readline()
            if not line:
                raise ConnectionError("QEMU has gone")
            answer = json.loads(line)
            if "error" in answer:
                raise RuntimeError(f"{command}: {answer['error']}")
            if "return" in answer:
                return answer["return"]

    def words(self, address: int, count: int) -> list[int]:
        """Words of physical memory, registers included, as a debugger's probe would read them."""
        text = self.ask("human-monitor-command", **{"command-line": f"xp /{count}wx 0x{address:x}"})
        return [int(word, 16) for line in text.splitlines() for word in line.partition(":")[2].split()]

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._socket.close()


class Console:
    """A root shell on the second serial port: one command at a time, its status and output whole."""

    def __init__(self, wire: Wire) -> None:
        self._wire, self._count = wire, 0

    def ready(self, patience_s: float = BOOT_S) -> None:
        """Wait until the shell answers."""
        end = time.monotonic() + patience_s
        while time.monotonic() < end:
            with contextlib.suppress(AssertionError):
                start = len(self._wire.heard())
                self._wire.send(b"\nstty -echo; echo sh''ell\n")
                self._wire.wait(b"shell", start, 3.0)
                return
        raise AssertionError(f"no shell on the console: …{self._wire.heard()[-2000:]!r}")

    def run(self, command: str, patience_s: float = 60.0, *, check: bool = True) -> str:
        """What a command printed. Base64 keeps what the kernel says between the lines apart."""
        self._count += 1
        begin, end = f"begin{self._count}.", f"end{self._count}="
        start = len(self._wire.heard())
        # In what is sent the marks are split, so that an echo of it is no answer.
        sent = f"{{ {command}\n}} >/run/said 2>&1 </dev/null; s=$?; echo; echo be''{begin[2:]}; base64 /run/said; "
        self._wire.send(f"{sent} echo e''{end[1:]}$s.\n".encode())
        self._wire.wait(end.encode(), start, patience_s)
        said = self._wire.wait(b".", self._wire.heard().index(end.encode(), start), 10.0)
        status = int(said.decode(errors="replace").partition("=")[2].partition(".")[0])
        body = self._wire.heard()[start:].decode(errors="replace").partition(begin)[2].partition(end)[0]
        lines = [line.strip() for line in body.splitlines()]
        text = base64.b64decode("".join(line for line in lines if _is_base64(line))).decode(errors="replace")
        assert status == 0 or not check, f"{command}: {status}: {text}"
        return text


def _is_base64(line: str) -> bool:
    return bool(line) and all(c.isalnum() or c in "+/=" for c in line)


def chardev(run: Path, name: str) -> list[str | Path]:
    """A Unix socket of this name beside a log of all that came out of it."""
    return ["-chardev", f"socket,id={name},path={run / name},server=on,wait=off,logfile={run / name}.log"]


class Board:
    """A board with a card of its own, in ``directory``. ``start`` is power on, ``cut`` the plug pulled."""

    append = "console=ttyS1,115200 board.console=ttyS1 root=/dev/mmcblk0"

    def __init__(self, base: Path, image: Path, directory: Path) -> None:
        self.base, self.directory = base, directory
        self.card = directory / "card.img"
        self._child: subprocess.Popen[bytes] | None = None
        self._starts = 0
        self.started_s = 0.0
        call("cp", "--sparse=always", image / "card.img", self.card)

    def put(self, text: str, path: str) -> None:
        """A file onto the card, with the power off: what a technician does at a desk."""
        file = self.directory / "put"
        file.write_text(text)
        commands = self.directory / "put.debugfs"
        commands.write_text(f"rm {path}\nwrite {file} {path}\nset_inode_field {path} mode 0100644\n")
        call("debugfs", "-w", "-f", commands, self.card)

    def start(self) -> None:
        """Power on."""
        self._starts += 1
        run = self.directory / f"run{self._starts}"
        run.mkdir()

        command: list[str | Path] = [*NICE, "qemu-system-aarch64", "-display", "none", "-nodefaults", "-no-reboot"]
        command += ["-kernel", self.base / "kernel", "-initrd", self.base / "initrd", *self._machine(run)]
        command += ["-append", f"{APPEND} {self.append} board.time={time.time():.0f}"]
        for name in ("qmp", "look"):
            command += ["-qmp", f"unix:{run / name},server=on,wait=off"]
        command += ["-qtest", f"unix:{run / 'qtest'},server=on,wait=off", "-qtest-log", "none"]
        with (run / "qemu.log").open("wb") as log:
            self.started_s = time.monotonic()
            child = self._child = subprocess.Popen([str(word) for word in command], stdout=log, stderr=log)
        until(lambda: (run / "look").exists() or child.poll() is not None, "QEMU never came up")
        assert child.poll() is None, (run / "qemu.log").read_text()
        self.uart, self._console = Wire(run / "uart"), Wire(run / "console")
        self.qmp, self.look = Qmp(run / "qmp"), Qmp(run / "look")
        self.console = Console(self._console)
        self.outside = Wire(run / "qtest")

    def _machine(self, run: Path) -> list[str | Path]:
        """What QEMU is told of a Pi 3: its tree, its card, a network by USB, the UART and the console."""
        return [
            *("-M", "raspi3b", "-dtb", self.base / "raspi3b.dtb", "-drive", f"file={self.card},if=sd,format=raw"),
            *("-usb", "-device", "usb-net,netdev=n0", "-netdev", "user,id=n0"),
            *(*chardev(run, "uart"), "-serial", "chardev:uart", *chardev(run, "console"), "-serial", "chardev:console"),
        ]

    def touch(self, words: str) -> None:
        """From outside, as a hand or a wire would: one command of QEMU's qtest, and its OK."""
        start = len(self.outside.heard())
        self.outside.send(f"{words}\n".encode())
        self.outside.wait(b"OK", start, 10.0)

    def cut(self) -> None:
        """The plug pulled: what the guest had not flushed to its card is gone. Twice is harmless."""
        child, self._child = self._child, None
        if child is None:
            return
        child.kill()
        child.wait()
        for end in (self.uart, self._console, self.outside, self.qmp, self.look):
            end.close()

    def resident_mb(self) -> float:
        """Of QEMU itself, on this machine."""
        assert self._child is not None
        status = Path(f"/proc/{self._child.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) / 1024


@contextlib.contextmanager
def board(base: Path, image: Path, directory: Path, kind: type[Board] = Board) -> Iterator[Board]:
    """A board that is off and gone afterwards."""
    made = kind(base, image, directory)
    try:
        yield made
    finally:
        made.cut()
        shutil.rmtree(directory, ignore_errors=True)
