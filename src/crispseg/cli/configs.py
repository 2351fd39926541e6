"""Limits of configs: they import allowed packages only, and hold a bounded number of values."""

from collections.abc import Sequence
from typing import Any

import yaml
from jsonargparse import get_loader, set_loader, set_parsing_settings

from crispseg.errors import InputError

ALLOWED = ("crispseg", "torch.nn", "torch.optim", "torchvision.models")
"""Packages that a `class_path` may name: those of networks, losses, optimisers and data sets."""

_LONGEST = 2**20
_MOST_VALUES = 100_000
_NESTED = 200
_OPTION = "--allow-import"

_load = get_loader("yaml")


def take_allowed(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the packages that the command line allows, which no config can do, and the other arguments.

    Raises:
        InputError: If a value is missing or is not the name of a package.
    """
    allowed, rest, waiting = [], [], iter(arguments)
    for argument in waiting:
        name, _, value = argument.partition("=")
        if name != _OPTION:
            rest.append(argument)
            continue
        package = value or next(waiting, "")
        if not package or not all(part.isidentifier() for part in package.split(".")):
            raise InputError(f"{_OPTION} is {package!r}; expected the name of a package, such as mynetworks")
        allowed.append(package)
    return allowed, rest


def guard(allowed: Sequence[str]) -> None:
    """Let configs import what is allowed alone, and refuse texts that are too large before anything is made of them."""
    set_parsing_settings(import_path_denylist=["*"], import_path_allowlist=[*ALLOWED, *allowed])
    set_loader("yaml", _load_bounded, (yaml.YAMLError, InputError))


def _load_bounded(text: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    if len(text) > _LONGEST:
        raise InputError(f"config has {len(text)} characters; expected at most {_LONGEST}")
    if "&" in text or len(text) > _MOST_VALUES or text.count("[") + text.count("{") > _NESTED:
        check_size(text)
    return _load(text)


def check_size(text: str) -> None:
    """Count the values of a text with its aliases expanded, without expanding them.

    Raises:
        InputError: If there are too many, or an alias contains itself.
        yaml.YAMLError: If the text is not YAML.
    """
    try:
        counted = _count(yaml.compose(text, Loader=yaml.SafeLoader), {})
    except RecursionError as error:
        raise InputError("config is nested too deeply; expected a few levels") from error
    if counted > _MOST_VALUES:
        raise InputError(
            f"config has {float(counted):.3g} values when its aliases are expanded; expected at most {_MOST_VALUES}"
        )


def _count(node: yaml.Node | None, known: dict[int, int | None]) -> int:
    if id(node) in known:
        count = known[id(node)]
        if count is None:
            raise InputError("config has an alias that contains itself; remove the alias")
        return count
    known[id(node)] = None
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.MappingNode):
        parts = [part for pair in node.value for part in pair]
    elif isinstance(node, yaml.SequenceNode):
        parts = node.value
    known[id(node)] = count = 1 + sum(_count(part, known) for part in parts)
    return count
