"""Each `*.bad.py` beside this file is a wrong declaration: its first line says what a person is told."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from catchment import DeclarationError

FILES = sorted(Path(__file__).parent.glob("*.bad.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name.removesuffix(".bad.py"))
def test_a_wrong_declaration_stops_the_program_with_what_is_wrong(path: Path):
    """Advisory A1: no name of a feed or a field gets into SQL but one of letters, digits and underscores."""
    expected = path.read_text().partition("\n")[0].removeprefix("# ")
    with pytest.raises(DeclarationError) as caught:
        runpy.run_path(str(path))
    assert str(caught.value).startswith(expected) or expected in str(caught.value)
    assert "canary" not in str(caught.value)


def test_there_are_wrong_declarations_of_many_kinds():
    assert len(FILES) >= 50
