"""paho-mqtt, without what it imports for ways of connecting that are not used here: dnspython, PySocks, urllib.request.

On a small machine their 4 and 1 MB count. The first finds servers by DNS records, the others go through the system's
web proxies, each where it is installed. The agent itself imports dnspython only where a site checks names.
"""

from __future__ import annotations

import sys
from types import ModuleType

_STAND_INS = {"dns.resolver": None, "socks": None, "urllib.request": ModuleType("urllib.request")}
"""None: an import of it fails, as where it is not installed."""
_put = [name for name in _STAND_INS if name not in sys.modules]
sys.modules.update({name: _STAND_INS[name] for name in _put})  # type: ignore[misc]

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage  # noqa: E402
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402
from paho.mqtt.reasoncodes import ReasonCode  # noqa: E402
from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: E402

for _name in _put:
    del sys.modules[_name]

__all__ = [
    "CallbackAPIVersion",
    "Client",
    "ConnectFlags",
    "DisconnectFlags",
    "LogLevel",
    "MQTTErrorCode",
    "MQTTMessage",
    "MQTTProtocolVersion",
    "PacketTypes",
    "Properties",
    "ReasonCode",
    "SubscribeOptions",
]
