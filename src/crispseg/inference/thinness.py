"""Whether the things in an image are thin, such as vessels or cracks: then every window lies mostly beside them."""

from torch import Tensor

from crispseg.ops.rebalancing import thin_parts

CONTRAST = 3.5
"""By how much the differences of pixels count more where all things are thin."""

CONTRAST_ALONE = 5.0
"""The same where differences of scores do not count: for labels that may overlap, and for masks of objects."""

SAMPLED = 8
"""Pixels of the image between two samples, in rows and columns."""

_REACH = 1
"""How far a diamond of samples reaches. A thing that holds none is thin: less than some 20 pixels wide."""

_SOME, _ALL = 0.5, 0.8
"""Parts of the things that are thin from which an image is one of thin things: a little, and in full. Vessels of a
retina and cracks of a pavement have 0.9 and more; CamVid and PASCAL VOC at most 0.15, but for one image in 100."""


_FEWEST = 16
"""Samples that a thin mask has at least: what is both thin and smaller is merely small."""


def thinness(labels: Tensor, background: Tensor | int, known: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): from 0 for images of wide things up to 1 for images in which all things are thin.

    Args:
        labels: (N, M, h, w) samples of labels, one at every eighth pixel.
        background: The label that is no thing, which can be broadcast to the labels.
        known: Mask of the samples that count.

    Example:
        >>> import torch
        >>> line = torch.zeros(1, 1, 9, 9, dtype=torch.int64)
        >>> line[..., 4] = 7
        >>> thinness(line, 0, line >= 0).item()
        1.0
    """
    things, axes = (labels != background) & known, (1, 2, 3)
    thin = (thin_parts(labels, known.expand_as(labels), _REACH) & things).sum(axes, keepdim=True)
    return ((thin / things.sum(axes, keepdim=True).clamp(min=1) - _SOME) / (_ALL - _SOME)).clamp(0, 1)


def is_thin(mask: Tensor, corner: tuple[int, int]) -> bool:
    """Return whether a bool mask of one object is thin: a vessel, a crack or a wire.

    Args:
        mask: (h, w) bool.
        corner: The row and the column of its first pixel in the image. The pixels that are looked at are those of the
            image, whatever part of it is given.

    Example:
        >>> import torch
        >>> wire = torch.zeros(200, 200, dtype=torch.bool)
        >>> wire[96:104] = True
        >>> is_thin(wire, (0, 0)), is_thin(~wire, (0, 0))
        (True, False)
    """
    rows, columns = (slice(-first % SAMPLED, None, SAMPLED) for first in corner)
    samples = mask[None, None, rows, columns]
    if samples.sum() < _FEWEST:
        return False
    return thinness(samples.long(), 0, samples >= 0).item() > _SOME
