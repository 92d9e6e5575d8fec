"""Version 3: the RFC's own keys, a device that takes the right passwords only, and clocks that go wrong."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agent.paths.snmp import ber, message, usm
from agent.paths.snmp.ber import Value, VarBind
from agent.paths.snmp.dialogue import NOT_IN_TIME_WINDOW, REFUSED, UNKNOWN_ENGINE, V3, Heard, Peer
from agent.paths.snmp.message import Pdu, Secured

NS = 1_000_000_000
ENGINE = bytes.fromhex("000000000000000000000002")  # RFC 3414 appendix A.3
ASKED = Pdu(message.GET, 7, 0, 0, (VarBind(message.SYS_UP_TIME, ber.NOTHING),))
ANSWER = replace(ASKED, tag=message.RESPONSE, varbinds=(VarBind(message.SYS_UP_TIME, Value("timeticks", 5, 0x43)),))
USERS = [
    usm.Credentials(b"monitor"),
    usm.Credentials(b"monitor", "md5", b"maplesyrup"),
    usm.Credentials(b"monitor", "sha", b"maplesyrup", "aes", b"othersyrup"),
    usm.Credentials(b"monitor", "sha", b"maplesyrup", "des", b"othersyrup"),
    usm.Credentials(b"monitor", "sha512", b"maplesyrup", "aes", b"othersyrup"),
]


def test_the_keys_of_rfc_3414() -> None:
    md5 = usm.Keys(usm.Credentials(b"u", "md5", b"maplesyrup"))
    sha = usm.Keys(usm.Credentials(b"u", "sha", b"maplesyrup"))
    assert md5._of(ENGINE)[0].key.hex() == "526f5eed9fcce26f8964c2930787d82b"
    assert sha._of(ENGINE)[0].key.hex() == "6695febc9288e36282235fc7151f128497b38f3f"


class Device:
    """An agent of version 3 with one user, made of the same keys."""

    def __init__(self, user: usm.Credentials, boots: int = 3, time_s: int = 1000) -> None:
        self.keys, self.boots, self.time_s = usm.Keys(user), boots, time_s

    def say(self, asked: bytes, pdu: Pdu, flags: int) -> bytes:
        read = message.parse(asked)
        assert isinstance(read, Secured)
        user = b"" if flags == 0 else read.user
        plain = message.wrap_scoped(ENGINE, b"", pdu)
        return self.keys.close(Secured(read.id, 1472, flags, ENGINE, self.boots, self.time_s, user, b"", b"", plain))

    def report(self, asked: bytes, oid: ber.Oid, flags: int = 0) -> bytes:
        return self.say(asked, Pdu(message.REPORT, 0, 0, 0, (VarBind(oid, Value("counter32", 1, 0x41)),)), flags)


def synchronised(user: usm.Credentials) -> tuple[V3, Device]:
    talk, device = V3(Peer(usm.Keys(user))), Device(user)
    heard = talk.take(device.report(talk.put(ASKED, 0), UNKNOWN_ENGINE), [7], 0)
    assert heard == Heard("synchronised")
    return talk, device


@pytest.mark.parametrize("user", USERS, ids=lambda u: f"{u.authentication}-{u.privacy}")
def test_every_level_asks_and_hears(user: usm.Credentials) -> None:
    talk, device = synchronised(user)
    asked = talk.put(ASKED, 0)
    read = message.parse(asked)
    assert isinstance(read, Secured)
    assert message.scoped(device.keys.open(read)).pdu == ASKED
    assert talk.take(device.say(asked, ANSWER, user.flags), [7], 0) == Heard("answer", ANSWER)
    assert not talk.ignored


@pytest.mark.parametrize("oid", sorted(REFUSED))
def test_every_refusal_is_named(oid: ber.Oid) -> None:
    talk, device = synchronised(USERS[2])
    heard = talk.take(device.report(talk.put(ASKED, 0), oid), [7], 0)
    assert heard is not None
    assert (heard.step, heard.why) == ("refused", REFUSED[oid])


def test_out_of_the_time_window_it_takes_the_devices_time_once() -> None:
    talk, device = synchronised(USERS[2])
    talk.take(device.say(talk.put(ASKED, 0), ANSWER, 3), [7], 0)
    device.boots, device.time_s = 1, 5  # it was started anew and does not keep its boots
    heard = talk.take(device.report(talk.put(ASKED, NS), NOT_IN_TIME_WINDOW, 1), [7], NS)
    assert heard == Heard("synchronised")
    again = message.parse(talk.put(ASKED, 2 * NS))
    assert isinstance(again, Secured)
    assert (again.boots, again.time_s) == (1, 6)
    heard = talk.take(device.report(talk.put(ASKED, NS), NOT_IN_TIME_WINDOW, 1), [7], NS)
    assert heard is not None
    assert heard.step == "refused"


def test_an_unsigned_word_moves_no_proved_clock() -> None:
    talk, device = synchronised(USERS[2])
    talk.take(device.say(talk.put(ASKED, 0), ANSWER, 3), [7], 0)
    device.boots = 99
    assert talk.take(device.report(talk.put(ASKED, NS), NOT_IN_TIME_WINDOW, 0), [7], NS) is None
    assert talk.peer.clock is not None
    assert talk.peer.clock.boots == 3


def test_what_is_less_secure_than_asked_is_no_answer() -> None:
    talk, device = synchronised(USERS[2])
    asked = talk.put(ASKED, 0)
    for flags in (0, 1):
        assert talk.take(device.say(asked, ANSWER, flags), [7], 0) is None
    assert talk.ignored == {"less secure than asked": 2}


def test_a_replayed_answer_is_none() -> None:
    talk, device = synchronised(USERS[1])
    old = device.say(talk.put(ASKED, 0), ANSWER, 1)
    device.time_s += 200
    assert talk.take(device.say(talk.put(ASKED, 0), ANSWER, 1), [7], 200 * NS) is not None
    assert talk.take(old, [7], 200 * NS) is None
    assert talk.ignored == {"not in the time window": 1}


def test_another_password_and_every_flipped_bit_are_wrong() -> None:
    talk, _ = synchronised(USERS[2])
    other = Device(replace(USERS[2], password=b"wrongsyrup"))
    assert talk.take(other.say(talk.put(ASKED, 0), ANSWER, 3), [7], 0) is None
    assert talk.ignored == {"wrong digest": 1}


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 400), st.integers(1, 255))
def test_a_changed_octet_is_never_an_answer(at: int, change: int) -> None:
    talk, device = synchronised(USERS[2])
    whole = bytearray(device.say(talk.put(ASKED, 0), ANSWER, 3))
    if at >= len(whole):
        return
    whole[at] ^= change
    heard = talk.take(bytes(whole), [7], 0)
    assert heard is None or heard.step != "answer"


@settings(deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_say_nothing(data: bytes) -> None:
    talk, _ = synchronised(USERS[2])
    assert talk.take(data, [7], 0) is None
    assert sum(talk.ignored.values()) == 1


def test_nothing_grows_with_the_engines_that_strangers_name() -> None:
    keys = usm.Keys(USERS[2])
    for number in range(100):
        message_of = Secured(1, 1472, 3, number.to_bytes(8, "big"), 1, 1, b"monitor", bytes(12), bytes(8), bytes(16))
        with pytest.raises(usm.WrongDigest):
            keys.open(message.parse(message.wrap_secured(message_of)))  # type: ignore[arg-type]
    assert len(keys._localised) <= usm.ENGINES_MAX


def test_credentials_are_never_printed() -> None:
    assert "syrup" not in repr(USERS[2])
