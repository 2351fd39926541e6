"""Pixels that several masks claim."""

import numpy as np
import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.inference.array_inputs import as_array


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
