"""Names of classes: from a file, and for tables."""

import json
from collections.abc import Sequence
from pathlib import Path

from crispseg.data.numbering import HIGHEST_LABEL, label_number, names_by_class
from crispseg.errors import InputError
from crispseg.reading import read_text

_ID2LABEL = "id2label"
"""Where the `config.json` of a transformers model holds its names."""

_OTHERS = (".yaml", ".yml", ".csv", ".toml", ".xml", ".pbtxt")
"""Endings of files that hold names among other text. Read as lines, each class would get the wrong name."""


def name_of(class_names: Sequence[str], label: int) -> str:
    """Return the name of a class, or its number where it has none.

    Example:
        >>> name_of(("road", ""), 0), name_of(("road", ""), 1), name_of((), 7)
        ('road', '1', '7')
    """
    return (class_names[label] if label < len(class_names) else "") or str(label)


def classes_named(
    option: str, given: Sequence[int | str], class_names: Sequence[str], num_classes: int
) -> tuple[int, ...]:
    """Return the classes that were given by name or by number, each once and in order.

    Args:
        option: What they were given for, for errors.
        given: Names or numbers; a name wins over a number.
        class_names: Name of class 0, of class 1, …, as far as they are known.
        num_classes: Number of classes C.

    Raises:
        InputError: If none are given, or one is neither a name nor a number from 0 to C - 1.

    Example:
        >>> classes_named("mean_over", ["cat", 0], ["background", "cat"], 2)
        (0, 1)
    """
    numbers = {name_of(class_names, label): label for label in range(num_classes)}
    numbers |= {str(label): label for label in range(num_classes) if str(label) not in numbers}
    for each in given:
        if str(each) not in numbers:
            known = f" or one of {', '.join(filter(None, class_names))}" if any(class_names) else ""
            raise InputError(f"{option} holds {each!r}; expected a number from 0 to {num_classes - 1}{known}")
    if not given:
        raise InputError(f"{option} is empty; expected one class or more")
    return tuple(sorted({numbers[str(each)] for each in given}))


def read_class_names(given: Sequence[str] | str | Path) -> tuple[str, ...]:
    """Return the names of classes, empty for a class without a name.

    Args:
        given: The names themselves, that of class 0 first. Or a file of them: text with one name a line; or, ending in
            `.json`, a list of names, an object such as `{"0": "road", "1": "sidewalk"}`, or the `config.json` of a
            transformers model, whose `id2label` is taken.

    Raises:
        InputError: If the file cannot be read, is not such a file, or two classes have the same name.
    """
    if isinstance(given, str | Path):
        path, where = Path(given), f"class names {given}"
        text = read_text(path, "class names", "cannot be read; expected a file with one name a line, or JSON")
        kind = path.suffix.lower()
        if kind in _OTHERS:
            raise InputError(f"{where}: is {kind[1:]}; write its names into a text file, one name a line, or into JSON")
        if kind == ".json":
            names = _from_json(text, where)
        else:
            names = [line.strip() for line in text.splitlines() if line.strip()]
    else:
        names, where = [str(name) for name in given], "class names"
    if not any(names):
        raise InputError(f"{where}: no name; expected one for each class, that of class 0 first")
    for label, name in enumerate(names):
        if name and names.index(name) != label:
            raise InputError(
                f"{where}: classes {names.index(name)} and {label} are both called {name!r}; give each its own name"
            )
    return tuple(names)


def _from_json(text: str, where: str) -> list[str]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}); expected a list of names") from error
    if isinstance(content, dict):
        content = content.get(_ID2LABEL, content)
    if isinstance(content, list):
        content = dict(enumerate(content))
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content.values()):
        raise InputError(f'{where}: expected a list of names, or an object such as {{"0": "road", "1": "sidewalk"}}')
    return list(names_by_class({_label(key, where): name.strip() for key, name in content.items()}))


def _label(key: str | int, where: str) -> int:
    label = label_number(str(key))
    if label is None:
        raise InputError(f"{where}: {key!r} is not a class; expected a whole number from 0 to {HIGHEST_LABEL}")
    return label
