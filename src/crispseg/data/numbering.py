"""Map the numbers in a label map to classes."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from crispseg.errors import InputError
from crispseg.reading import read_text

IGNORE_INDEX = -1
"""Label of pixels that belong to no class; data sets map their own void labels to it. No file can hold it."""

ZERO_BASED, ONE_BASED = "0-based", "1-based"

LIKE_LABELS = "like-labels"
"""Numbering of predictions that use the same numbers as the true labels of their data set."""

HIGHEST_LABEL = 65535
"""The highest number that a label map holds."""


@dataclass(frozen=True)
class Numbering:
    """The classes that labels stand for.

    Args:
        name: Name of the numbering, for messages.
        shift: Number added to a label to get its class, if there is no table; class -1 is void.
        table: Class of each label, `IGNORE_INDEX` for void.
        others: Class of labels that are not in the table; None refuses them.
        names: Class names that the table gives.
    """

    name: str
    shift: int = 0
    table: Mapping[int, int] | None = None
    others: int | None = None
    names: Mapping[int, str] = field(default_factory=dict)

    def class_of(self, label: int) -> int | None:
        """Return the class of a label: `IGNORE_INDEX` for void, None for a label that is not in the table."""
        return label + self.shift if self.table is None else self.table.get(label, self.others)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Names of the classes in their order, empty where the table gives none."""
        return names_by_class(self.names)

    @property
    def description(self) -> str | dict[str, Any]:
        """The complete numbering, for JSON: a file of the same name may hold another table later."""
        if self.table is None:
            return self.name
        return {"labels": {str(label): class_ for label, class_ in self.table.items()}, "others": self.others}


def label_number(text: str) -> int | None:
    """Return the number in a text; None if it is not a whole number that a label map can hold.

    Example:
        >>> label_number("7"), label_number("-1"), label_number("65536")
        (7, None, None)
    """
    is_number = text.isascii() and text.isdecimal() and len(text) <= len(str(HIGHEST_LABEL))
    return int(text) if is_number and int(text) <= HIGHEST_LABEL else None


def names_by_class(names: Mapping[int, str]) -> tuple[str, ...]:
    """Return names in the order of their classes; a class without a name gets an empty one.

    Example:
        >>> names_by_class({2: "car", 0: "road"})
        ('road', '', 'car')
    """
    return tuple(names.get(label, "") for label in range(max(names, default=-1) + 1))


def read_numbering(said: str | Path) -> Numbering:
    """Return the numbering that a word or a file describes.

    Args:
        said: "0-based": labels are the numbers of the classes. "1-based": the classes start at 1, and 0 is void, as in
            ADE20K. Else a file: of lines `LABEL CLASS [NAME]`, parted by blanks, tabs, commas or semicolons, where
            `CLASS` may be `void`, `*` stands for all other labels, and `#` begins a comment; or, ending in `.json`, an
            object of the same, `{"7": 0, "8": [1, "sidewalk"], "*": "void"}`.

    Raises:
        InputError: If the file is missing or damaged, or names a label twice or one that no label map can hold.
    """
    if said in (ZERO_BASED, ONE_BASED):
        return Numbering(str(said), shift=-(said == ONE_BASED))
    path = Path(said)
    table: dict[int, int] = {}
    names: dict[int, str] = {}
    others: int | None = None
    for where, label, class_, name in _entries(path):
        number = IGNORE_INDEX if class_ == "void" else _whole(class_, f"{where}: class", "or `void`")
        if label == "*":
            others = number
            continue
        known = _whole(label, f"{where}: label", "or `*`")
        if known in table:
            raise InputError(f"{where}: label {known} is listed twice; keep one of the two")
        table[known] = number
        if name and number != IGNORE_INDEX:
            names.setdefault(number, name)
    if not table:
        raise InputError(f"table {path}: has no labels; expected lines such as `7 0 road`")
    return Numbering(str(said), table=table, others=others, names=names)


def _entries(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Yield the place of each entry, its label, its class, and its name or an empty text."""
    expected = f"{ZERO_BASED}, {ONE_BASED}, or a table of labels and classes"
    text = read_text(path, "numbering", f"cannot be read; expected {expected}")
    yield from _json_entries(path, text) if path.suffix.lower() == ".json" else _text_entries(path, text)


def _text_entries(path: Path, text: str) -> Iterator[tuple[str, str, str, str]]:
    first = True
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.partition("#")[0].replace(",", " ").replace(";", " ").split(maxsplit=2)
        if not parts:
            continue
        header = first and not (parts[0].isdecimal() or parts[0] == "*")
        first = False
        if header:
            continue
        if len(parts) < 2:
            raise InputError(f"table {path}, line {number}: {line.strip()!r}; expected a label and its class")
        yield f"table {path}, line {number}", parts[0], parts[1], parts[2].strip() if len(parts) > 2 else ""


def _json_entries(path: Path, text: str) -> Iterator[tuple[str, str, str, str]]:
    def listed(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
        return pairs  # and not a dictionary, which would keep the last of two equal labels

    try:
        entries = json.loads(text, object_pairs_hook=listed)
    except (ValueError, RecursionError) as error:
        raise InputError(f"table {path}: not JSON ({error})") from error
    if not text.lstrip().startswith("{"):
        raise InputError(f'table {path}: expected an object such as {{"7": 0, "8": [1, "sidewalk"], "*": "void"}}')
    for label, value in entries:
        parts = value if isinstance(value, list) else [value]
        if not 1 <= len(parts) <= 2 or not all(isinstance(part, int | str) for part in parts):
            raise InputError(f"table {path}: label {label} is {value!r}; expected a class, or a class and its name")
        yield f"table {path}", label.strip(), str(parts[0]), str(parts[1]) if len(parts) == 2 else ""


def _whole(text: str, what: str, otherwise: str) -> int:
    label = label_number(text)
    if label is None:
        raise InputError(f"{what} is {text!r}; expected a whole number from 0 to {HIGHEST_LABEL}, {otherwise}")
    return label
