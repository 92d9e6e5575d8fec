"""This box itself: links, addresses, throughput, clock, temperature, voltage, disk, memory, by psutil. A thin shell."""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import struct
from collections.abc import Callable
from pathlib import Path

import psutil

from agent.clock import Clock
from agent.host_judge import HostJudge, Link, Sample
from agent.readings import Reading
from agent.site import schema

EVERY_S = 10.0
MB = 1_000_000
# The Raspberry Pi's firmware: bit 0 is "under-voltage now" (Raspberry Pi documentation, vcgencmd get_throttled).
THROTTLED = Path("/sys/devices/platform/soc/soc:firmware/get_throttled")
HWMON = Path("/sys/class/hwmon")
SIOCGIFADDR = 0x8915


class HostSense:
    """Looks every ``EVERY_S`` and posts what is new. ``run`` until cancelled."""

    def __init__(
        self,
        site: schema.SiteFile,
        post: Callable[[Reading], None],
        clock: Clock,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._progress = progress
        self._judge = HostJudge(site.host or schema.HostWatch())
        self._directory = site.journal.directory
        self._post, self._clock = post, clock

    async def run(self) -> None:
        psutil.cpu_percent()  # the first call only begins to count
        while True:
            for reading in self._judge.look(self.sample(), self._clock.now_ns()):
                self._post(reading)
            self._progress()
            await asyncio.sleep(EVERY_S)

    def sample(self) -> Sample:
        """One look. What can't be read is None; raises nothing."""
        return Sample(
            temperature_c=_temperature(),
            under_voltage=_under_voltage(),
            disk_free_mb=_disk(self._directory),
            memory_free_mb=psutil.virtual_memory().available / MB,
            cpu_percent=psutil.cpu_percent(),
            clock_synced=self._clock.wall().synced,
            links=_links(),
        )


def _temperature() -> float | None:
    try:
        found = psutil.sensors_temperatures()
    except (OSError, AttributeError):
        return None
    values = [one.current for sensors in found.values() for one in sensors if one.current is not None]
    return max(values, default=None)


def _under_voltage() -> bool | None:
    try:
        return bool(int(THROTTLED.read_text(), 16) & 1)
    except (OSError, ValueError):
        pass
    try:
        for name in HWMON.glob("hwmon*/name"):
            if name.read_text().strip() == "rpi_volt":
                return (name.parent / "in0_lcrit_alarm").read_text().strip() == "1"
    except OSError:
        return None
    return None


def _disk(directory: str) -> float | None:
    try:
        found = os.statvfs(directory)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize / MB


# Not psutil.net_if_addrs: it asks over netlink, which the unit's sandbox has no use for besides.
def _has_ipv4(interface: str) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        try:
            fcntl.ioctl(asking, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))  # netdevice(7)
        except OSError:
            return False
    return True


def _ipv6_addresses() -> list[str]:
    """The interface of each IPv6 address (proc_net(5)); none where the kernel has no IPv6."""
    try:
        return [line.split()[-1] for line in Path("/proc/net/if_inet6").read_text().splitlines()]
    except OSError:
        return []


def _links() -> dict[str, Link]:
    try:
        stats = psutil.net_if_stats()
        counters = psutil.net_io_counters(pernic=True, nowrap=False)
    except OSError:
        return {}
    out = {}
    six = _ipv6_addresses()
    for name, stat in list(stats.items())[:32]:
        count = counters.get(name)
        received, sent = (count.bytes_recv, count.bytes_sent) if count is not None else (0, 0)
        out[name] = Link(stat.isup, _has_ipv4(name) + six.count(name), received, sent)
    return out
