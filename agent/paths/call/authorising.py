"""The challenges of one call, pure: which are met, and the credentials each request carries (RFC 3261 section 22)."""

from __future__ import annotations

from collections.abc import Callable

from agent.paths import sip
from agent.paths.call import digest

HEADERS = {401: ("www-authenticate", "Authorization"), 407: ("proxy-authenticate", "Proxy-Authorization")}
"""By the code: the header that asks, and the one that answers."""


class Authorising:
    """A far end and a proxy before it may each ask once, and once more where only the nonce was too old.

    ``word``: fresh random text for a purpose. Without a user nothing is met.
    """

    def __init__(self, user: str | None, password: bytes | None, word: Callable[[str], str]) -> None:
        self._user, self._password, self._word = user, password, word
        self._met: dict[int, digest.Challenge] = {}
        self._uses: dict[str, int] = {}
        self._spent: set[tuple[str, int, bool]] = set()

    def meets(self, message: sip.Message, code: int, method: str) -> bool:
        """Whether credentials can be made for this 401 or 407; then they are, from the next request on."""
        challenge = digest.parse_challenge(", ".join(message.headers.get(HEADERS[code][0], [])))
        if challenge is None or self._user is None or self._password is None:
            return False
        again = (method, code, False) in self._spent
        if again and (not challenge.stale or (method, code, True) in self._spent):
            return False
        self._spent.add((method, code, again))
        self._met[code] = challenge
        return True

    def fields(self, method: str, uri: str) -> list[tuple[str, str]]:
        """One header for each challenge met; each nonce is counted on (RFC 7616 section 3.4)."""
        fields = []
        for code, challenge in self._met.items():
            uses = self._uses[challenge.nonce] = self._uses.get(challenge.nonce, 0) + 1
            cnonce = self._word(f"cnonce {challenge.nonce} {uses}")
            user, password = self._user or "", self._password or b""
            value = digest.authorization(challenge, method, uri, user, password, cnonce, uses)
            fields.append((HEADERS[code][1], value))
        return fields
