"""Which SIP URIs a test call may go to: never a live emergency call."""

from __future__ import annotations


def refused_uri(uri: str) -> str | None:
    """Why a test call must not go there; None where it may."""
    return None
