"""Which vendor's reader takes a message: by a mark that only its lines have. Pure."""

from __future__ import annotations

from collections.abc import Callable

from agent.paths.syslog import (
    asa,
    checkpoint,
    filterlog,
    firepower,
    ios,
    junos,
    keyvalue,
    mikrotik,
    netfilter,
    paloalto,
    sonicwall,
    watchguard,
)
from agent.paths.syslog.deny import Deny
from agent.paths.syslog.message import Message, parse

_Reader = Callable[[Message], Deny | None]
# A message is read by the first whose mark it has; where that one finds no refusal, there is none.
_OWN: tuple[tuple[tuple[str, ...], _Reader], ...] = (
    (("-430001", "-430002", "-430003", "-430005"), firepower.read),
    (("ASA-", "FTD-", "PIX-", "FWSM-", "ASAv-"), asa.read),
    (("ACCESSLOG", "-DROP_PKT"), ios.read),
    (("filterlog",), filterlog.read),
    (("RT_FLOW", "RT_SCREEN", "PFE_FW", "ASP_SFW"), junos.read),
    ((",TRAFFIC,", ",THREAT,"), paloalto.read),
    ((" SRC=",), netfilter.read),
    (("id=firewall", " fw_action=", " srcV6="), sonicwall.read),
    (("logid=", "devid="), keyvalue.read),
)
# Marks that other vendors' lines may have too: the next reader may try.
_SHARED: tuple[tuple[tuple[str, ...], _Reader], ...] = (
    ((" fw=",), sonicwall.read),
    ((" in:",), mikrotik.read),
    (("msg_id=", "firewall: ", "firewall["), watchguard.read),
    (("block in on", "block out on"), filterlog.read_pflog),
    (("action=", "status=", "act=", "log_subtype=", "pattern: ", "disposition="), keyvalue.read),
)


def denies(message: Message) -> tuple[Deny, ...]:
    """What a message says was refused; nothing for what was let through, and for everything else."""
    whole = message.whole
    if '"; ' in whole and "action:" in whole:
        return checkpoint.read(message)
    for marks, read in _OWN:
        for mark in marks:
            if mark in whole:
                one = read(message)
                return () if one is None else (one,)
    for marks, read in _SHARED:
        if any(mark in whole for mark in marks):
            one = read(message)
            if one is not None:
                return (one,)
    return ()


def deny_of(data: bytes) -> Deny | None:
    """The first refusal that one message's bytes tell of, or None."""
    return next(iter(denies(parse(data))), None)
