"""A signed document as it travels: the bytes that were signed, whole as base64, and an SSH signature over them. Pure.

The signed bytes are carried as they are, since JSON has many spellings and a signature has one.
"""

from __future__ import annotations

import base64
import binascii
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

PAYLOAD_MAX = 512 * 1024
DOCUMENT_MAX = 256 * 1024
SIGNATURE_MAX = 16 * 1024
BEGIN, END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"

CONFIG, COMMAND, POOL = "dialtone-config", "dialtone-command", "dialtone-pool"
"""Namespaces (ssh-keygen(1), -n): what is signed for one purpose is worth nothing for another."""


class NotSigned(Exception):
    """What came is no signed document, or its signature does not hold; the text says why. Their garbage."""


class Envelope(Struct, frozen=True, forbid_unknown_fields=True):
    """``document``: base64 of the signed bytes; ``signature``: as ``ssh-keygen -Y sign`` writes it (PEM-like)."""

    document: Annotated[str, Meta(min_length=1, max_length=DOCUMENT_MAX * 2)]
    signature: Annotated[str, Meta(min_length=1, max_length=SIGNATURE_MAX)]


def opened(payload: bytes) -> tuple[bytes, bytes]:
    """The signed bytes and the signature, not yet verified. Raises ``NotSigned``."""
    if len(payload) > PAYLOAD_MAX:
        raise NotSigned(f"{len(payload)} bytes; at most {PAYLOAD_MAX}")
    try:
        envelope = msgspec.json.decode(payload, type=Envelope)
        document = base64.b64decode(envelope.document, validate=True)
    except (msgspec.MsgspecError, UnicodeDecodeError, binascii.Error, ValueError, RecursionError) as error:
        raise NotSigned(f"not a signed document: {str(error)[:160]}") from None
    if len(document) > DOCUMENT_MAX:
        raise NotSigned(f"a document of {len(document)} bytes; at most {DOCUMENT_MAX}")
    signature = envelope.signature.strip()
    if not (signature.startswith(BEGIN) and signature.endswith(END) and signature.isascii() and "\0" not in signature):
        raise NotSigned("the signature is not one of ssh-keygen -Y sign")
    return document, signature.encode() + b"\n"


def sealed(document: bytes, signature: bytes) -> bytes:
    """The payload to send."""
    return msgspec.json.encode(Envelope(base64.b64encode(document).decode(), signature.decode("ascii")))
