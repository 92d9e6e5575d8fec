"""paho-mqtt, without dnspython: it imports that where it is installed, for a way of connecting that is not used here.

On a small machine the 4 MB of it count: the agent itself imports dnspython only where a site checks names.
"""

from __future__ import annotations

import sys

_KEPT_OUT = "dns.resolver"
_known = _KEPT_OUT in sys.modules
if not _known:
    sys.modules[_KEPT_OUT] = None  # type: ignore[assignment]  # an import of it fails, as where it is not installed

from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage  # noqa: E402
from paho.mqtt.enums import CallbackAPIVersion, LogLevel, MQTTErrorCode, MQTTProtocolVersion  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402
from paho.mqtt.reasoncodes import ReasonCode  # noqa: E402
from paho.mqtt.subscribeoptions import SubscribeOptions  # noqa: E402

if not _known:
    del sys.modules[_KEPT_OUT]

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
