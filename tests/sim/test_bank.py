"""The channel bank: what it says is TL1, and its port goes and comes as a real one."""

from __future__ import annotations

import asyncio
import os
import re
import select
import stat
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from agent.lines.tl1 import Tl1
from agent.sim import bank

AT = datetime(2004, 10, 5, 9, 14, 22, tzinfo=UTC)
HEADER = re.compile(r"^\s*(?P<sid>\"[^\"]*\"|\S+)\s+(?P<d>(?:\d\d)?\d\d-\d\d-\d\d)\s+(?P<t>\d\d:\d\d:\d\d)\s*$")
IDENTITY = re.compile(r"^\s*(?P<alm>\*C|\*\*|\*|AA|A|) *(?P<atag>[\d.]+) +REPT +(?P<mod>ALM|EVT)(?: +(?P<m2>\S+))?\s*$")


def with_bank(path: Path, work: Callable[[bank.ChannelBank, Path], Awaitable[None]]) -> None:
    async def run() -> None:
        link = path / "bank-a"
        channel_bank = bank.ChannelBank("BANK-A", ("T1-1", "T1-2"), link)
        channel_bank.plug()
        try:
            await work(channel_bank, link)
        finally:
            channel_bank.unplug()

    asyncio.run(run())


def read_messages(link: Path, count: int = 1) -> bytes:
    """What the tty holds, until ``count`` messages have ended: the kernel carries each write over in its own time."""
    fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
    heard, until_s = b"", time.monotonic() + 20.0
    try:
        while heard.count(b";") < count and time.monotonic() < until_s:
            if select.select([fd], [], [], 1.0)[0]:
                heard += os.read(fd, 4096)
        return heard
    finally:
        os.close(fd)


def test_the_message_is_the_grammar_s() -> None:
    told = bank.message("BANK-A", AT, 17, "T1-1", bank.CONDITIONS["los"], cleared=False)
    assert told == (
        b"\r\n\n   BANK-A 04-10-05 09:14:22\r\n** 000017 REPT ALM T1\r\n"
        b'   "T1-1:MJ,LOS,SA,10-05,09-14-22,NEND,RCV:\\"Loss Of Signal\\""\r\n;'
    )


@pytest.mark.parametrize("cleared", [False, True])
@pytest.mark.parametrize("name", sorted(bank.CONDITIONS))
def test_every_message_has_header_and_identity(name: str, cleared: bool) -> None:
    told = bank.message("BANK-A", AT, 17, "T1-1", bank.CONDITIONS[name], cleared)
    lines = told.decode("ascii").split("\n")
    assert HEADER.match(lines[2])
    assert IDENTITY.match(lines[3])
    assert (":CL," in lines[4]) == cleared
    assert told.endswith(b";")


def test_the_hello_is_an_event() -> None:
    lines = bank.hello("BANK-A", AT, 1).decode("ascii").split("\n")
    identity = IDENTITY.match(lines[3])
    assert identity is not None
    assert identity["mod"] == "EVT"


def test_the_tty_carries_it_whole_and_raw(tmp_path: Path) -> None:
    async def work(channel_bank: bank.ChannelBank, link: Path) -> None:
        assert stat.S_ISCHR(link.stat().st_mode)
        channel_bank.set("T1-1", "los")
        heard = read_messages(link)
        assert b":MJ,LOS,SA," in heard
        assert b"\r\n\n   BANK-A" in heard
        channel_bank.set("T1-1", "los")  # nothing new, nothing said
        channel_bank.set("T1-1", "ais")
        heard = read_messages(link, 2)
        assert b":CL,LOS," in heard
        assert b":MJ,AIS," in heard
        assert b" 000003 REPT" in heard

    with_bank(tmp_path, work)


def test_unplugged_it_is_gone_and_what_it_said_is_lost(tmp_path: Path) -> None:
    async def work(channel_bank: bank.ChannelBank, link: Path) -> None:
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
        channel_bank.unplug()
        assert not link.exists()
        try:
            assert os.read(fd, 1) == b""
        except OSError:
            pass
        finally:
            os.close(fd)
        channel_bank.set("T1-1", "los")
        assert channel_bank.messages_lost == 1
        channel_bank.plug()
        channel_bank.set("T1-2", "los")
        heard = read_messages(link)
        assert b"T1-2:MJ" in heard
        assert b" 000002 " in heard  # the gap in its tags tells what was missed

    with_bank(tmp_path, work)


def test_a_full_wire_is_counted_not_waited_for(tmp_path: Path) -> None:
    async def work(channel_bank: bank.ChannelBank, link: Path) -> None:
        for _ in range(2000):
            channel_bank.greet()
        assert channel_bank.messages_lost > 0

    with_bank(tmp_path, work)


def test_what_is_typed_at_it_is_read_away(tmp_path: Path) -> None:
    async def work(channel_bank: bank.ChannelBank, link: Path) -> None:
        fd = os.open(link, os.O_RDWR | os.O_NOCTTY)
        os.write(fd, b"ACT-USER::X;")
        os.close(fd)
        async with asyncio.timeout(20):
            while channel_bank.bytes_heard < 12:
                await asyncio.sleep(0.01)

    with_bank(tmp_path, work)


def test_an_unknown_word_is_our_bug(tmp_path: Path) -> None:
    async def work(channel_bank: bank.ChannelBank, link: Path) -> None:
        with pytest.raises(KeyError):
            channel_bank.set("T1-1", "on fire")

    with_bank(tmp_path, work)


def test_the_agent_s_own_parser_reads_every_message_whole() -> None:
    parser = Tl1("bank-a")
    readings = parser.feed(bank.hello("BANK-A", AT, 1), 0)
    assert [reading.kind for reading in readings] == ["event"]
    for atag, (name, condition) in enumerate(sorted(bank.CONDITIONS.items())):
        for cleared, kind in ((False, "alarm"), (True, "clear")):
            told = bank.message("BANK-A", AT, 2 + 2 * atag + cleared, "T1-1", condition, cleared)
            readings = parser.feed(told, 0)
            assert [reading.kind for reading in readings] == [kind], name
            assert readings[0].subject == "T1-1"
            detail = readings[0].detail
            assert detail["condtype"] == condition.condtype
            assert detail["ntfcncde"] == ("CL" if cleared else condition.ntfcncde)
            assert detail["srveff"] == condition.srveff
            assert detail["locn"] == condition.locn
            assert detail["conddescr"] == condition.words
