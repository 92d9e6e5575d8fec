"""Dry contacts behind a Modbus RTU unit: asks for exactly the inputs named, judges the answers. Pure.

One request is under way at most. Bytes that are no answer are told as garbage; three questions in a row without
inputs make every contact unknown, and the unit is then asked more slowly, down to once in ``SLOWEST_S``.
"""

from __future__ import annotations

from typing import Literal

from agent.lines import modbus_rtu as rtu
from agent.lines.contact_points import ContactPoints
from agent.lines.modbus_rtu import Ask, Found
from agent.lines.parser import DialectRefused
from agent.readings import Kind, Plain, Reading
from agent.site.line import ModbusLine

NS = rtu.NS
FAILS = 3
SLOWEST_S = 10.0
HEARD_BYTES = 256
"""The longest frame there is: what was heard before it can't belong to it."""
PIECE = 64
"""Bytes that are searched at once, so that a long capture is not searched from end to end for each frame."""
NOISE_BYTES = 65_536
UNASKED = "not asked for"
FUNCTIONS = {"discrete-inputs": rtu.READ_INPUTS, "coils": rtu.READ_COILS}
OTHER = {"discrete-inputs": "coils", "coils": "discrete-inputs"}
COUNTERS = ("bytes", "records", "garbage_bytes", "asked", "exceptions", "timeouts", "echoes", "garbage_runs")


def check(line: ModbusLine) -> None:
    """Raises ``DialectRefused`` for what no unit could answer."""
    if line.address + max(contact.input for contact in line.contacts) > 65_535:
        raise DialectRefused(("address",), "with the highest input it is beyond 65535, where Modbus ends")
    if line.format[0] != "8":
        raise DialectRefused(("format",), "must have 8 data bits: Modbus RTU sends whole bytes")
    if line.flow == "xon-xoff":
        raise DialectRefused(("flow",), 'must not be "xon-xoff": Modbus RTU sends every byte value')


