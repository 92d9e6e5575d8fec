"""The list of deliberate bugs does not rot: each still has its one place in the code, and is still Python there."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.mutants.catalogue import MUTANTS
from tests.mutants.mutant import Mutant

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_it_has_its_place_and_is_another_program(mutant: Mutant) -> None:
    text = (ROOT / mutant.file).read_text()
    changed = mutant.applied(text)
    compile(changed, mutant.file, "exec")
    assert ast.dump(ast.parse(changed)) != ast.dump(ast.parse(text)), "it changes nothing"


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_its_catchers_are_there_and_its_harm_is_told(mutant: Mutant) -> None:
    assert mutant.tests
    for node in mutant.tests:
        assert (ROOT / node.partition("::")[0]).exists(), node
    assert mutant.harm.endswith(".")
    assert mutant.harm[0].isupper() or mutant.harm[0] == "`"


def test_names_are_unique() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    assert len({(mutant.file, mutant.old, mutant.new) for mutant in MUTANTS}) == len(MUTANTS)
    assert len(MUTANTS) >= 32


def test_a_place_that_is_gone_or_is_two_is_told() -> None:
    mutant = Mutant("twice", "Nobody knows which.", "a.py", "x = 1", "x = 2", ("tests",))
    for text in ("y = 1", "x = 1\nx = 1"):
        with pytest.raises(ValueError, match="twice"):
            mutant.applied(text)
    assert mutant.applied("x = 1\n") == "x = 2\n"
