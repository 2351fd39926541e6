"""The map of the paper names everything in it, and every name is there, in the file that is given."""

import importlib
import inspect
import re
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import DOCS

PAGE = DOCS / "paper.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text().splitlines()
    if re.match(r"\| (eq\.|sec\.|table|figure) [\d.]+ \|", line)
]
NAMES = sorted(set(re.findall(r"`(crispseg(?:\.\w+)+)`", PAGE.read_text())))


def found(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def test_nothing_of_the_paper_is_left_out() -> None:
    assert {row[0] for row in ROWS} == {
        *(f"eq. {number}" for number in range(1, 6)),
        *("sec. 3.1", "sec. 3.2", "sec. 3.3", "sec. 4.1", "sec. 4.2", "sec. 5"),
        *("table 1", "table 2"),
        *(f"figure {number}" for number in range(1, 5)),
    }


def test_every_row_says_what_computes_it_where_and_what_differs() -> None:
    for paper, what, computed_by, file, differs in ROWS:
        assert what, paper
        assert "`crispseg." in computed_by, paper
        assert re.search(r"\]\(\.\./(src|csrc)/", file), paper
        assert differs, paper


@pytest.mark.parametrize("name", NAMES)
def test_a_name_imports_and_is_documented(name: str) -> None:
    assert inspect.getdoc(found(name)), name


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}: {row[1]}")
def test_the_file_computes_what_is_named(row: list[str]) -> None:
    names = [name.rpartition(".")[2] for name in re.findall(r"`(crispseg(?:\.\w+)+)`", row[2])]
    for target in re.findall(r"\]\(([^)]+)\)", row[3]):
        path = Path(PAGE.parent / target)
        if path.suffix == ".py" and path.name != "triton.py":
            text = path.read_text()
            assert any(re.search(rf"^(def |class )?{name}\b", text, re.MULTILINE) for name in names), target
        else:
            assert path.is_file(), target
