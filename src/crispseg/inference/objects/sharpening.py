"""Sharpen the masks of the objects of an image."""

import math
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.checks import check_choice
from crispseg.data.box import Box
from crispseg.errors import InputError
from crispseg.grid import Grid
from crispseg.inference.batch import check_scores
from crispseg.inference.label_groups import box_around
from crispseg.inference.objects.band_filter import Uncertain, filter_bands
from crispseg.inference.objects.mask_inputs import Masks, read_image, read_masks
from crispseg.inference.objects.overlaps import resolve_overlaps
from crispseg.inference.objects.placing import Place, near_boundary, placed, upsampled
from crispseg.inference.sharpener import Sharpener
from crispseg.scores import PROBABILITIES, Scores

Overlaps = Literal["keep", "resolve"]
"""What becomes of pixels in several masks: all keep them, or only the mask of the highest confidence does."""

BAND = 1.5
"""How far from its boundary a mask may change, in its cells."""

LEAST = 4
"""How far a mask may change at least, in pixels: so far off are outlines that people draw."""


@torch.inference_mode()
def sharpen_masks(
    image: object,
    masks: object,
    boxes: object = None,
    *,
    scores: Scores | None = None,
    grid: Grid | str | None = None,
    sharpener: Sharpener | None = None,
    band: float | None = None,
    confidences: object = None,
    overlaps: Overlaps = "keep",
    soft: bool = False,
    device: torch.device | str | None = None,
) -> Tensor | NDArray[np.generic]:
    """Return crisp masks of the objects of an image, of its size: N masks in, N masks out, in their order.

    A mask changes only near its own boundary. The rest of it, however large, is not computed.

    Args:
        image: (H, W, 3) RGB, uint8 or floating point in [0, 1], as an array or a Pillow image, or a tensor (3, H, W).
        masks: (N, h, w) or (N, 1, h, w), or a list of N masks (h, w) of any sizes: arrays, tensors or Pillow images.
            Bool, integers that are all 0 and 1 or all 0 and 255, or floating point.
        boxes: (N, 4) left, top, right and bottom in pixels of the image, if each mask is that of a box, such as 28×28
            in a box; None for masks of the whole image, at any resolution.
        scores: What floating-point masks hold: "multilabel" for logits, or "multilabel_probabilities".
        grid: How masks of the whole image lie on it, such as "letterbox"; see `Grid`.
        sharpener: The sharpener; that of `Sharpener.from_pretrained()` by default.
        band: How far from its boundary a mask may change, in pixels; by default 1.5 cells of the mask.
        confidences: N numbers, such as the scores of a detector, for `overlaps="resolve"`.
        overlaps: "keep", or "resolve" to leave every pixel to the mask of the highest confidence.
        soft: Whether to return floating-point masks of the kind given (probabilities for bool masks), not bool.
        device: The device to compute on; that of the sharpener by default.

    Returns:
        (N, H, W), or (N, 1, H, W) if given so: a tensor on the device of the masks if they are tensors, else an array.

    Raises:
        InputError: If an argument is not as above, or they do not fit together.

    Example:
        >>> image = np.zeros((48, 64, 3), np.uint8)
        >>> sharpen_masks(image, np.ones((2, 7, 7), bool), boxes=[[8, 8, 24, 24], [50, 30, 70, 50]]).shape
        (2, 48, 64)
    """
    check_choice("overlaps", overlaps, ("keep", "resolve"))
    if band is not None and not 0 < band < math.inf:
        raise InputError(f"band is {band}; expected a number of pixels above 0, or None")
    pixels, given = read_image(image), read_masks(masks, scores)
    size = (pixels.shape[-2], pixels.shape[-1])
    used = Sharpener.from_pretrained() if sharpener is None else sharpener
    used = used if device is None else used.to(device)
    where = placed(given.maps, boxes, used.grid if grid is None else Grid.of(grid), size)
    crisp = _sharpened(used, pixels, given, where, band)
    if overlaps == "resolve":
        resolve_overlaps(crisp, given.kind, confidences)
    return _as_given(crisp, given, soft=soft)


def _sharpened(sharpener: Sharpener, image: Tensor, given: Masks, where: list[Place], band: float | None) -> Tensor:
    """Return the (N, H, W) float32 scores of the masks, of their kind."""
    size = (image.shape[-2], image.shape[-1])
    blank = 0.0 if given.kind in PROBABILITIES else -100.0
    result = torch.full((len(where), *size), blank)
    uncertain, changed = [], []
    radius = max(window.radius for window in sharpener.window)
    for n, (mask, place) in enumerate(zip(given.maps, where, strict=True)):
        check_scores(mask, given.kind)
        if min(place.cover.size) < 1:
            continue
        values, without = upsampled(mask.float(), place, place.cover)
        result[n][place.cover.slices] = values if without is None else values.masked_fill(without, blank)
        reach = _reach(place, band)
        inside = result[n] > (0.5 if given.kind in PROBABILITIES else 0)
        free = near_boundary(inside, reach)
        if not free.any():
            continue
        rows, columns = free.any(1).nonzero()[:, 0], free.any(0).nonzero()[:, 0]
        part = Box(int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1).grown(radius, size)
        there = result[n][part.slices]
        probabilities = there.clamp(0, 1) if given.kind in PROBABILITIES else there.sigmoid()
        uncertain.append(Uncertain(probabilities, free[part.slices], part))
        changed.append(n)
    if not uncertain:
        return result
    region = box_around([one.part for one in uncertain])
    features = sharpener.features(image[None].to(sharpener.device))[(..., *region.slices)].cpu()
    crisp = filter_bands(
        uncertain,
        sharpener.levels,
        lambda window: sharpener.cue.weights(features, window, sharpener.hardness.cpu()),
        region,
    )
    for n, one, values in zip(changed, uncertain, crisp, strict=True):
        scores = values if given.kind in PROBABILITIES else values.logit(1e-6)
        result[n][one.part.slices] = torch.where(one.free, scores, result[n][one.part.slices])
    return result


def _reach(place: Place, band: float | None) -> tuple[int, int]:
    if band is not None:
        return math.ceil(band), math.ceil(band)
    rows, columns = (max(math.ceil(BAND * side), LEAST) for side in place.cell)
    return rows, columns


def _as_given(crisp: Tensor, given: Masks, *, soft: bool) -> Tensor | NDArray[np.generic]:
    result = crisp.to(given.dtype) if soft else crisp > (0.5 if given.kind in PROBABILITIES else 0)
    result = result[:, None] if given.has_channel else result
    return result.to(given.device) if given.as_given == "tensor" else result.numpy()
