"""The User-based Security Model (RFC 3414, RFC 3826, RFC 7860): keys, signatures, ciphers and engines' clocks. Pure.

The ciphers and the localising of keys are the library ``snmp``'s. Its message layer is not used: it reads a hostile
identifier in quadratic time, keeps a clock and keys for every engine it ever heard of, and answers no informs.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from dataclasses import dataclass, replace
from typing import Any

from agent.paths.snmp.ber import Malformed
from agent.paths.snmp.message import Secured, placed

NS = 1_000_000_000
WINDOW_S = 150
BOOTS_MAX = 0x7FFF_FFFF
ENGINES_MAX = 8
ENGINE_ID_OCTETS = range(5, 33)


class WrongDigest(Malformed):
    """The signature is not this user's."""


class CannotDecrypt(Malformed):
    """It can't be deciphered with this user's key."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """One user. The passwords are the secrets; nothing here is ever printed."""

    user: bytes
    authentication: str | None = None
    password: bytes = b""
    privacy: str | None = None
    privacy_password: bytes = b""

    def __repr__(self) -> str:
        return "Credentials(...)"

    @property
    def flags(self) -> int:
        """msgFlags of this user's security level (RFC 3412 section 6.4)."""
        return (1 if self.authentication else 0) | (2 if self.privacy else 0)


class Keys:
    """A user's keys, localised to the few engines last heard. Made once: a key takes a megabyte of hashing."""

    def __init__(self, user: Credentials) -> None:
        self.user = user
        self._auth: Any = None
        self._priv: Any = None
        self._ku = self._privacy_ku = b""
        if user.authentication:
            from snmp.security.usm import auth  # type: ignore[import-untyped]

            self._auth = {
                "md5": auth.HmacMd5, "sha": auth.HmacSha, "sha224": auth.HmacSha224,
                "sha256": auth.HmacSha256, "sha384": auth.HmacSha384, "sha512": auth.HmacSha512,
            }[user.authentication]  # fmt: skip
            self._ku = self._auth.computeKey(user.password)
        if user.privacy:
            from snmp.security.usm import priv

            self._priv = {"des": priv.DesCbc, "aes": priv.AesCfb128}[user.privacy]
            self._privacy_ku = self._auth.computeKey(user.privacy_password)
        self._localised: OrderedDict[bytes, tuple[Any, Any]] = OrderedDict()

    def _of(self, engine: bytes) -> tuple[Any, Any]:
        found = self._localised.get(engine)
        if found is None:
            signer = self._auth(self._auth.localizeKey(self._ku, engine)) if self._auth else None
            cipher = self._priv(self._auth.localizeKey(self._privacy_ku, engine)) if self._priv else None
            found = self._localised[engine] = (signer, cipher)
        self._localised.move_to_end(engine)
        while len(self._localised) > ENGINES_MAX:
            self._localised.popitem(last=False)
        return found

    def close(self, message: Secured) -> bytes:
        """The message's bytes, enciphered and signed as its flags say."""
        if not message.signed:
            return placed(message).raw
        signer, cipher = self._of(message.engine)
        if message.encrypted:
            data, salt = cipher.encrypt(message.scoped, message.boots, message.time_s)
            message = replace(message, scoped=bytes(data), salt=bytes(salt))
        blank = placed(replace(message, signature=bytes(signer.N)))
        return _put(blank, bytes(signer.sign(blank.raw)))

    def open(self, message: Secured) -> bytes:
        """The plain ScopedPDU of a message whose flags this user has keys for.

        Raises WrongDigest and CannotDecrypt.
        """
        if message.flags & 3 & ~self.user.flags:
            raise WrongDigest("more security than this user has")
        if not message.signed:
            return message.scoped
        signer, cipher = self._of(message.engine)
        if len(message.signature) != signer.N:
            raise WrongDigest("a signature of another length")
        if not hmac.compare_digest(signer.sign(_put(message, bytes(signer.N))), message.signature):
            raise WrongDigest("the signature is not this user's")
        if not message.encrypted:
            return message.scoped
        try:
            return bytes(cipher.decrypt(message.scoped, message.boots, message.time_s, message.salt))
        except (ValueError, OverflowError) as error:  # a salt or a length that no cipher takes
            raise CannotDecrypt("it can't be deciphered") from error


def _put(message: Secured, signature: bytes) -> bytes:
    at = message.signature_at
    return message.raw[:at] + signature + message.raw[at + len(signature) :]


@dataclass(slots=True)
class EngineClock:
    """What is known of an authoritative engine's boots and time (RFC 3414 section 2.3).

    ``proved``: a signed message said so; else it is only a hint from its discovery.
    """

    engine: bytes
    boots: int
    time_s: int
    at_ns: int
    proved: bool = False

    def time_now_s(self, now_ns: int) -> int:
        """Its time by our clock."""
        return min(self.time_s + (now_ns - self.at_ns) // NS, BOOTS_MAX)

    def hear(self, message: Secured, now_ns: int) -> bool:
        """Take a signed message's time; False where it is not in the window (section 3.2, step 7b)."""
        newer = message.boots > self.boots or (message.boots == self.boots and message.time_s > self.time_now_s(now_ns))
        if newer or not self.proved:
            self.boots, self.time_s, self.at_ns, self.proved = message.boots, message.time_s, now_ns, True
            return message.boots < BOOTS_MAX
        late_s = self.time_now_s(now_ns) - message.time_s
        return message.boots == self.boots and late_s <= WINDOW_S and message.boots < BOOTS_MAX
