"""Edits of JSON text that leave every other byte as it is."""

import json
import re
from collections.abc import Iterable
from functools import partial
from typing import Any, NamedTuple

from crispseg.annotations.texts import BOM, spliced

_SPACE = re.compile(rf"[ \t\n\r{BOM}]*")
_DECODER = json.JSONDecoder()


class Value(NamedTuple):
    """A value, and where its text begins and ends."""

    value: Any
    begin: int
    end: int


def members(text: str, begin: int = 0) -> dict[str, Value]:
    """Return the members of the JSON object that begins at or after a place.

    Example:
        >>> members('{"a": [1, 2]}')["a"]
        Value(value=[1, 2], begin=6, end=12)
    """
    found: dict[str, Value] = {}
    at = _after(text, _after(text, begin) + 1)
    while text[at] != "}":
        key, at = _DECODER.raw_decode(text, _after(text, at + (text[at] == ",")))
        begin = _after(text, _after(text, at) + 1)
        value, end = _DECODER.raw_decode(text, begin)
        found[key] = Value(value, begin, end)
        at = _after(text, end)
    return found


def elements(text: str, begin: int) -> list[Value]:
    """Return the elements of the JSON array that begins at or after a place."""
    found: list[Value] = []
    at = _after(text, _after(text, begin) + 1)
    while text[at] != "]":
        begin = _after(text, at + (text[at] == ","))
        value, end = _DECODER.raw_decode(text, begin)
        found.append(Value(value, begin, end))
        at = _after(text, end)
    return found


def replaced(text: str, edits: Iterable[tuple[Value, Any]]) -> str:
    """Return the text with values replaced by others, in the same style: on one line, or indented."""
    return spliced(text, ((old.begin, old.end, _styled(new, text[old.begin : old.end])) for old, new in edits))


def _after(text: str, at: int) -> int:
    """Return the place of the next letter that is neither a space nor a byte order mark."""
    match = _SPACE.match(text, at)
    return at if match is None else match.end()


def _styled(value: Any, old: str) -> str:  # noqa: ANN401 - any JSON value
    lines = old.splitlines()
    dumps = partial(json.dumps, value, ensure_ascii=old.isascii())
    if len(lines) < 3:
        return dumps(separators=(", ", ": ") if ", " in old else (",", ":"))
    margin, inner = (line[: len(line) - len(line.lstrip())] for line in (lines[-1], lines[1]))
    end = "\r\n" if "\r\n" in old else "\n"
    return dumps(indent=inner.removeprefix(margin) or " ").replace("\n", f"{end}{margin}")
