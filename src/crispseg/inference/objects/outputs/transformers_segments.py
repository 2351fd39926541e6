"""Segments of an image as the `post_process_…` functions of transformers return them."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.inference.array_inputs import as_array, as_image, as_tensor
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen

_CELLS = 128
"""How many cells along the longer side of the image the masks have at least of which segments are made: a quarter of
the pixels that networks take."""


def _sharpened(objects: Mapping[str, Any], image: object, sharpen: Sharpen) -> Mapping[str, Any]:
    segmentation, segments = objects["segmentation"], objects["segments_info"]
    if segmentation is None or not segments:
        return dict(objects)
    if isinstance(segmentation, np.ndarray):
        made = _sharpened(
            {**objects, "segmentation": as_tensor(as_array("segmentation", segmentation))}, image, sharpen
        )
        return {**made, "segmentation": made["segmentation"].numpy()}
    if not isinstance(segmentation, Tensor):
        raise InputError(
            f"segmentation is {type(segmentation).__name__}; expected a tensor: leave out return_coco_annotation=True"
        )
    confidences = [float(segment.get("score", 1.0)) for segment in segments]
    band = _cell(as_image(image).shape[-2:], segmentation.shape[-2:])
    if segmentation.ndim == 3:  # return_binary_maps=True
        crisp = torch.as_tensor(sharpen(image, segmentation > 0, band=band, confidences=confidences, soft=False))
        return {**objects, "segmentation": crisp.to(segmentation.dtype)}
    listed = [int(segment["id"]) for segment in segments]
    others = _unlisted(segmentation, listed)
    confidences += [min(confidences) - 1.0] * len(others)
    ids = torch.tensor([*listed, *others], device=segmentation.device)
    masks = segmentation == ids[:, None, None].to(segmentation.dtype)
    crisp = torch.as_tensor(sharpen(image, masks, band=band, confidences=confidences, soft=False, overlaps="resolve"))
    return {**objects, "segmentation": _map_of(crisp, ids, segmentation)}


def _cell(image: Sequence[int], segmentation: Sequence[int]) -> float:
    """Return how far the boundary of a segment may be off, in pixels: a cell of the masks of which it was made."""
    return max(max(image) / _CELLS, *(pixels / cells for pixels, cells in zip(image, segmentation, strict=True)), 1)


def _unlisted(segmentation: Tensor, listed: Sequence[int]) -> list[int]:
    """Return the ids in a map of segments that somebody has left out of its list; they stay in the map.

    The smallest one stands for pixels in no segment if it is not above 0, as in all maps of transformers.
    """
    others = sorted(set(torch.unique(segmentation).tolist()) - set(listed))
    return [int(number) for number in (others[1:] if others and others[0] <= 0 else others)]


def _map_of(masks: Tensor, ids: Tensor, before: Tensor) -> Tensor:
    """Return the (H, W) ids of exclusive (N, H, W) masks; elsewhere the value of pixels in no segment.

    If every pixel is in a segment, those that no mask holds any more keep their id.
    """
    beside = before[~torch.isin(before, ids.to(before.dtype))]
    covered = before.shape == masks.shape[1:] and not len(beside)
    after = before.clone() if covered else before.new_full(masks.shape[1:], float(beside[0]) if len(beside) else -1)
    for mask, number in zip(masks, ids, strict=True):
        after[mask] = number.to(before.dtype)
    return after


KIND = OutputKind(
    "a dictionary of transformers with segmentation and segments_info",
    lambda objects: isinstance(objects, Mapping) and {"segmentation", "segments_info"} <= set(objects),
    _sharpened,
)
