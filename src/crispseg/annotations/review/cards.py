"""The parts of the page for each changed mask: pictures and outlines."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from crispseg.annotations.changes import ImageChanges
from crispseg.annotations.filling import Mask
from crispseg.annotations.polygons import polygons_of
from crispseg.annotations.record import AnnotationFormat
from crispseg.annotations.run import ComparedImage
from crispseg.annotations.shapes import decode, encode
from crispseg.data.image import read_image
from crispseg.data.intensity import to_bytes

_LARGEST = 640
"""The long side of a picture, in its pixels."""

_MARGIN = 0.15
"""How much of the image around an object a picture shows, as a share of the object's long side."""

_DETAIL = 0.25
"""The side of the part that changed most, as a share of the same."""

_SMALLEST_DETAIL = 40


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


Window = tuple[slice, slice]


def cards_of(
    compared: Sequence[ComparedImage], layout: AnnotationFormat, root: Path, count: int
) -> Iterator[tuple[Card, dict[str, Image.Image]]]:
    """Yield the masks that changed most, the largest change first, each with pictures of the whole and the detail."""
    ranked = [(one, key) for one in compared for key in one.changes.objects]
    ranked.sort(key=lambda item: item[0].changes.objects[item[1]].iou)
    chosen = ranked[:count]
    before = _masks_before(chosen, layout, root)
    latest: tuple[Path, Image.Image] | None = None
    for one, key in chosen:
        if latest is None or latest[0] != one.path:
            pixels = to_bytes(read_image(one.path)).permute(1, 2, 0).numpy()
            latest = one.path, Image.fromarray(np.ascontiguousarray(pixels))
        yield _card(one.changes, key, decode(before[one.changes.name, key], *one.changes.size), latest[1])


def _masks_before(
    chosen: Sequence[tuple[ComparedImage, str]], layout: AnnotationFormat, root: Path
) -> dict[tuple[tuple[str, str], str], str]:
    """Return the run lengths of the masks as the annotations give them; each file is read once."""
    wanted: defaultdict[str, defaultdict[str, dict[str, ImageChanges]]] = defaultdict(lambda: defaultdict(dict))
    for one, key in chosen:
        wanted[one.changes.file][one.changes.image][key] = one.changes
    return {
        (changes.name, found.key): encode(found.shape.mask(*changes.size))
        for file, images in wanted.items()
        for image in layout.read(root / file)
        for found in image.objects
        if (changes := images.get(image.name, {}).get(found.key)) is not None
    }


def _card(changes: ImageChanges, key: str, before: Mask, photo: Image.Image) -> tuple[Card, dict[str, Image.Image]]:
    change = changes.objects[key]
    after = decode(change.rle, *changes.size)
    whole = _around(before | after, changes.size)
    detail = _most_changed(before[whole] != after[whole], whole)
    views = {name: _view(window, before, after, photo) for name, window in (("whole", whole), ("detail", detail))}
    (rows, columns), (top, left) = detail, (whole[0].start, whole[1].start)
    scale = views["whole"][0].width / (whole[1].stop - left)
    box = (columns.start - left, rows.start - top, columns.stop - columns.start, rows.stop - rows.start)
    place = tuple(round(side * scale) for side in box)
    card = Card(
        changes.file, changes.image, key, change.category, change.iou, change.shift,
        views["whole"][0], views["detail"][0], (place[0], place[1], place[2], place[3]),
    )  # fmt: skip
    return card, {name: picture for name, (_, picture) in views.items()}


def _around(mask: Mask, size: tuple[int, int]) -> Window:
    """Return the part of the image around a mask."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    margin = 8 + round(_MARGIN * max(rows[-1] - rows[0], columns[-1] - columns[0]))
    begin = max(int(rows[0]) - margin, 0), max(int(columns[0]) - margin, 0)
    end = min(int(rows[-1]) + margin + 1, size[0]), min(int(columns[-1]) + margin + 1, size[1])
    return slice(begin[0], end[0]), slice(begin[1], end[1])


def _most_changed(changed: Mask, whole: Window) -> Window:
    """Return the square, or what fits of it, that holds the most of the changed pixels."""
    side = max(round(_DETAIL * max(changed.shape)), _SMALLEST_DETAIL)
    height, width = (min(side, length) for length in changed.shape)
    # The count in a part is the sum at two of its corners minus that at the other two.
    above = np.pad(changed.astype(np.int64).cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    counts = above[height:, width:] - above[:-height, width:] - above[height:, :-width] + above[:-height, :-width]
    top, left = (int(place) for place in np.unravel_index(counts.argmax(), counts.shape))
    # Of the places that hold about as many, the one with the changes in its middle.
    rows, columns = np.nonzero(changed[top : top + height, left : left + width])
    top += round(float(rows.mean()) - height / 2)
    left += round(float(columns.mean()) - width / 2)
    begin = (
        whole[0].start + min(max(top, 0), changed.shape[0] - height),
        whole[1].start + min(max(left, 0), changed.shape[1] - width),
    )
    return slice(begin[0], begin[0] + height), slice(begin[1], begin[1] + width)


def _view(window: Window, before: Mask, after: Mask, photo: Image.Image) -> tuple[View, Image.Image]:
    """Return a part with its outlines, and its picture."""
    rows, columns = window
    width, height = columns.stop - columns.start, rows.stop - rows.start
    scale = _LARGEST / max(width, height)
    scale = min(scale, 1.0) if max(width, height) > _LARGEST else min(scale, 8.0)
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    part = photo.crop((columns.start, rows.start, columns.stop, rows.stop))
    picture = part.resize(size, Image.Resampling.LANCZOS if scale <= 1 else Image.Resampling.BICUBIC)
    return View(*size, *(_path(mask, window, size[0] / width) for mask in (before, after))), picture


def _path(mask: Mask, window: Window, scale: float) -> str:
    """Return the outline of a mask as a path of SVG. It goes on a little beyond the window, which does not end it."""
    top, left = (max(side.start - 2, 0) for side in window)
    part = mask[top : window[0].stop + 2, left : window[1].stop + 2]
    shift = np.array([left - window[1].start, top - window[0].start])
    rings = ((ring + shift) * scale for part in polygons_of([part], 0.5)[0] for ring in part)
    return "".join(f"M{'L'.join(f'{x:.1f} {y:.1f}' for x, y in ring)}Z" for ring in rings)
