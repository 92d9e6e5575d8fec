"""What a line's settings become in termios: speed, size, parity, stop bits, flow, and no means to send by itself."""

from __future__ import annotations

import termios
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.lines.receive import raw
from agent.site.line import Baud, Format, Tl1Line

FLOWS = ("none", "rts-cts", "xon-xoff")
SPEAKS_IFLAG = termios.IXOFF | termios.IMAXBEL
CHANGES_IFLAG = (
    termios.IGNBRK | termios.BRKINT | termios.IGNPAR | termios.PARMRK | termios.INPCK | termios.ISTRIP
    | termios.INLCR | termios.IGNCR | termios.ICRNL
)  # fmt: skip


def line(**more: Any) -> Tl1Line:
    return Tl1Line(id="a", port="/dev/ttyUSB0", **more)


def fresh(flags: int = 0) -> list[Any]:
    return [flags, flags, flags, flags, termios.B9600, termios.B9600, [b"\x03"] * 32]


@given(
    baud=st.sampled_from(get_args(Baud)),
    letters=st.sampled_from(get_args(Format)),
    flow=st.sampled_from(FLOWS),
    before=st.sampled_from([0, 0x7FFF_FFFF]),
    sends=st.booleans(),
)
def test_every_setting_whatever_was_set_before(baud: int, letters: str, flow: str, before: int, sends: bool) -> None:
    attributes = fresh(before)
    iflag, oflag, cflag, lflag, ispeed, ospeed, cc = raw(
        attributes, line(baud=baud, format=letters, flow=flow), sends=sends
    )
    assert attributes == fresh(before)
    assert ispeed == ospeed == getattr(termios, f"B{baud}")
    assert cflag & termios.CSIZE == {"7": termios.CS7, "8": termios.CS8}[letters[0]]
    assert bool(cflag & termios.PARENB) == (letters[1] != "N")
    assert bool(cflag & termios.PARODD) == (letters[1] == "O")
    assert bool(cflag & termios.CSTOPB) == (letters[2] == "2")
    assert bool(cflag & termios.CRTSCTS) == (flow == "rts-cts")
    assert cflag & (termios.CREAD | termios.CLOCAL) == termios.CREAD | termios.CLOCAL
    assert bool(iflag & termios.IXON) == (flow == "xon-xoff")
    assert iflag & CHANGES_IFLAG == 0
    assert (oflag, lflag) == (0, 0)
    assert (cc[termios.VMIN], cc[termios.VTIME]) == (1, 0)
    if not sends:
        assert iflag & SPEAKS_IFLAG == 0


@pytest.mark.parametrize("sends", [False, True])
def test_only_a_line_that_sends_may_send_xoff_and_hangs_up_when_it_closes(sends: bool) -> None:
    iflag, _, cflag, *_ = raw(fresh(), line(flow="xon-xoff"), sends=sends)
    assert bool(iflag & termios.IXOFF) == sends
    assert bool(cflag & termios.HUPCL) == sends
    left = raw(fresh(termios.HUPCL), line(), sends=False)
    assert left[2] & termios.HUPCL
