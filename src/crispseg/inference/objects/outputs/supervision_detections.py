"""`Detections` of supervision, told by their attributes."""

import copy
from typing import Any

import numpy as np

from crispseg.inference.objects.outputs.output_kind import OutputKind, Sharpen


def _sharpened(objects: Any, image: object, sharpen: Sharpen) -> object:  # noqa: ANN401 - not imported
    changed = copy.copy(objects)
    if objects.mask is not None:
        masks = np.asarray(objects.mask)
        changed.mask = np.asarray(sharpen(image, masks, confidences=objects.confidence, soft=False))
    return changed


KIND = OutputKind(
    "Detections of supervision",
    lambda objects: all(hasattr(objects, name) for name in ("xyxy", "mask", "confidence")),
    _sharpened,
)
