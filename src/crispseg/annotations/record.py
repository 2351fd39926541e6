"""Annotated images, as every format is read."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Self, TypeVar

from crispseg.annotations.filling import Part, Ring
from crispseg.annotations.polygons import one_ring
from crispseg.annotations.shapes import Form, Shape
from crispseg.data.files import list_files
from crispseg.data.run_lengths import Mask, decode, encode
from crispseg.errors import InputError
from crispseg.reading import understood
from crispseg.writing import Identity

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class AnnotatedObject:
    """An object that has a mask."""

    key: str
    """Its name in its image, such as "annotation 17"."""
    category: str
    shape: Shape


@dataclass(eq=False)
class AnnotatedImage:
    """The content of a file about one image."""

    name: str
    """The image file, as the annotations name it."""
    size: tuple[int, int] | None
    """Height and width; None if they are not said."""
    objects: list[AnnotatedObject] = field(default_factory=list)
    others: int = 0
    """How many of its shapes have no mask, such as boxes and points. They are kept."""
    faults: list[str] = field(default_factory=list)
    """The faults of objects that were left out: one line for each."""
    fixed: Mask | None = None
    """The pixels that cannot change, such as void; None for none."""

    def add(self, key: str, read: Callable[[T], tuple[str, Shape]], given: T) -> None:
        """Add an object with the category and shape that are read from what is given; if that fails, add its fault."""
        try:
            with entry_read():
                self.objects.append(AnnotatedObject(key, *read(given)))
        except InputError as error:
            self.faults.append(f"{key}: {error}")


@dataclass(frozen=True, eq=False)
class Redrawn:
    """The new mask of an object, and its outline; small, as a file may hold a million of them."""

    rle: str
    size: tuple[int, int]
    parts: Sequence[Part]

    @classmethod
    def of(cls, mask: Mask, parts: Sequence[Part]) -> Self:
        """Return what stands for a mask and its outline."""
        return cls(encode(mask), (mask.shape[0], mask.shape[1]), parts)

    @property
    def mask(self) -> Mask:
        """The decoded mask."""
        return decode(self.rle, *self.size)

    @cached_property
    def ring(self) -> Ring:
        """The outline as a single ring."""
        return one_ring(self.parts)


Changes = Mapping[str, Mapping[str, Redrawn]]
"""The objects that change, by the names of their images and by their own."""


@dataclass(frozen=True)
class FormatOptions:
    """Choices that only some formats know."""

    class_names: Sequence[str] | None = None
    """The names of classes that the annotations number."""
    form: Form | None = None
    """The form in which all objects are written; None for the form in which each was given."""


@dataclass(frozen=True)
class AnnotationFormat(ABC):
    """Reads and writes the files of one format.

    A subclass is listed in `crispseg.annotations.formats`. Its files keep every byte that has nothing to do with an
    object that changes.
    """

    options: FormatOptions = field(default_factory=FormatOptions)

    endings: ClassVar[tuple[str, ...]]
    """The endings of its files, in lower case."""
    forms: ClassVar[tuple[Form, ...]] = ()
    """The forms that it can convert objects into."""
    has_polygons: ClassVar[bool] = True
    """Whether its files may hold polygons."""
    label_maps: ClassVar[tuple[str, ...]] = ()
    """The names of folders with pictures that are no images."""
    names_with_endings: ClassVar[bool] = True
    """Whether the names of images have endings, such as ".jpg"."""
    numbers_classes: ClassVar[bool] = False
    """Whether its files number classes, so that names may be given."""

    def files(self, folder: Path, besides: Container[Identity] = ()) -> list[Path]:
        """Return the annotation files in a folder and its subfolders, but not in those that are `besides`.

        Raises:
            InputError: If there is none.
        """
        return list_files(folder, self.endings, "annotations", besides=besides)

    @abstractmethod
    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return what a file says, image by image.

        Raises:
            InputError: If the file cannot be read, or contradicts itself.
        """

    @abstractmethod
    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return the content of a file after changes, and of files that belong to it, by their paths."""


def entry_read() -> AbstractContextManager[None]:
    """Turn any exception raised while one object is read into an input error, so that it costs this object alone."""
    return understood("its entry", "does not hold what the format has; check it")


def category_of(number: int, names: Sequence[str] | None) -> str:
    """Return the name of a class; its number if there are no names.

    Raises:
        InputError: If there are names, but none for this class.
    """
    if names is None:
        return str(number)
    if not 0 <= number < len(names) or not names[number]:
        raise InputError(
            f"is of class {number}, which has no name; expected one below {len(names)}, or its name in --class-names"
        )
    return names[number]


def require_unique(values: Sequence[object], what: str) -> None:
    """Refuse ids or names that occur twice.

    Raises:
        InputError: If one does.
    """
    seen: set[object] = set()
    twice = next((value for value in values if value in seen or seen.add(value)), None)  # type: ignore[func-returns-value]
    if twice is not None:
        raise InputError(f"{what} {twice!r} occurs twice; give each its own")
