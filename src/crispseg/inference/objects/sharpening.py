"""Sharpen the masks of the objects of an image."""

from functools import partial
from typing import Literal, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from crispseg.data.pixels import TensorPixels
from crispseg.errors import InputError
from crispseg.grid import Grid, Size
from crispseg.inference.array_inputs import as_array, as_image
from crispseg.inference.checks import check_scores
from crispseg.inference.objects.cell_means import holds_means
from crispseg.inference.objects.evidence import HARD, SOFT
from crispseg.inference.objects.mask_inputs import GivenMasks, read_masks
from crispseg.inference.objects.open_masks import Nature, OpenMask, band_of, crisp_parts, largest_radius
from crispseg.inference.objects.placing import MaskPlace, placed, upsampled
from crispseg.inference.padding import without_padding
from crispseg.inference.parts import features_of_box
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.thinness import is_thin
from crispseg.inference.used_sharpener import used_sharpener
from crispseg.scores import Scores
from crispseg.value_checks import check_choice, check_positive

Overlaps = Literal["keep", "resolve"]
"""The treatment of pixels in several masks: all keep them, or only the mask of the highest confidence does."""


class MaskOptions(TypedDict):
    """The options of a sharpener that differ for masks of objects."""

    window: str
    hardness: float


MASK_OPTIONS: MaskOptions = {"window": "5@16,5@8,5@4,5@2,5", "hardness": 4.0}
"""The options of the default sharpener for masks. Masks are surer than the scores of classes, so they are moved less;
those of networks are moved more than others, see `sharpen_masks`."""


@torch.no_grad()
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

    A mask changes only near its own boundary: where its probability, upsampled bilinearly, lies between 0.1 and 0.9. A
    mask of 0 and 1 changes within half a cell of its boundary, and at least within 1 pixel. All other pixels keep their
    values, and are not computed.

    A mask changes only where there is evidence:

    - A pixel changes sides only if its probability of the new side is higher than with an image of one colour.
    - For a mask of 0 and 1, this probability must be 0.65 or more, and higher by 0.1, unless `band` is given.
    - If a mask was made by averaging a larger one, its values tell how much of each cell the object fills. The crisp
      mask fills as much. If it would fill the cells worse than the upsampled mask does, the mask stays.

    How far masks are moved follows from what they are like:

    - In a mask that is in doubt over several cells, as a network's is, differences of pixels count 0.625 times as much,
      and in a mask of 0 and 1 if `band` is given.
    - In a mask that was made by averaging, they count 1.5 times as much, and only the last window acts.
    - In a mask of a thin thing, such as a vessel, they count five times as much.

    Args:
        image: (H, W, 3) RGB, uint8 or floating point in [0, 1], as an array or a Pillow image, or a tensor (3, H, W).
        masks: (N, h, w) or (N, 1, h, w), or a list of N masks (h, w) of any sizes: arrays, tensors or Pillow images.
            Bool, integers that are all 0 and 1 or all 0 and 255, or floating point.
        boxes: (N, 4) left, top, right and bottom in pixels of the image, if each mask is that of a box, such as 28×28
            in a box; None for masks of the whole image, at any resolution.
        scores: What floating-point masks hold: "multilabel" for logits, or "multilabel_probabilities".
        grid: How masks of the whole image lie on it, such as "letterbox"; see `Grid`.
        sharpener: The sharpener, whose cue, windows, passes and hardness apply, on the device of its weights; by
            default `Sharpener.from_pretrained(**MASK_OPTIONS)`.
        band: How far from its boundary a mask may change, in pixels, if you know better than the default above.
        confidences: N numbers, such as the scores of a detector, for `overlaps="resolve"`.
        overlaps: "keep", or "resolve" to leave every pixel to the mask of the highest confidence.
        soft: Whether to return floating-point masks of the given kind in place of bool; for bool masks, probabilities.
        device: The device of the default sharpener; the CPU by default.

    Returns:
        (N, H, W), or (N, 1, H, W) if given so: a tensor on the device of the masks if they are tensors, else an array.

    Raises:
        InputError: If an argument is not as above, or they do not fit together.
        TypeError: If `sharpener` is something else than a `Sharpener`.

    Example:
        >>> image = np.zeros((48, 64, 3), np.uint8)
        >>> sharpen_masks(image, np.ones((2, 7, 7), bool), boxes=[[8, 8, 24, 24], [50, 30, 70, 50]]).shape
        (2, 48, 64)
    """
    check_choice("overlaps", overlaps, ("keep", "resolve"))
    if band is not None:
        check_positive("band", band)
    if confidences is not None and overlaps == "keep":
        raise InputError("confidences are given, but overlaps is 'keep'; expected 'resolve', or no confidences")
    if grid is not None and boxes is not None:
        raise InputError(f"grid is {grid} beside boxes, which say where the masks lie; expected one of them")
    pixels, given = as_image(image), read_masks(masks, scores)
    used = used_sharpener(sharpener, device, **MASK_OPTIONS).of_labels()
    where = placed(
        given.maps, boxes, used.grid if grid is None else Grid.of(grid), (pixels.shape[-2], pixels.shape[-1])
    )
    order = read_confidences(confidences, len(where)) if overlaps == "resolve" else None
    crisp = _sharpened(used, pixels, given, where, band, soft=soft)
    if order is not None:
        resolve_overlaps(crisp, order)
    return given.like(crisp)


def sharpener_of_mask(
    sharpener: Sharpener, masks: object, number: int, size: Size, *, scores: Scores | None, grid: Grid
) -> Sharpener:
    """Return the sharpener by which `sharpen_masks` filters one of the masks of an image (height, width)."""
    given = read_masks(masks, scores)
    place = placed(given.maps, None, grid, size)[number]
    chances = given.probabilities(without_padding(given.maps[number], place.grid, size))
    values = upsampled(chances, place, place.cover)
    return _nature(given, chances, values, place, band=None).suited(sharpener.of_labels())


def _nature(given: GivenMasks, chances: Tensor, values: Tensor, place: MaskPlace, band: float | None) -> Nature:
    """Return what a mask is like, given its probabilities and the same on the pixels that its cells cover."""
    return Nature(
        thin=is_thin(values > 0.5, (place.cover.top, place.cover.left)),
        fills_cells=not given.is_hard and holds_means(chances, place.cell),
        is_sure=given.is_hard and band is None,
    )


def _sharpened(
    sharpener: Sharpener, image: Tensor, given: GivenMasks, where: list[MaskPlace], band: float | None, *, soft: bool
) -> Tensor:
    """Return the (N, H, W) masks on the sharpener's device: bool, or probabilities."""
    size = (image.shape[-2], image.shape[-1])
    dtype = given.result_dtype(sharpener.device, soft=soft)
    result = torch.zeros(len(where), *size, dtype=dtype, device=sharpener.device)
    margin = largest_radius(sharpener)
    masks = list[OpenMask]()
    for n, (cells, place) in enumerate(zip(given.maps, where, strict=True)):
        check_scores(cells, given.kind)
        if 0 in place.cover.size:
            continue
        known = without_padding(cells.to(sharpener.device), place.grid, size)
        chances = given.probabilities(known)
        values = upsampled(chances, place, place.cover)
        exact = values if dtype != torch.float64 else upsampled(given.probabilities(known, dtype), place, place.cover)
        result[n][place.cover.slices] = exact if soft else values > 0.5
        found = band_of(values, place, size, margin, is_hard=given.is_hard, band=band)
        if found is not None:
            nature = _nature(given, chances, values, place, band)
            means = (chances, place.lines) if nature.fills_cells else None
            evidence = HARD if nature.is_sure else SOFT
            masks.append(OpenMask(n, found, evidence, means, nature))
    before = {one.number: one.band.values for one in masks}
    features_of = partial(features_of_box, sharpener, TensorPixels(image))
    for n, part, _, values in crisp_parts(sharpener, features_of, masks):
        there = result[n][part.slices]
        new = values.clamp(0, 1).to(dtype) if soft else values > 0.5
        there.copy_(torch.where(values == before[n], there, new))
    return result


