"""Cues by name: classes that were imported, and classes that installed packages declare as entry points.

This module does not need PyTorch, so that `--help` can list the names quickly.
"""

import importlib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from crispseg.errors import InputError, one_line


class CueRegistry:
    """Classes of cues by name.

    A class registers itself when it is defined. A package declares a class as an entry point, so that it is found
    before it is imported. crispseg declares its own classes in the same way.
    """

    group = "crispseg.cues"
    """The group of entry points that map names to cues; also the module that registers those of crispseg."""

    def __init__(self) -> None:
        self._registered: dict[str, type] = {}

    def register(self, name: str, kind: type) -> None:
        """Register a class; a class that is defined again, as in a notebook, replaces the first.

        Raises:
            InputError: If another class has the name, or the name cannot be used on a command line.
        """
        if not name.replace("-", "_").isidentifier() or name == "none":
            raise InputError(f"cue name is {name!r}; expected letters, digits, - and _, and not 'none'")
        taken = self._registered.get(name)
        if taken is not None and _identity(taken) != _identity(kind):
            raise InputError(f"cue name {name!r} is taken by {taken.__module__}.{taken.__qualname__}; choose another")
        self._registered[name] = kind

    def names(self) -> tuple[str, ...]:
        """Return the names of all declared and imported classes, without importing any."""
        return tuple(dict.fromkeys([*self._announced(), *self._registered]))

    def named(self, name: str) -> Any:  # noqa: ANN401 - a subclass of `Cue`
        """Return the class of a name, importing it if needed.

        Raises:
            InputError: If no class has the name, or it cannot be imported.
        """
        importlib.import_module(self.group)
        if name not in self._registered:
            self._import(name)
        return self._registered[name]

    def _import(self, name: str) -> None:
        announced = self._announced().get(name)
        if announced is None:
            raise InputError(
                f"cue is {name!r}; expected one of {', '.join(map(repr, self.names()))}: to use your own, declare an "
                f"entry point in the group {self.group}, or import the module that defines it first"
            )
        try:
            announced.load()
        except Exception as error:
            raise InputError(f"cue {name!r}: {announced.value} cannot be imported ({one_line(error)})") from error
        if name not in self._registered:
            raise InputError(f"cue {name!r}: {announced.value} does not register that name")

    def _announced(self) -> dict[str, EntryPoint]:
        """Return the entry points by name; no other package can replace those of crispseg."""
        found = sorted(entry_points(group=self.group), key=lambda point: not point.value.startswith("crispseg."))
        announced: dict[str, EntryPoint] = {}
        for point in found:
            announced.setdefault(point.name, point)
        return announced


def _identity(kind: type) -> tuple[str, str]:
    return kind.__module__, kind.__qualname__


CUES = CueRegistry()
"""All cues. `class MyCue(Cue, name="mine")` registers one."""