class Modbus:
    """One line's unit (``agent.lines.parser.Talker``). No method raises on any bytes."""

    idle_s = 1.0

    def __init__(self, line: ModbusLine) -> None:
        self._line = line
        count = max(contact.input for contact in line.contacts) + 1
        self._ask = Ask(line.unit, FUNCTIONS[line.function], line.address, count)
        self._points = ContactPoints(line.id, line.dialect, line.contacts)
        char_ns = rtu.char_ns(line.baud, line.format)
        self._silence_ns = rtu.silence_ns(line.baud, line.format)
        self._send_ns = int(rtu.REQUEST_BYTES * char_ns)
        self._wait_ns = self._send_ns + int(line.timeout_s * NS + self._ask.answer_bytes * char_ns)
        self._every_ns = int(line.every_s * NS)
        self._open = False
        self._waiting = False
        self._asked_ns = 0
        self._next_ns = 0
        self._quiet_from_ns = 0  # the last byte's time, theirs or ours
        self._fails = 0
        self._refused: int | None = None  # the exception last told
        self._steady: bytes | None = None  # the inputs as last read, where every contact is known and at rest
        self._heard = b""
        self._offset = 0  # of the first byte heard, in the stream
        self._noise: dict[str, None] = {}
        self._noise_bytes = self._noise_offset = 0
        self._out: list[Reading] = []
        self._now_ns = 0
        self.counters: dict[str, int] = dict.fromkeys(COUNTERS, 0)

    @property
    def held_bytes(self) -> int:
        """Bytes kept between calls: at most one frame's length."""
        return len(self._heard)

    # -- what the shell calls ------------------------------------------------------------------------------------

    def opened(self, now_ns: int) -> None:
        """The port is open: ask after the first silence."""
        self._open, self._waiting = True, False
        self._next_ns = self._quiet_from_ns = now_ns
        self._fails, self._refused = 0, None

    def feed(self, data: bytes, now_ns: int) -> list[Reading]:
        """What the next bytes say. Without a question under way they say nothing, but in a capture they do."""
        self._now_ns = now_ns
        self.counters["bytes"] += len(data)
        if data:
            self._quiet_from_ns = now_ns
        at = 0
        while at < len(data) and self._listening:
            self._heard += data[at : at + PIECE]
            at += PIECE
            while self._listening and (found := self._ask.find(self._heard)) is not None:
                self._take(found)
            self._garbage(len(self._heard) - HEARD_BYTES, "no Modbus frame")
        if not self._listening:
            self._heard += data[at:]
            self._garbage(len(self._heard), UNASKED)
        return self._told()

    def speak(self, now_ns: int) -> tuple[bytes, list[Reading]]:
        """The next question where it is time for one; what follows where no answer came."""
        self._now_ns = now_ns
        if self._waiting and now_ns >= self._asked_ns + self._wait_ns:
            self.counters["timeouts"] += 1
            why = self._ask.why_not(self._heard) if self._heard else "no answer"
            self._end_wait(why)
            self._failed(why)
        if not self._open or self._waiting or now_ns < self._wanted_ns():
            return b"", self._told()
        if now_ns < self._quiet_from_ns + self._silence_ns:
            if now_ns >= self._wanted_ns() + self._wait_ns:
                self._asked_ns = now_ns
                self._failed("the line is never silent")
            return b"", self._told()
        self._tell_garbage()
        self.counters["asked"] += 1
        self._waiting, self._asked_ns = True, now_ns
        self._quiet_from_ns = now_ns + self._send_ns
        return self._ask.frame, self._told()

    def due_ns(self) -> int | None:
        """When to call ``speak`` next at the latest; None while the port is closed."""
        if not self._open:
            return None
        if self._waiting:
            return self._asked_ns + self._wait_ns
        return max(self._wanted_ns(), self._quiet_from_ns + self._silence_ns)

    def idle(self, now_ns: int) -> list[Reading]:
        """The line has been quiet: tell what was not understood."""
        self._now_ns = now_ns
        if not self._waiting:
            self._tell_garbage()
        return self._told()

    def reset(self, now_ns: int) -> list[Reading]:
        """The port is gone, and with it all that was known of the contacts."""
        self._now_ns = now_ns
        self._end_wait("cut off: the stream ended")
        self._tell_garbage()
        was_open, self._open = self._open, False
        if was_open:
            self._blind("the port is closed")
        return self._told()

    # -- one question and its answer -----------------------------------------------------------------------------

    @property
    def _listening(self) -> bool:
        """Whether an answer may come. A capture is never opened: its answers were asked for by another."""
        return self._waiting or not self._open

    def _wanted_ns(self) -> int:
        """When the next question is due: in its turn, or sooner where a contact has moved and is to be settled."""
        moving_ns = self._points.due_ns() if self._fails == 0 else None
        return self._next_ns if moving_ns is None else min(self._next_ns, moving_ns)

    def _take(self, found: Found) -> None:
        self._garbage(found.start, "no Modbus frame")
        size, offset = found.end - found.start, self._offset
        self._heard = self._heard[size:]
        self._offset += size
        if found.what == "echo":
            self.counters["echoes"] += 1
            return
        if self._open:
            self._end_wait(UNASKED)
        if found.what == "exception":
            self._exception(found.payload[0], offset)
            return
        self.counters["records"] += 1
        self._fails, self._refused = 0, None
        self._next_ns = max(self._asked_ns + self._every_ns, self._now_ns)
        if found.payload != self._steady:
            levels = rtu.bits(found.payload, self._ask.count)
            closed = {contact.name: levels[contact.input] for contact in self._line.contacts}
            self._out += self._points.see(closed, self._now_ns, raw_ref=offset)
            self._steady = found.payload if self._points.due_ns() is None else None

    def _exception(self, code: int, offset: int) -> None:
        """The unit is there and refuses. Told once, not at each question."""
        self.counters["exceptions"] += 1
        name = rtu.EXCEPTIONS.get(code, "an exception without a name")
        if code != self._refused:
            self._refused = code
            hint = f'function = "{OTHER[self._line.function]}"' if code == 1 else None
            detail: dict[str, Plain] = {"reason": f"exception {code}: {name}", "exception": code, "name": name}
            self._tell("event", "unit", "unknown", {**detail, "unit": self._line.unit, "hint": hint}, offset)
        self._failed(f"exception {code}: {name}")

    def _failed(self, why: str) -> None:
        self._fails += 1
        slower = 1 << max(0, min(self._fails - FAILS + 1, 16))
        wait_ns = min(self._every_ns * slower, max(self._every_ns, int(SLOWEST_S * NS)))
        self._next_ns = max(self._asked_ns + wait_ns, self._now_ns)
        if self._fails >= FAILS:
            self._blind(why)

    def _blind(self, why: str) -> None:
        self._steady = None
        self._out += self._points.blind(why, self._now_ns)

    def _end_wait(self, why: str) -> None:
        self._waiting = False
        self._garbage(len(self._heard), why)

    # -- readings ------------------------------------------------------------------------------------------------

    def _garbage(self, size: int, reason: str) -> None:
        """The first ``size`` bytes heard are no answer. A run of them is one reading, told before the next question."""
        while size > 0:
            part = min(size, NOISE_BYTES - self._noise_bytes)
            if not self._noise_bytes:
                self._noise_offset = self._offset
            self._noise[reason] = None
            self._noise_bytes += part
            self.counters["garbage_bytes"] += part
            self._heard = self._heard[part:]
            self._offset += part
            size -= part
            if self._noise_bytes >= NOISE_BYTES:
                self._tell_garbage()

    def _tell_garbage(self) -> None:
        if self._noise_bytes:
            self.counters["garbage_runs"] += 1
            detail: dict[str, Plain] = {"bytes": self._noise_bytes, "reason": "; ".join(self._noise)}
            self._tell("garbage", "", None, detail, self._noise_offset)
            self._noise_bytes, self._noise = 0, {}

    def _tell(
        self, kind: Kind, subject: str, state: Literal["unknown"] | None, detail: dict[str, Plain], offset: int
    ) -> None:
        self._out.append(Reading(self._line.id, self._line.dialect, kind, subject, state, self._now_ns, detail, offset))

    def _told(self) -> list[Reading]:
        out, self._out = self._out, []
        return out
