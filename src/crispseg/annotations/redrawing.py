"""The objects of an image as they are written: with their new masks, unless those were rejected."""

from collections.abc import Collection, Sequence

from crispseg.annotations.changes import ImageChanges
from crispseg.annotations.checking import MaskOf
from crispseg.annotations.cleaning import overlap, places_of, settled
from crispseg.annotations.filling import Part, fill, union
from crispseg.annotations.polygons import polygons_of
from crispseg.annotations.record import Redrawn
from crispseg.annotations.shapes import Form, Polygons
from crispseg.data.box import Box
from crispseg.data.run_lengths import Mask, decode

_LEAST_HELD = 0.5
"""The intersection over union of a mask with its outline, below which the outline is too coarse."""


def redrawn(
    masks: Sequence[MaskOf], changes: ImageChanges, rejected: Collection[str], tolerance: float, form: Form | None
) -> dict[str, Redrawn]:
    """Return the objects of an image that are written anew, by their keys.

    Args:
        masks: All objects, with their masks as given.
        changes: Those that change.
        rejected: Keys of objects that stay as given. What neighbours had lost to them goes back.
        tolerance: How coarse polygons may be; see `polygons_of`.
        form: The form of all objects; None for the form in which each was given.
    """
    accepted = [one.object.key in changes.objects and one.object.key not in rejected for one in masks]
    before = [one.mask for one in masks]
    proposed = [_proposed(one, changes) for one in masks]
    after = proposed
    if rejected:
        places = places_of(before, proposed)
        after = settled(before, proposed, places, accepted, union(proposed, places))
    new = [
        (index, one.object)
        for index, one in enumerate(masks)
        if accepted[index] or (form is not None and isinstance(one.object.shape, Polygons) != (form == "polygons"))
    ]
    drawn = any(form == "polygons" or (form is None and isinstance(one.shape, Polygons)) for _, one in new)
    # The outlines of objects that stay are traced too, so that the others meet them.
    outlines = polygons_of(after, tolerance) if drawn else [[] for _ in after]
    return {
        one.key: Redrawn.of(after[index], _holding(after[index], outlines[index]))
        for index, one in new
        if after[index].any()
    }


def _holding(mask: Mask, parts: Sequence[Part]) -> Sequence[Part]:
    """Return the outline of a mask, or an exact one if it is too coarse for so small a mask, such as of one pixel."""
    at = Box.around(mask).slices
    if not parts or overlap(fill(parts, mask.shape[0], mask.shape[1])[at], mask[at]) >= _LEAST_HELD:
        return parts
    return polygons_of([mask], 0)[0]


def _proposed(one: MaskOf, changes: ImageChanges) -> Mask:
    change = changes.objects.get(one.object.key)
    return one.mask if change is None else decode(change.rle, *changes.size)
