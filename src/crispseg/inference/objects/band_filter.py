"""The filter where masks may change, and only there: all other pixels keep their values, and are averaged from."""

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from crispseg.data.box import Box
from crispseg.data.pixels import padded
from crispseg.inference.label_groups import Labelled, grouped
from crispseg.ops import local_filter
from crispseg.window import Level


class Band(NamedTuple):
    """The part of the image in which a mask may change, and which of its pixels may."""

    values: Tensor
    """(*part.size) probabilities."""
    free: Tensor
    """(*part.size) bool: the pixels that may change."""
    part: Box
    """It holds the neighbours of all free pixels, as far as they lie in the image."""


def filter_bands(
    bands: Sequence[Band], levels: Sequence[Level], weights: Callable[[Level], Tensor], region: Box
) -> list[Tensor]:
    """Return the filtered (*part.size) probabilities of masks, as if the whole image were filtered.

    A free pixel depends on pixels within the radius of a window alone, since all others keep their values from pass to
    pass. So no margin grows with the passes.

    Args:
        bands: The masks.
        levels: The windows and their passes.
        weights: A function that returns the (1, K, *region.size) weights of a level; all masks share them.
        region: A box of the image that holds all parts.
    """
    results = [band.values for band in bands]
    groups = list(_grouped(bands))
    for level in levels if groups else ():
        window, passes, whole = level.window, level.passes, weights(level)
        for chosen, box in groups:
            here = whole[(..., *box.within(region).slices)].contiguous()
            # What is beside the part of a mask has no effect on its free pixels.
            values = torch.stack([padded(results[n], bands[n].part, box) for n in chosen])[None]
            free = torch.stack([padded(bands[n].free, bands[n].part, box) for n in chosen])[None]
            for _ in range(passes):
                values = torch.where(free, local_filter(values, here, window), values)
            for n, value in zip(chosen, values[0], strict=True):
                results[n] = value[bands[n].part.within(box).slices]
    return results


def _grouped(bands: Sequence[Band]) -> Iterator[tuple[list[int], Box]]:
    """Yield the indices of masks that are cheaper to filter together, and the box that holds their parts."""
    for group in grouped([Labelled(n, band.part) for n, band in enumerate(bands)], margin=0):
        yield [item.label for item in group], Box.enclosing([item.box for item in group])
