"""The firewall's log: ``python -m tests.real.network.nflog GROUP HOST PORT``, in the firewall's namespace.

Reads the packets of an nflog group off netlink (linux/netfilter/nfnetlink_log.h) and sends a syslog line for each, in
the words of the kernel's own LOG target (nf_log_syslog.c), which takes nothing from a network namespace.
"""

from __future__ import annotations

import socket
import struct
import sys
import time
from collections.abc import Iterator

NETLINK_NETFILTER = 12
NFNL_SUBSYS_ULOG = 4
PACKET, CONFIG = 0, 1  # enum nfulnl_msg_types
CFG_CMD, CFG_MODE, CFG_AT_ONCE = 1, 2, 5  # enum nfulnl_attr_config
BIND = 1
COPY_PACKET = 2
INDEV, OUTDEV, PAYLOAD, PREFIX, HARDWARE = 4, 5, 9, 10, 16  # enum nfulnl_attr_type
PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP"}
FLAGS = (("CWR", 128), ("ECE", 64), ("URG", 32), ("ACK", 16), ("PSH", 8), ("RST", 4), ("SYN", 2), ("FIN", 1))
KERN_WARNING = 4


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded (netlink(7))."""
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def configure(group: int, body: bytes) -> bytes:
    """One NFULNL_MSG_CONFIG request with its acknowledgement asked for."""
    head = struct.pack("=BBH", socket.AF_UNSPEC, 0, socket.htons(group))
    length = 16 + len(head) + len(body)
    return struct.pack("=IHHII", length, NFNL_SUBSYS_ULOG << 8 | CONFIG, 0x1 | 0x4, 0, 0) + head + body


def messages(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Type and body of each netlink message."""
    while len(data) >= 16:
        length, kind = struct.unpack_from("=IH", data)
        yield kind, data[16:length]
        data = data[length + -length % 4 :]


def attributes(data: bytes) -> dict[int, bytes]:
    """The attributes of one message."""
    out = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        out[kind & 0x7FFF] = data[4:length]
        data = data[length + -length % 4 :]
    return out


def words(found: dict[int, bytes]) -> str | None:
    """A packet as netfilter's LOG writes it; None for what is no IPv4."""
    packet = found.get(PAYLOAD, b"")
    if len(packet) < 20 or packet[0] >> 4 != 4:
        return None

    def device(kind: int) -> str:
        raw = found.get(kind)
        return socket.if_indextoname(struct.unpack("!I", raw)[0]) if raw else ""

    tos, length, ident, fragment, ttl, protocol = struct.unpack_from("!xBHHHBB", packet)
    prefix = found.get(PREFIX, b"\0")[:-1].decode()
    out = [f"{prefix}IN={device(INDEV)} OUT={device(OUTDEV)}"]
    out += [f"MAC={found[HARDWARE].hex(':')}"] if HARDWARE in found else []
    out += [f"SRC={socket.inet_ntoa(packet[12:16])} DST={socket.inet_ntoa(packet[16:20])}"]
    out += [f"LEN={length} TOS=0x{tos & 0x1E:02X} PREC=0x{tos & 0xE0:02X} TTL={ttl} ID={ident}"]
    out += ["DF"] * bool(fragment & 0x4000) + [f"PROTO={PROTOCOLS.get(protocol, protocol)}"]
    rest = packet[(packet[0] & 15) * 4 :]
    if protocol == 17 and len(rest) >= 8:
        out.append("SPT={} DPT={} LEN={}".format(*struct.unpack_from("!HHH", rest)))
    elif protocol == 6 and len(rest) >= 20:
        flags = " ".join(name for name, bit in FLAGS if rest[13] & bit)
        out.append("SPT={} DPT={}".format(*struct.unpack_from("!HH", rest)))
        out.append(f"WINDOW={struct.unpack_from('!H', rest, 14)[0]} RES=0x00 {flags} URGP=0")
    elif protocol == 1 and len(rest) >= 8:
        out.append("TYPE={} CODE={} ID={} SEQ={}".format(*struct.unpack_from("!BBxxHH", rest)))
    return " ".join(out)


def main(group: int, host: str, port: int) -> None:
    """Until it is ended."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_NETFILTER) as netlink:
        netlink.bind((0, 0))
        for body in (
            attribute(CFG_CMD, struct.pack("=B", BIND)),
            attribute(CFG_MODE, struct.pack("!IBx", 128, COPY_PACKET)),
            attribute(CFG_AT_ONCE, struct.pack("!I", 1)),
        ):
            netlink.send(configure(group, body))
            error = struct.unpack_from("=i", netlink.recv(4096), 16)[0]
            if error:
                raise OSError(-error, "nflog")
        print("listening", flush=True)
        out = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        while True:
            for kind, body in messages(netlink.recv(1 << 16)):
                if kind != NFNL_SUBSYS_ULOG << 8 | PACKET:
                    continue
                text = words(attributes(body[4:]))
                if text is not None:
                    now = time.strftime("%b %e %H:%M:%S")
                    line = f"<{KERN_WARNING}>{now} firewall kernel: [{time.monotonic():12.6f}] {text}"
                    out.sendto(line.encode(), (host, port))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
