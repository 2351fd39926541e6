"""CVAT's XML for images."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from crispseg.annotations.record import (
    AnnotatedImage,
    AnnotationFormat,
    Changes,
    Redrawn,
    require_unique,
)
from crispseg.annotations.shapes import Form, Pasted, Polygons, Shape
from crispseg.annotations.texts import as_ring, read_bytes, rounded, spliced
from crispseg.data.box import Box
from crispseg.data.run_lengths import expanded_rows, runs
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.reading import parsed

_WHAT = "CVAT annotations"
_SHAPES = ("box", "cuboid", "ellipse", "mask", "points", "polygon", "polyline", "skeleton")
_MASKS = ("mask", "polygon")
_KINDS: Mapping[Form, str] = {"polygons": "polygon", "rle": "mask"}
_OF_MASKS = ("points", "rle", "left", "top", "width", "height")
"""The attributes of a polygon or a mask that describe it."""

_ATTRIBUTE = re.compile(rb"""\s+([\w:.-]+)\s*=\s*("[^"]*"|'[^']*')""")


@dataclass(frozen=True)
class Cvat(AnnotationFormat):
    """One file for many images: polygons and masks. Boxes, points and the like stay as they are."""

    endings: ClassVar[tuple[str, ...]] = (".xml",)
    forms: ClassVar[tuple[Form, ...]] = ("polygons", "rle")

    def read(self, path: Path) -> list[AnnotatedImage]:
        """Return the images of the file, in its order."""
        content = read_bytes(path, _WHAT)
        with parsed(path, _WHAT, "not CVAT's XML for images; export it again as 'CVAT for images'"):
            found = _parsed(content)
            require_unique([image.attributes["name"] for image in found.images], "image")
            return [_image(image, found.labels) for image in found.images]

    def written(self, path: Path, changes: Changes) -> dict[Path, bytes]:
        """Return the file with new points, or masks, of the shapes that change."""
        content = read_bytes(path, _WHAT)
        edits: list[tuple[int, int, bytes]] = []
        for image in _parsed(content).images:
            for key, new in changes.get(image.attributes["name"], {}).items():
                shape = image.shapes[int(key.removeprefix("shape ")) - 1]
                kind = shape.kind if self.options.form is None else _KINDS[self.options.form]
                fresh = {"points": _points(new)} if kind == "polygon" else _run_lengths(new)
                edits += (
                    _edits(content, shape, fresh) if kind == shape.kind else _converted(content, shape, kind, fresh)
                )
        return {path: spliced(content, edits)}


@dataclass
class _Shape:
    kind: str
    attributes: Mapping[str, str]
    begin: int
    """Where its tag begins in the file, in bytes."""
    end: int = 0
    """Where the tag begins that closes it."""

    @property
    def opening(self) -> bytes:
        """The beginning of its tag."""
        return f"<{self.kind}".encode()


@dataclass
class _Image:
    attributes: Mapping[str, str]
    shapes: list[_Shape] = field(default_factory=list)


@dataclass
class _Parsed:
    images: list[_Image] = field(default_factory=list)
    labels: set[str] = field(default_factory=set)
    """Those that the file declares."""


class _Target:
    """Gathers images and shapes while a parser reads; tells the parser's place by `where`."""

    def __init__(self) -> None:
        self.found, self.path, self.text = _Parsed(), list[str](), ""
        self.where: Any = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        if not self.path and tag != "annotations":
            raise InputError(f"begins with <{tag}>; expected <annotations>")
        if tag == "track":
            raise InputError("holds tracks of a video; export it as 'CVAT for images', with a file for each frame")
        if self.path == ["annotations"] and tag == "image":
            self.found.images.append(_Image(attributes))
        elif self.path == ["annotations", "image"] and tag in _SHAPES:
            self.found.images[-1].shapes.append(_Shape(tag, attributes, self.where.CurrentByteIndex))
        self.path.append(tag)
        self.text = ""

    def data(self, text: str) -> None:
        self.text += text

    def end(self, tag: str) -> None:
        if self.path[-3:] == ["labels", "label", "name"]:
            self.found.labels.add(self.text.strip())
        self.path.pop()
        if self.path == ["annotations", "image"] and tag in _SHAPES:
            self.found.images[-1].shapes[-1].end = self.where.CurrentByteIndex
        self.text = ""

    def close(self) -> _Parsed:
        return self.found


