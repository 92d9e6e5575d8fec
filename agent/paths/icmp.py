"""ICMP echo, pure: requests out, replies told from everybody else's (RFC 792, RFC 4443).

A reply counts only if its type, identifier, sequence and the whole payload are ours: a raw socket sees every ping of
this machine. The payload carries a random token of 16 bytes, given by the shell.
"""

from __future__ import annotations

import struct

ECHO_V4, REPLY_V4, ECHO_V6, REPLY_V6 = 8, 0, 128, 129
TOKEN_BYTES = 16
_HEADER = struct.Struct("!BBHHH")
_IPV4_MIN = 20


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return int(~total & 0xFFFF)


def request(identifier: int, sequence: int, token: bytes, *, v6: bool = False) -> bytes:
    """An echo request. The kernel replaces the identifier on a datagram socket and the checksum for IPv6."""
    kind = ECHO_V6 if v6 else ECHO_V4
    blank = _HEADER.pack(kind, 0, 0, identifier, sequence)
    return _HEADER.pack(kind, 0, checksum(blank + token), identifier, sequence) + token


def reply_sequence(packet: bytes, identifier: int | None, token: bytes, *, v6: bool, ip_header: bool) -> int | None:
    """The sequence number of a reply to us, or None for anything else.

    ``identifier`` None: the kernel chose it and has matched it already (datagram socket). ``ip_header``: an IPv4 raw
    socket gives the IP header too.
    """
    if ip_header:
        if len(packet) < _IPV4_MIN or packet[0] >> 4 != 4:
            return None
        packet = packet[(packet[0] & 0xF) * 4 :]
    if len(packet) < _HEADER.size or packet[_HEADER.size :] != token:
        return None
    kind, code, _sum, replied_to, sequence = _HEADER.unpack_from(packet)
    if kind != (REPLY_V6 if v6 else REPLY_V4) or code != 0 or (identifier is not None and replied_to != identifier):
        return None
    return int(sequence)
