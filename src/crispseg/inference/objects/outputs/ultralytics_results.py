"""`Results` of ultralytics, told by their attributes: the package is never imported."""

import copy
from typing import Any

import numpy as np
import torch

from crispseg.inference.array_inputs import as_image
from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen

_PROTOTYPE = 4
"""The masks are decoded at 1/4 of the resolution of the network's input, whatever the size at which they come."""

_CELLS = 1.5
"""How far the boundary of a mask may be off, in the cells at which it was decoded."""


def _is_results(objects: object) -> bool:
    return all(hasattr(objects, name) for name in ("orig_img", "masks", "boxes", "update"))


def _sharpened(objects: Any, image: object, sharpen: Sharpen) -> object:  # noqa: ANN401 - not imported
    if objects.masks is None:
        return copy.copy(objects)
    pixels = np.ascontiguousarray(objects.orig_img[..., ::-1]) if image is None else image  # blue, green, red
    height, width = as_image(pixels).shape[-2:]
    masks = objects.masks.data
    rows, columns = masks.shape[-2:]
    whole = (rows, columns) == (height, width)  # retina_masks=True
    cell = _PROTOTYPE * (max(height, width) / 640 if whole else max(height / rows, width / columns))
    inside = masks > 0.5 if isinstance(masks, torch.Tensor) else np.asarray(masks) > 0.5
    known = {} if whole else {"grid": "letterbox"}
    crisp = sharpen(pixels, inside, band=max(_CELLS * cell, 1), confidences=_confidences(objects), soft=False, **known)
    changed = copy.copy(objects)
    changed.update(masks=torch.as_tensor(crisp).to(torch.as_tensor(masks).dtype))
    return changed


def _confidences(objects: Any) -> object:  # noqa: ANN401 - not imported
    return None if objects.boxes is None else objects.boxes.conf


KIND = OutputKind("Results of ultralytics", _is_results, _sharpened)
