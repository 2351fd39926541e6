"""The parts of the page for each changed mask: pictures and outlines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from crispseg.annotations.changes import ImageChanges
from crispseg.annotations.polygons import polygons_of
from crispseg.annotations.record import AnnotationFormat
from crispseg.annotations.run import ComparedImage
from crispseg.data.box import Box
from crispseg.data.image import as_picture, read_image
from crispseg.data.intensity import ValueRange
from crispseg.data.run_lengths import Mask, decode, encode
from crispseg.pictures.before_after import fullest_part

_LARGEST = 640
"""The long side of a picture, in its pixels."""

_MARGIN = 0.15
"""How much of the image around an object a picture shows, as a share of the object's long side."""

_DETAIL = 0.25
"""The side of the part that changed most, as a share of the long side of what the picture shows."""

_SMALLEST_DETAIL = 40

_EXACT = 0.1
"""The tolerance of outlines: vertices lie on multiples of 0.5, so this leaves out only those on a straight line."""


@dataclass(frozen=True)
class View:
    """A part of the image, with outlines in its pixels as paths of SVG."""

    width: int
    height: int
    before: str
    after: str


@dataclass(frozen=True)
class Card:
    """A changed mask."""

    file: str
    image: str
    object: str
    category: str
    iou: float
    shift: float
    whole: View
    detail: View
    place: tuple[int, int, int, int]
    """Left, top, width and height of the detail within the whole."""


def cards_of(
    compared: Sequence[ComparedImage],
    layout: AnnotationFormat,
    root: Path,
    count: int,
    value_range: ValueRange = "auto",
) -> Iterator[tuple[Card, dict[str, Image.Image]]]:
    """Yield the masks that changed most, the largest change first, each with pictures of the whole and the detail."""
    ranked = [(one, key) for one in compared for key in one.changes.objects]
    ranked.sort(key=lambda item: item[0].changes.objects[item[1]].iou)
    chosen = ranked[:count]
    before = _before(chosen, layout, root)
    latest: tuple[Path, Image.Image] | None = None
    for one, key in chosen:
        if latest is None or latest[0] != one.path:
            latest = one.path, as_picture(read_image(one.path, value_range))
        category, rle = before[one.changes.name, key]
        yield _card(one.changes, key, category, decode(rle, *one.changes.size), latest[1])


def _before(
    chosen: Sequence[tuple[ComparedImage, str]], layout: AnnotationFormat, root: Path
) -> dict[tuple[tuple[str, str], str], tuple[str, str]]:
    """Return the categories and run lengths of masks as the annotations give them; each file is read once."""
    wanted: defaultdict[str, defaultdict[str, dict[str, ImageChanges]]] = defaultdict(lambda: defaultdict(dict))
    for one, key in chosen:
        wanted[one.changes.file][one.changes.image][key] = one.changes
    return {
        (changes.name, found.key): (found.category, encode(found.shape.mask(*changes.size)))
        for file, images in wanted.items()
        for image in layout.read(root / file)
        for found in image.objects
        if (changes := images.get(image.name, {}).get(found.key)) is not None
    }


def _card(
    changes: ImageChanges, key: str, category: str, before: Mask, photo: Image.Image
) -> tuple[Card, dict[str, Image.Image]]:
    change = changes.objects[key]
    after = decode(change.rle, *changes.size)
    whole = _with_margin(Box.around(before | after), changes.size)
    detail = _most_changed(before[whole.slices] != after[whole.slices], whole)
    (whole_view, whole_picture), (detail_view, detail_picture) = (
        _view(part, before, after, photo) for part in (whole, detail)
    )
    scale = whole_view.width / whole.size[1]
    inner, (height, width) = detail.within(whole), detail.size
    left, top, width, height = (round(side * scale) for side in (inner.left, inner.top, width, height))
    card = Card(
        changes.file, changes.image, key, category, change.iou, change.shift,
        whole_view, detail_view, (left, top, width, height),
    )  # fmt: skip
    return card, {"whole": whole_picture, "detail": detail_picture}


def _with_margin(box: Box, image: tuple[int, int]) -> Box:
    """Return the box with some of the image, of that height and width, around it."""
    return box.grown(8 + round(_MARGIN * (max(box.size) - 1)), image)


def _most_changed(changed: Mask, whole: Box) -> Box:
    """Return the square, or what fits of it, that holds the most of the pixels that changed in a part of the image."""
    side = max(round(_DETAIL * max(changed.shape)), _SMALLEST_DETAIL)
    height, width = (min(side, length) for length in changed.shape)
    top, left = fullest_part(torch.from_numpy(changed), height, width)
    # Of the places that hold about as many, the one with the changes in its middle.
    rows, columns = np.nonzero(changed[top : top + height, left : left + width])
    top += round(float(rows.mean()) - height / 2)
    left += round(float(columns.mean()) - width / 2)
    top = whole.top + min(max(top, 0), changed.shape[0] - height)
    left = whole.left + min(max(left, 0), changed.shape[1] - width)
    return Box(top, left, top + height, left + width)


def _view(part: Box, before: Mask, after: Mask, photo: Image.Image) -> tuple[View, Image.Image]:
    """Return a part of the image with its outlines, and its picture."""
    height, width = part.size
    scale = _LARGEST / max(width, height)
    scale = min(scale, 1.0) if max(width, height) > _LARGEST else min(scale, 8.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    cut = photo.crop((part.left, part.top, part.right, part.bottom))
    picture = cut.resize(size, Image.Resampling.LANCZOS if scale <= 1 else Image.Resampling.BICUBIC)
    return View(*size, *(_path(mask, part, size[0] / width) for mask in (before, after))), picture


def _path(mask: Mask, part: Box, scale: float) -> str:
    """Return the outline of a mask in a part of the image as a path of SVG, around exactly the pixels of the mask.

    It goes on a little beyond the part, whose border is no outline.
    """
    wider = part.grown(2, mask.shape)
    shift = np.array([wider.left - part.left, wider.top - part.top])
    polygons = polygons_of([mask[wider.slices]], _EXACT)[0]
    rings = ((ring + shift) * scale for polygon in polygons for ring in polygon)
    return "".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in ring)}Z" for ring in rings)
