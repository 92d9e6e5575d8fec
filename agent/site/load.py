"""Reads a site file and tells everything that is wrong with it at once, each with its key and its line."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from agent.site import rules, schema
from agent.site.line import Tl1Line
from agent.site.secrets import SecretReader, SecretStore
from agent.site.walk import Key, Problems, good, path_text, quoted, walk
from agent.site.where import DEPTH_MAX, Positions, scan

SIZE_MAX = 1024 * 1024
ERRORS_MAX = 200

# tomllib says where, and these say what people did.
_SYNTAX = {
    "Cannot overwrite a value": "this key is given twice",
    "Invalid value": 'no value here that TOML knows: text stands in "quotes"',
    "Invalid statement": 'neither a [table] nor a key = value ("quote" a key that has other signs than letters, '
    "digits, - and _)",
    "Expected '=' after a key in a key/value pair": "a key needs = and a value",
    "Expected newline or end of document after a statement": "something stands after the value; one key a line",
}
_PLACE = re.compile(r" \(at (?:line (\d+), column \d+|end of document)\)\Z")
_MSGSPEC_PLACE = re.compile(r" - at `\$\.?(.*)`\Z")


@dataclass(frozen=True, slots=True)
class SiteError:
    """One mistake: its key (``line[1].trunks.T1-1``; lists count from 0), its line from 1 where known, and what."""

    key: str
    line: int | None
    message: str


class SiteFileInvalid(Exception):
    """The site file cannot be used. ``errors`` are all its mistakes, in the order of their lines."""

    def __init__(self, errors: tuple[SiteError, ...]) -> None:
        super().__init__("; ".join(f"{error.key}: {error.message}" for error in errors[:3]))
        self.errors = errors


Refusal = Callable[[schema.Line], tuple[Key, str] | None]
"""What only a line's dialect knows: the key within the line that cannot work, and why."""
Unusable = Callable[[schema.Check], tuple[Key, str] | None]
"""The same of a check of a path: what only its files know."""


def load(path: Path, refusal: Refusal | None = None, unusable: Unusable | None = None) -> schema.SiteFile:
    """The site file at ``path``, secrets checked. Raises ``SiteFileInvalid``, also where it can't be read.

    ``refusal`` (``agent.lines.dialects.refusal``) also asks each line's dialect, ``unusable`` each check's own files.
    """
    return _parse(text(path), SecretStore.of, refusal, unusable)


def parse(
    words: str,
    *,
    secrets: SecretReader | Callable[[schema.SiteFile], SecretReader] | None,
    refusal: Refusal | None = None,
    unusable: Unusable | None = None,
) -> schema.SiteFile:
    """A site file's text, read without a disk; ``secrets=None`` believes every name of a secret. It may be a function
    of the site that was read: which directory they are in stands there.

    Raises ``SiteFileInvalid``.
    """
    return _parse(words, secrets if callable(secrets) else lambda _site: secrets, refusal, unusable)


def text(path: Path) -> str:
    """A site file's words. Raises ``SiteFileInvalid`` where it can't be read, is too large, or is not UTF-8."""
    try:
        with path.open("rb") as file:
            data = file.read(SIZE_MAX + 1)
    except (OSError, ValueError) as error:
        raise _whole(f"cannot be read: {getattr(error, 'strerror', None) or error}") from None
    if len(data) > SIZE_MAX:
        raise _whole(f"is larger than {SIZE_MAX} bytes")
    try:
        return data.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise _whole(f"is not UTF-8: byte 0x{data[error.start]:02x}", line) from None


def _whole(message: str, line: int | None = None, key: str = "file") -> SiteFileInvalid:
    return SiteFileInvalid((SiteError(key, line, message),))


def _parse(
    text: str,
    secrets_of: Callable[[schema.SiteFile], SecretReader | None],
    refusal: Refusal | None,
    unusable: Unusable | None,
) -> schema.SiteFile:
    if len(text) > SIZE_MAX:
        raise _whole(f"is larger than {SIZE_MAX} bytes")
    positions = scan(text)
    data = _toml(text, positions)
    problems = Problems(ERRORS_MAX)
    seen: schema.SiteFile = walk(data, schema.SiteFile, problems)
    if good(seen):
        for problem in rules.check(seen, frozenset(data)):
            problems.add(problem.at, problem.message)
        if good(seen.secrets, seen.uplink, seen.line) and good(seen.secrets.directory):
            _check_secrets(seen, secrets_of(seen), problems)
        if refusal is not None and good(seen.line):
            _ask_dialects(data, refusal, problems)
        if unusable is not None and good(seen.path):
            _ask_checks(data, unusable, problems)
    if not problems.found:
        try:
            return msgspec.convert(data, schema.SiteFile)
        except msgspec.ValidationError as error:  # the walker missed something; a mistake is told all the same
            told = str(error)
            place = _MSGSPEC_PLACE.search(told)
            raise _whole(_MSGSPEC_PLACE.sub("", told), None, place[1] if place else "file") from None
    raise SiteFileInvalid(_errors(problems, positions))


