"""Classes by name: those of crispseg, those that packages declare as entry points, and those that a program defines.

This module does not need PyTorch, so that `--help` can list the names quickly.
"""

from collections.abc import Iterator, Mapping
from importlib.metadata import EntryPoint, entry_points
from pkgutil import resolve_name
from typing import Any, Generic, TypeVar

from crispseg.errors import InputError, one_line

_Kind = TypeVar("_Kind", bound=type)


class Registry(Generic[_Kind]):
    """The classes of a kind, each imported when it is asked for. A loop goes over their names.

    Args:
        what: What a class is, for errors.
        own: Module and class of each that crispseg has, by name.
        group: The group of entry points in which packages declare theirs, which cannot replace those of crispseg; ""
            if they cannot add any.
        base: Module and class from which those of packages derive.
        named_by: The attribute of a class that holds its name.

    Example:
        >>> codecs = Registry("codec", {"json": "json:JSONDecoder"})
        >>> list(codecs), codecs.named("json")
        (['json'], <class 'json.decoder.JSONDecoder'>)
        >>> codecs.named("xml")
        Traceback (most recent call last):
        crispseg.errors.InputError: codec is 'xml'; expected one of 'json'
    """

    def __init__(
        self,
        what: str,
        own: Mapping[str, str],
        *,
        group: str = "",
        base: str = "builtins:object",
        named_by: str = "__name__",
    ) -> None:
        self.group = group
        self._what = what
        self._own = own
        self._base = base
        self._named_by = named_by
        self._defined: dict[str, _Kind] = {}

    def __iter__(self) -> Iterator[str]:
        declared = [point.name for point in entry_points(group=self.group)] if self.group else []
        return iter(dict.fromkeys([*self._own, *declared, *self._defined]))

    def define(self, name: str, kind: _Kind) -> None:
        """Add a class of this program; one that is defined again, as in a notebook, replaces the first.

        Raises:
            InputError: If another class has the name, or the name cannot be used on a command line.
        """
        if not name.replace("-", "_").isidentifier() or name == "none":
            raise InputError(f"{self._what} name is {name!r}; expected letters, digits, - and _, and not 'none'")
        taken = self._own.get(name) or (_place(self._defined[name]) if name in self._defined else None)
        if taken not in (None, _place(kind)):
            raise InputError(f"{self._what} name {name!r} is taken by {taken}; choose another")
        self._defined[name] = kind

    def own(self) -> tuple[_Kind, ...]:
        """Return the classes of crispseg."""
        return tuple(map(self.named, self._own))

    def named(self, name: str) -> _Kind:
        """Return the class of a name.

        Raises:
            InputError: If no class has the name, or as `find` does.
        """
        found = self.find(name)
        if found is None:
            remedy = (
                f": to use your own, declare an entry point in the group {self.group}, or import the module that "
                "defines it first"
            )
            expected = ", ".join(map(repr, self))
            raise InputError(f"{self._what} is {name!r}; expected one of {expected}{remedy if self.group else ''}")
        return found

    def find(self, name: str) -> _Kind | None:
        """Return the class of a name, or None if there is none; no package is imported but the one that declares it.

        Raises:
            InputError: If what a package declares cannot be imported, or is no such class.
        """
        if name in self._defined:
            return self._defined[name]
        if name in self._own:
            found: _Kind = resolve_name(self._own[name])
            return found
        points = entry_points(group=self.group, name=name) if self.group else ()
        return next(map(self._load, points), None)

    def _load(self, point: EntryPoint) -> _Kind:
        where = f"{self._what} {point.name!r}: {point.value}"
        try:
            kind: Any = point.load()
        except Exception as error:  # whatever the import of another package raises
            raise InputError(f"{where} cannot be imported ({one_line(error)})") from error
        kind = self._defined.get(point.name, kind)  # of an entry point that names a module, which defines the class
        if not (isinstance(kind, type) and issubclass(kind, resolve_name(self._base))):
            raise InputError(f"{where} is not a subclass of {self._base.replace(':', '.')}; derive it from that class")
        if (own := getattr(kind, self._named_by)) != point.name:
            raise InputError(f"{where} has the name {own!r}; give the entry point that name")
        found: _Kind = kind  # type: ignore[assignment]
        return found


def _place(kind: type) -> str:
    return f"{kind.__module__}:{kind.__qualname__}"


CUES: Registry[Any] = Registry(
    "cue",
    {
        "learned": "crispseg.cues.learned:LearnedCue",
        "rgb": "crispseg.cues.rgb:RGBCue",
        "soft": "crispseg.cues.soft_segmentation:SoftSegmentationCue",
        "contour": "crispseg.cues.contour:ContourCue",
    },
    group="crispseg.cues",
    base="crispseg.cues:Cue",
    named_by="name",
)
"""All cues, subclasses of `Cue`. `class MyCue(Cue, name="mine")` adds one."""
