"""The pages of the documentation, and what they tell a reader to run."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.commands import ROOT, commands_in

DOCS = ROOT / "docs"
PAGES = sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))

_FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """Something to run."""

    kind: str
    """"command", or the language of a fenced block."""
    text: str
    line: int
    """Where it starts in its page, the first being 1."""


def blocks_of(page: Path) -> Iterator[Block]:
    """Return the code and commands that a page tells a reader to run, in order."""
    text, end = page.read_text(), 0
    for fenced in _FENCED.finditer(text):
        yield from _commands(text[end : fenced.start()], text.count("\n", 0, end))
        yield Block(fenced[1], fenced[2], text.count("\n", 0, fenced.start()) + 2)
        end = fenced.end()
    yield from _commands(text[end:], text.count("\n", 0, end))


def _commands(text: str, line: int) -> Iterator[Block]:
    for command in commands_in(text):
        yield Block("command", command, line + 1)


def links_of(page: Path) -> list[str]:
    """Return the links of a page, except those to other servers."""
    targets = re.findall(r"\]\(([^)\s]+)\)", page.read_text())
    return [target for target in targets if not re.match(r"\w+:", target)]
