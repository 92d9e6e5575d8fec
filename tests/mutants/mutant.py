"""One deliberate bug of the product, as a literal record."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """``harm``: what it would mean for people, in one plain sentence. ``old`` stands exactly once in ``file``.

    ``tests``: pytest paths that are to catch it, as narrow as will do. ``commands``: what else is asked where these
    pass (a whole-box simulation, say), each run in the mutated tree; any status but 0 has caught it.
    """

    name: str
    harm: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]
    commands: tuple[str, ...] = ()

    def applied(self, text: str) -> str:
        """The file's text with the bug in it. Raises ValueError where it has no one place."""
        if text.count(self.old) != 1:
            raise ValueError(f"{self.name}: the old text stands {text.count(self.old)} times in {self.file}")
        return text.replace(self.old, self.new)
