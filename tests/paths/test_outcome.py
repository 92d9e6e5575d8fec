"""What an error of the socket says: of the other side, of the way, or of this box alone."""

from __future__ import annotations

import errno
import os

import pytest

from agent.paths.outcome import REFUSED_TCP, REFUSED_UDP, of_error


def error(number: int) -> OSError:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize("refused", [REFUSED_TCP, REFUSED_UDP])
def test_who_refuses_is_alive_and_that_is_said(refused: str) -> None:
    outcome = of_error(error(errno.ECONNREFUSED), refused)
    assert (outcome.state, outcome.reason) == ("down", refused)


@pytest.mark.parametrize("number", [errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ETIMEDOUT, errno.ECONNRESET])
def test_the_way_is_at_fault(number: int) -> None:
    assert of_error(error(number)).state == "down"


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EPERM, errno.EADDRNOTAVAIL])
def test_what_this_box_lacks_says_nothing_of_anybody(number: int) -> None:
    outcome = of_error(error(number))
    assert outcome.state == "unknown"
    assert outcome.reason.startswith("this box can't test")