def _toml(text: str, positions: Positions) -> dict[str, Any]:
    # Asked first: tomllib needs time with the square of a key's parts, and Python's stack for each bracket.
    if positions.too_deep is not None:
        raise _whole(f"nested deeper than {DEPTH_MAX} keys or brackets", positions.too_deep, "TOML")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise _whole("nested too deep", None, "TOML") from None
    except ValueError as error:  # TOMLDecodeError, and what Python says of numbers of thousands of digits
        told = str(error)
        place = _PLACE.search(told)
        line = None if place is None else int(place[1]) if place[1] else text.rstrip().count("\n") + 1
        what = _PLACE.sub("", told)
        raise _whole(_SYNTAX.get(what, _printable(what)), line, "TOML") from None


def _printable(text: str) -> str:
    return quoted(text)[1:-1].replace('\\"', '"') if not text.isprintable() else text


PATH_SECRETS = {
    "secret": True,
    "community": True,
    "authentication_password": True,
    "privacy_password": True,
    "password": True,
    "key": True,
    "ca": False,
    "certificate": False,
}


def _check_secrets(site: schema.SiteFile, secrets: SecretReader | None, problems: Problems) -> None:
    if secrets is None:
        return
    for number, uplink in enumerate(site.uplink):
        if not good(uplink):
            continue
        for key, private in (("password", True), ("ca", False), ("certificate", False), ("key", True)):
            name = getattr(uplink, key)
            why = secrets.problem(name, private=private) if good(name) and name is not None else None
            if why is not None:
                at: Key = ("uplink", number, key)
                problems.add(at, f"the secret {quoted(name)} can't be used: {why}")
    signers = site.remote.allowed_signers if good(site.remote) else None
    why = secrets.problem(signers, private=False) if good(signers) and signers is not None else None
    if why is not None:
        problems.add(("remote", "allowed_signers"), f"the secret {quoted(str(signers))} can't be used: {why}")
    if good(site.path):
        _check_path_secrets(site.path, secrets, problems)
    for number, line in enumerate(site.line):
        if not good(line) or not isinstance(line, Tl1Line) or not good(line.session) or line.session is None:
            continue
        name = line.session.password
        why = secrets.problem(name, private=True) if good(name) else None
        if why is not None:
            problems.add(("line", number, "session", "password"), f"the secret {quoted(name)} can't be used: {why}")


def _check_path_secrets(paths: tuple[schema.Path, ...], secrets: SecretReader, problems: Problems) -> None:
    """A path's own, and those of its checks."""
    for number, path in enumerate(paths):
        if not good(path):
            continue
        held: list[tuple[Key, object]] = [(("path", number), path)]
        if good(path.checks):
            held += [(("path", number, "checks", n), c) for n, c in enumerate(path.checks) if good(c)]
        for at, holder in held:
            for key, private in PATH_SECRETS.items():
                name = getattr(holder, key, None)
                why = secrets.problem(name, private=private) if isinstance(name, str) else None
                if why is not None:
                    problems.add((*at, key), f"the secret {quoted(str(name))} can't be used: {why}")


def _ask_dialects(data: dict[str, Any], refusal: Refusal, problems: Problems) -> None:
    """Only of lines that are right as far as their types go: the dialect needs a whole one."""
    for number, table in enumerate(data.get("line", ())):
        try:
            line = msgspec.convert(table, schema.Line)
        except msgspec.ValidationError:
            continue
        refused = refusal(line)
        if refused is not None:
            problems.add(("line", number, *refused[0]), refused[1])


def _ask_checks(data: dict[str, Any], unusable: Unusable, problems: Problems) -> None:
    """Only of those that are right as far as their types go."""
    for number, table in enumerate(data.get("path", ())):
        checks = table.get("checks") if isinstance(table, dict) else None
        for place, one in enumerate(checks if isinstance(checks, list) else ()):
            try:
                refused = unusable(msgspec.convert(one, schema.Check))
            except msgspec.ValidationError:
                continue
            if refused is not None:
                problems.add(("path", number, "checks", place, *refused[0]), refused[1])


def _errors(problems: Problems, positions: Positions) -> tuple[SiteError, ...]:
    errors = [SiteError(path_text(p.at), positions.line_of(p.at), p.message) for p in problems.found]
    errors.sort(key=lambda error: (error.line or 0, error.key))
    if problems.dropped:
        errors.append(SiteError("file", None, f"{problems.dropped} more mistakes are not shown"))
    return tuple(errors)
