"""Pixels that several masks claim."""

import numpy as np
import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.inference.arrays import as_array
from crispseg.scores import PROBABILITIES, Scores


def resolve_overlaps(masks: Tensor, kind: Scores, confidences: object) -> None:
    """Leave every pixel of (N, H, W) masks to the one with the highest confidence that holds it, in place.

    Of masks with equal confidences, the first keeps the pixel. The others get scores just below their threshold.

    Raises:
        InputError: If there is not one finite confidence for each mask.
    """
    order = torch.from_numpy(-_read(confidences, len(masks))).argsort(stable=True)
    threshold = 0.5 if kind in PROBABILITIES else 0.0
    taken = torch.zeros(masks.shape[1:], dtype=torch.bool, device=masks.device)
    below = torch.nextafter(masks.new_tensor(threshold), masks.new_tensor(-1.0))
    for n in order.tolist():
        mine = masks[n] > threshold
        masks[n][mine & taken] = below
        taken |= mine


def _read(confidences: object, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    if confidences is None:
        raise InputError("overlaps is 'resolve' without confidences; expected one number for each mask")
    given = as_array("confidences", confidences).astype(np.float64)
    given = given.reshape(0) if given.size == 0 else given
    if given.shape != (count,):
        raise InputError(f"confidences have shape {given.shape}, for {count} masks; expected one number for each")
    if not np.isfinite(given).all():
        raise InputError("confidences hold NaN or infinity; expected finite numbers")
    return given