def _parsed(content: bytes) -> _Parsed:
    """Return what a file holds.

    Raises:
        InputError: If defusedxml is not installed, or the file is not what it should be.
    """
    with optional_packages():
        from defusedxml.ElementTree import DefusedXMLParser  # noqa: PLC0415 - an extra
    target = _Target()
    # A document type can hold entities that grow without bounds or read files; CVAT writes none.
    parser = DefusedXMLParser(target=target, forbid_dtd=True)
    target.where = parser.parser
    parser.feed(content)
    found: _Parsed = parser.close()
    if not all(content.startswith(shape.opening, shape.begin) for image in found.images for shape in image.shapes):
        raise InputError("is in an encoding that cannot be edited; save it as UTF-8")
    return found


def _image(image: _Image, labels: set[str]) -> AnnotatedImage:
    name = image.attributes["name"]
    found = AnnotatedImage(name, (int(image.attributes["height"]), int(image.attributes["width"])))
    for number, shape in enumerate(image.shapes, 1):
        label = shape.attributes["label"]
        if labels and label not in labels:
            raise InputError(
                f"shape {number} of {name} has label {label!r}, which <labels> does not list; add it there"
            )
        if shape.kind in _MASKS:
            found.add(f"shape {number}", _object, shape)
        else:
            found.others += 1
    return found


def _object(shape: _Shape) -> tuple[str, Shape]:
    return shape.attributes["label"], _shape(shape)


def _shape(shape: _Shape) -> Shape:
    given = shape.attributes
    if shape.kind == "polygon":
        return Polygons([[as_ring([tuple(map(float, point.split(","))) for point in given["points"].split(";")])]])
    left, top, width, height = (int(given[name]) for name in ("left", "top", "width", "height"))
    return Pasted(expanded_rows([int(run) for run in given["rle"].split(",")], height, width), top, left)


def _points(new: Redrawn) -> str:
    return ";".join(f"{x:.2f},{y:.2f}" for x, y in rounded(new.ring))


def _run_lengths(new: Redrawn) -> dict[str, str]:
    """Return the attributes of a mask: its box, and the runs of the pixels in it, in rows."""
    mask = new.mask
    box = Box.around(mask)
    height, width = box.size
    place = {"left": box.left, "top": box.top, "width": width, "height": height}
    pixels = mask[box.slices].ravel()
    return {"rle": ", ".join(map(str, runs(pixels))), **{name: str(value) for name, value in place.items()}}


def _edits(content: bytes, shape: _Shape, fresh: Mapping[str, str]) -> list[tuple[int, int, bytes]]:
    """Return the begin, the end and the new bytes of the values of attributes, without their quotes."""
    found = {match[1].decode(): match for match in _attributes(content, shape)}
    return [
        (match.start(2) + 1, match.end(2) - 1, fresh[name].encode()) for name, match in found.items() if name in fresh
    ]


def _converted(content: bytes, shape: _Shape, kind: str, fresh: Mapping[str, str]) -> list[tuple[int, int, bytes]]:
    """Return the edits that make a shape one of another kind: its tags, and the attributes that describe it."""
    old = [match for match in _attributes(content, shape) if match[1].decode() in _OF_MASKS]
    new = "".join(f' {name}="{value}"' for name, value in fresh.items())
    edits = [(match.start(), match.end(), b"" if index else new.encode()) for index, match in enumerate(old)]
    places = [shape.begin + 1] + ([shape.end + 2] if content.startswith(b"</", shape.end) else [])
    return edits + [(at, at + len(shape.kind), kind.encode()) for at in places]


def _attributes(content: bytes, shape: _Shape) -> Iterator[re.Match[bytes]]:
    at = shape.begin + len(shape.opening)
    while match := _ATTRIBUTE.match(content, at):
        yield match
        at = match.end()
