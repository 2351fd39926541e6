"""Sharpen the masks in the output of a library, and return the same kind of output."""

from collections.abc import Mapping
from functools import partial
from typing import Any, TypeVar, cast

from numpy.typing import NDArray
from torch import Tensor

from crispseg.errors import InputError
from crispseg.inference.objects.outputs import (
    coco_rle,
    supervision_detections,
    torchvision_detections,
    transformers_masks,
    transformers_segments,
    ultralytics_results,
)
from crispseg.inference.objects.outputs.output_kind import OutputKind
from crispseg.inference.objects.sharpening import sharpen_masks

_KINDS: tuple[OutputKind, ...] = (
    ultralytics_results.KIND,
    supervision_detections.KIND,
    transformers_segments.KIND,
    torchvision_detections.KIND,
    transformers_masks.KIND,
    coco_rle.KIND,
)

Objects = TypeVar("Objects")


def sharpen_objects(image: object, objects: Objects, **options: Any) -> Objects:  # noqa: ANN401 - those of `sharpen_masks`
    """Return the objects that a library found in an image, with crisp masks; all else stays as it is.

    The kind is told from the object itself:

    - torchvision's Mask R-CNN: the dictionary of an image, with `boxes` and `masks`. Inside `unpasted_masks(model)`
      the masks are those of 28×28 in a box, which take less memory and lose nothing.
    - transformers: the dictionary of an image with `segmentation` and `segments_info`, from any `post_process_…`
      function; or the output of a network for one image, with `masks_queries_logits` (Mask2Former, MaskFormer, EoMT,
      OneFormer) or `pred_masks` (SAM, SAM 2, SAM 3, DETR, RF-DETR), whose logits become those of the image's size.
    - ultralytics: a `Results`, with or without `retina_masks`. It holds its image, so `image` may be None.
    - supervision: `Detections` with masks.
    - COCO: a run-length encoding, or a list of them, as pycocotools has them (extra `data`).

    Args:
        image: The image, as `sharpen_masks` takes it.
        objects: One of the kinds above. It is not changed.
        **options: Options of `sharpen_masks`, such as `sharpener`, `band`, `grid` and `overlaps`. What the object says,
            such as its confidences, need not be given. Whether masks are soft follows from the object alone.

    Raises:
        InputError: If masks and image do not fit together, or `soft` is given.
        TypeError: If it is none of these kinds.

    Example:
        >>> import numpy as np, torch
        >>> found = {"boxes": torch.tensor([[8.0, 8.0, 40.0, 40.0]]), "masks": torch.rand(1, 1, 28, 28)}
        >>> sharpen_objects(np.zeros((48, 64, 3), np.uint8), found)["masks"].shape
        torch.Size([1, 1, 48, 64])
    """
    if "soft" in options:
        raise InputError("soft is given; expected it to follow from the objects: use crispseg.sharpen_masks")
    for kind in _KINDS:
        if kind.is_kind(objects):
            return cast(Objects, kind.sharpened(objects, image, partial(_sharpen, options)))
    raise TypeError(
        f"objects is {_named(objects)}; expected {', '.join(kind.name for kind in _KINDS)}, of one image: pass other "
        "masks to crispseg.sharpen_masks"
    )


def _named(objects: object) -> str:
    """Return the type of objects, with what tells which they are: keys, or what a list holds."""
    name = type(objects).__name__
    if isinstance(objects, Mapping):
        return f"{name} with {', '.join(map(str, list(objects)[:6])) or 'nothing'}"
    return f"{name} of {_named(objects[0])}" if isinstance(objects, list | tuple) and objects else name


def _sharpen(
    given: dict[str, Any],
    image: object,
    masks: object,
    boxes: object = None,
    **known: Any,  # noqa: ANN401
) -> Tensor | NDArray[Any]:
    if given.get("overlaps", known.get("overlaps", "keep")) == "keep":
        known.pop("confidences", None)
    return sharpen_masks(image, masks, boxes, **{**known, **given})
