"""Masks of annotated objects on their image, and what is wrong with some."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from crispseg.annotations.filling import Part, box_of
from crispseg.annotations.record import AnnotatedImage, AnnotatedObject, entry_read
from crispseg.annotations.shapes import Polygons
from crispseg.data.run_lengths import Mask
from crispseg.errors import InputError
from crispseg.polygons.coverage import load_shapely

CROSSING = "cross themselves; read by the even-odd rule, and written without crossings if they change"
TINY = "hold no middle of a pixel; kept as they are"
OUTSIDE = "reach out of their image; cut off at its edge if they change"

_MARGIN = 1.0
"""How far, in pixels, a polygon may reach out of its image without a remark."""


class MaskOf(NamedTuple):
    """An object, and its mask on the image."""

    object: AnnotatedObject
    mask: Mask


@dataclass
class Checked:
    """The objects of an image that can be sharpened, and remarks on them."""

    masks: list[MaskOf] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """The faults of objects that cannot: one line for each."""
    remarks: list[tuple[str, str]] = field(default_factory=list)
    """A remark, and the object that it is on."""


def check_size(image: AnnotatedImage, height: int, width: int) -> None:
    """Refuse an image of another size than its annotations say.

    Raises:
        InputError: If it is.
    """
    if image.size is None or image.size == (height, width):
        return
    if image.size == (width, height):
        remedy = "it is stored turned, and shown upright; annotate the upright image"
    else:
        remedy = "give the images that were annotated"
    said = f"{image.size[0]}×{image.size[1]}"
    raise InputError(f"image {image.name!r} has {height}×{width} pixels, its annotations say {said}; {remedy}")


def checked(image: AnnotatedImage, height: int, width: int) -> Checked:
    """Return the masks of the objects of an image of that size."""
    result = Checked(faults=list(image.faults))
    for found in image.objects:
        shape = found.shape
        try:
            with entry_read():
                mask = shape.mask(height, width)
        except InputError as error:
            result.faults.append(f"{found.key}: {error}")
            continue
        if not mask.any():
            if isinstance(shape, Polygons) and _is_inside(shape.on(height, width), height, width):
                result.remarks.append((TINY, found.key))
            else:
                result.faults.append(f"{found.key}: lies outside of the image, or has no pixels")
            continue
        result.masks.append(MaskOf(found, mask))
        if isinstance(shape, Polygons):
            parts = shape.on(height, width)
            if _reaches_out(parts, height, width):
                result.remarks.append((OUTSIDE, found.key))
            if any(_crosses(part) for part in parts):
                result.remarks.append((CROSSING, found.key))
    return result


def _is_inside(parts: Sequence[Part], height: int, width: int) -> bool:
    return any(min(box_of(part, height, width).size) > 0 for part in parts)


def _reaches_out(parts: Sequence[Part], height: int, width: int) -> bool:
    points = np.concatenate([ring for part in parts for ring in part])
    return bool((points < -_MARGIN).any() or (points > np.array([width, height]) + _MARGIN).any())


def _crosses(part: Part) -> bool:
    """Return whether an outline crosses itself; one that only touches itself, as around a hole, does not."""
    shapely = load_shapely()
    polygon = shapely.Polygon(part[0])
    if polygon.is_valid:
        return False
    x, y = part[0].T
    signed = abs(x @ np.roll(y, -1) - np.roll(x, -1) @ y) / 2
    # Loops in the other direction, and loops around others, count differently in the two.
    return bool(abs(shapely.make_valid(polygon).area - signed) > 1e-6 * max(signed, 1))