def read_confidences(confidences: object, count: int) -> Tensor:
    """Return the confidences of N masks as (N,) float64.

    Raises:
        InputError: If there is not one finite number for each mask.
    """
    if confidences is None:
        raise InputError("overlaps is 'resolve' without confidences; expected one number for each mask")
    given = as_array("confidences", confidences).astype(np.float64)
    given = given.reshape(0) if given.size == 0 else given
    if given.shape != (count,):
        raise InputError(f"confidences have shape {given.shape}, for {count} masks; expected one number for each")
    if not np.isfinite(given).all():
        raise InputError("confidences hold NaN or infinity; expected finite numbers")
    return torch.from_numpy(given)


def resolve_overlaps(masks: Tensor, confidences: Tensor) -> None:
    """Leave every pixel of (N, H, W) masks to the one with the highest confidence that holds it, in place.

    Of masks with equal confidences, the first keeps the pixel. The others become False there, or 0.5 if the masks are
    probabilities, which is just not inside.

    Example:
        >>> masks = torch.tensor([[[True, True, False]], [[False, True, True]]])
        >>> resolve_overlaps(masks, torch.tensor([0.3, 0.9]))
        >>> masks.int().tolist()
        [[[1, 0, 0]], [[0, 1, 1]]]
    """
    taken = torch.zeros(masks.shape[1:], dtype=torch.bool, device=masks.device)
    for n in confidences.argsort(descending=True, stable=True).tolist():
        mine = masks[n] > 0.5 if masks.is_floating_point() else masks[n]
        if masks.is_floating_point():
            masks[n] = torch.where(mine & taken, 0.5, masks[n])
            taken |= mine
        else:
            masks[n], taken = mine & ~taken, taken | mine
