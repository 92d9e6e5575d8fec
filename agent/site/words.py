"""The plain types that site-file keys are made of, each with the words a refusal uses."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

# A description is what stands after "must be" where a value is refused.
Id = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
        description="lower-case letters, digits and hyphens, at most 32, starting with a letter or digit",
    ),
]
# What stands there by mistake may be the secret itself: a refusal must not show it.
SecretName = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9-]{0,31}\Z",
        description="the name of a secret (lower-case letters, digits and hyphens, at most 32), "
        "never the secret itself",
        extra={"private": True},
    ),
]
Text = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=200,
        pattern=r"^[^\x00-\x1f\x7f]*\Z",
        description="text of 1 to 200 characters on one line",
    ),
]
Aid = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=64,
        pattern=r"^[!-~]([ -~]*[!-~])?\Z",
        description="a trunk's access identifier as the equipment sends it: 1 to 64 ASCII characters, "
        "no space at either end",
    ),
]
Host = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=253,
        pattern=r"^(::1|[A-Za-z0-9]([A-Za-z0-9.:_%-]*[A-Za-z0-9])?)\Z",
        description="an IP address or a host name, at most 253 characters",
    ),
]
TcpPort = Annotated[int, Meta(ge=1, le=65535)]
EveryS = Annotated[float, Meta(ge=0.2, le=3600)]
TimeoutS = Annotated[float, Meta(ge=0.1, le=60)]
Directory = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=r"^/[^\x00-\x1f]*\Z",
        description="a path from the root, such as /var/lib/dialtone, at most 4096 characters",
    ),
]
Port = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=4096,
        pattern=r"^(/|socket://|rfc2217://)[^\x00-\x1f]+\Z",
        description="a device's path such as /dev/serial/by-path/..., socket://host:port or rfc2217://host:port",
    ),
]
Interface = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=15,
        pattern=r"^[A-Za-z0-9._-]+\Z",
        description="a network interface's name such as wwan0, at most 15 characters",
    ),
]
Url = Annotated[str, Meta(max_length=300, description="mqtts://host:port or mqtt://host:port, at most 300 characters")]

SipUri = Annotated[
    str,
    Meta(
        min_length=5,
        max_length=200,
        pattern=r"^(sip:[!-~]+|urn:service:test\.[!-~]+)\Z",
        description="a SIP URI such as sip:echo@192.0.2.9, or urn:service:test.sos",
    ),
]
Endpoint = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=64,
        pattern=r"^(\[[0-9A-Fa-f:.]+\]|[0-9.]+):[0-9]{1,5}\Z",
        description="address:port to listen at, such as 0.0.0.0:5514 or [::]:5514",
    ),
]
Network = Annotated[
    str,
    Meta(
        min_length=2,
        max_length=64,
        pattern=r"^[0-9A-Fa-f:.]+(/[0-9]{1,3})?\Z",
        description="an address or a network such as 10.77.3.0/24",
    ),
]
PortRange = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=11,
        pattern=r"^[0-9]{1,5}(-[0-9]{1,5})?\Z",
        description="a port or a range such as 10000-20000",
    ),
]
