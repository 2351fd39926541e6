"""The architecture page names every package, and the index of decisions lists every record."""

import importlib
import re
from datetime import date
from pathlib import Path

import pytest

from tests.commands import ROOT
from tests.docs.pages import DOCS

ARCHITECTURE = (DOCS / "design.md").read_text()
PACKAGE = ROOT / "src" / "crispseg"
INDEX = (DOCS / "decisions" / "README.md").read_text()
RECORDS = sorted((DOCS / "decisions").glob("0*.md"))


def test_every_room_is_described() -> None:
    described = set(re.findall(r"^\| `(\w+)` \|", ARCHITECTURE, re.MULTILINE))
    packages = {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")}
    assert len(packages) > 10
    assert packages <= described


def test_every_room_is_in_the_picture() -> None:
    drawn = re.findall(r'class="name"[^>]*>([^<]+)<', (DOCS / "packages.svg").read_text())
    packages = {folder.parent.name for folder in PACKAGE.glob("*/__init__.py")}
    assert packages <= set(drawn)


def test_the_walk_names_what_is_there() -> None:
    packages = "|".join(folder.parent.name for folder in PACKAGE.glob("*/__init__.py"))
    names = re.findall(rf"`((?:{packages})\.\w+)`", ARCHITECTURE)
    assert len(names) > 5
    for package, _, name in (name.partition(".") for name in names):
        assert hasattr(importlib.import_module(f"crispseg.{package}"), name), (package, name)
    files = re.findall(rf"`((?:{packages})/\w+\.py)`", ARCHITECTURE)
    assert files
    assert not [file for file in files if not (PACKAGE / file).is_file()]


def test_the_architecture_page_stays_short() -> None:
    assert len(ARCHITECTURE.splitlines()) <= 150


def test_records_are_numbered_without_gaps() -> None:
    assert [int(path.name[:4]) for path in RECORDS] == list(range(1, len(RECORDS) + 1))


@pytest.mark.parametrize("record", RECORDS, ids=lambda path: path.name[:4])
def test_a_record_is_dated_titled_and_listed(record: Path) -> None:
    title, _, dated, *_ = record.read_text().splitlines()
    number, separator, said = title.removeprefix("# ").partition(" · ")
    assert separator
    assert number == record.name[:4]
    day = date.fromisoformat(dated[:10])
    assert f"| {number} | [{said}]({record.name}) | {day} |" in INDEX
    assert "\n## " in record.read_text()
