"""Masks of torchvision's Mask R-CNN."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.inference.array_inputs import as_array, as_image
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen

_LARGEST_OF_BOX = 256
"""Rows from which a square mask is not one of a box: Mask R-CNN's have 28."""


@contextmanager
def unpasted_masks(model: nn.Module) -> Iterator[None]:
    """Let a torchvision Mask R-CNN return the masks of 28×28 of its boxes, as they are before it pastes them.

    The boxes are those of the image. `sharpen_objects` takes such an output.

    Args:
        model: A network with `roi_heads`, such as `maskrcnn_resnet50_fpn()`, in evaluation mode.

    Example:
        >>> import torch
        >>> from torchvision.models.detection import maskrcnn_resnet50_fpn
        >>> model = maskrcnn_resnet50_fpn(weights=None, weights_backbone=None, box_score_thresh=0, min_size=64).eval()
        >>> with unpasted_masks(model), torch.inference_mode():
        ...     model([torch.rand(3, 64, 96)])[0]["masks"].shape[1:]
        torch.Size([1, 28, 28])
    """
    small: list[Tensor] = []

    def remember(_heads: nn.Module, _given: object, output: Any) -> None:  # noqa: ANN401 - torchvision's tuple
        small[:] = [found["masks"] for found in output[0] if "masks" in found]

    def put_back(_model: nn.Module, _given: object, output: Any) -> Any:  # noqa: ANN401 - torchvision's list
        if len(small) != len(output):
            return output
        return [{**found, "masks": masks} for found, masks in zip(output, small, strict=True)]

    with ExitStack() as stack:
        heads = model.get_submodule("roi_heads")
        stack.callback(heads.register_forward_hook(remember).remove)
        stack.callback(model.register_forward_hook(put_back).remove)
        yield


def _sharpened(objects: Mapping[str, Any], image: object, sharpen: Sharpen) -> Mapping[str, Any]:
    masks, size = objects["masks"], as_image(image).shape[-2:]
    values = as_array("masks", masks)
    rows, columns = values.shape[-2:] if values.ndim > 1 else size
    boxes = None if (rows, columns) == size else objects["boxes"]
    if boxes is not None and (rows != columns or rows > _LARGEST_OF_BOX):
        raise InputError(
            f"masks are {rows}x{columns}, the image {size[0]}x{size[1]}; expected masks of the size of the image, or "
            "of 28x28 in boxes: give the image that the network saw, or use crispseg.sharpen_masks"
        )
    known = {"scores": "multilabel_probabilities", "soft": True} if np.issubdtype(values.dtype, np.floating) else {}
    crisp = sharpen(image, masks, boxes, **known, confidences=objects.get("scores"))
    return {**objects, "masks": crisp}


KIND = OutputKind(
    "a dictionary of torchvision with boxes and masks",
    lambda objects: isinstance(objects, Mapping) and {"boxes", "masks"} <= set(objects),
    _sharpened,
)
