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
TimeoutS = Annotated[float, Meta(ge=0.1, le=30)]
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
