"""A standby way out, and what certificates say."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.clock import NS, Wall
from agent.uplink.certificates import Certificates, first_of
from agent.uplink.standby import BACK_S, Standby


def test_without_a_time_it_is_always_used() -> None:
    assert Standby(None).wanted(preferred_up=True, now_ns=0)


def test_it_waits_takes_over_and_gives_back() -> None:
    one = Standby(30)
    steps = [
        (0, False, False),
        (29, False, False),
        (30, False, True),
        (31, True, True),
        (40, False, True),  # a way that comes and goes is no reason to go
        (41, True, True),
        (41 + BACK_S - 1, True, True),
        (41 + BACK_S, True, False),
        (200, False, False),
        (229, False, False),
        (230, False, True),
    ]
    assert [one.wanted(up, int(at * NS)) for at, up, _ in steps] == [wanted for *_, wanted in steps]


@given(st.lists(st.tuples(st.floats(0.1, 90), st.booleans()), max_size=60), st.floats(0, 300))
def test_never_used_while_a_preferred_way_holds_never_silent_when_all_are_lost(
    steps: list[tuple[float, bool]], after_s: float
) -> None:
    one, now_s, since_s, before = Standby(after_s), 0.0, 0.0, None
    for step_s, up in steps:
        now_s += step_s
        if up is not before:
            before, since_s = up, now_s
        used = one.wanted(up, int(now_s * NS))
        if up and now_s - since_s > BACK_S + 1:
            assert not used
        if not up and now_s - since_s > after_s + 1:
            assert used


def test_a_certificate_is_told_when_what_it_says_changes(certificate: bytes) -> None:
    known = Certificates("noc")
    known.seen({"own": certificate, "server": b"none", "": b""})

    def told(utc: str, synced: bool = True) -> list[tuple[str, str | None]]:
        return [(r.subject, r.state) for r in known.judge(Wall(utc, synced), 0)]

    assert told("2024-01-01T00:00:00.000Z", synced=False) == [], "a clock that is not set can't judge"
    assert told("2026-11-24T00:00:00.000Z") == [("own", "degraded")]
    assert told("2026-11-24T00:01:00.000Z") == []
    assert told("2026-11-27T00:00:00.000Z") == [("own", "degraded")], "it has expired"
    assert told("2026-10-01T00:00:00.000Z") == [("own", "up")]


@pytest.fixture
def certificate() -> bytes:
    """Made by openssl for this test: good until 2026-11-26."""
    return first_of(PEM)


def test_a_file_without_a_certificate() -> None:
    assert first_of("") == b""
    assert first_of("-----BEGIN CERTIFICATE-----\n!\n-----END CERTIFICATE-----") in (b"", b"!")


PEM = """
-----BEGIN CERTIFICATE-----
MIIBczCCARmgAwIBAgIUId9B9Lk/56A2gEVc56yBQr2bYpQwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAeFw0yNjExMjMyMzAzMTFaFw0yNjExMjYyMzAzMTFa
MA8xDTALBgNVBAMMBHRlc3QwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNCAASx1UCv
WIMQdcUNUiXLFe6x3859g0C5NOdieZRyr33Yt8t3+zS50yXSFdkA4vHp714U9THB
kZXlXnO3suLOvbWIo1MwUTAdBgNVHQ4EFgQUz7KQfTku9WISMNEEDmke2/KYyeMw
HwYDVR0jBBgwFoAUz7KQfTku9WISMNEEDmke2/KYyeMwDwYDVR0TAQH/BAUwAwEB
/zAKBggqhkjOPQQDAgNIADBFAiA9ws/yOboBCv8wch/GlwYltxVovBF061r8NWa7
IVyz6wIhAJtKtnjGE5VXgfG5QZJA1yZnZ2m2K9tbvFH57IYu2ZhS
-----END CERTIFICATE-----
"""
