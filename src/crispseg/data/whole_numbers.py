"""Arrays of whole numbers: label maps, masks, and scores that were quantised to a byte each."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from crispseg.data.arrays import array_names, read_array
from crispseg.data.numbering import HIGHEST_LABEL
from crispseg.errors import InputError
from crispseg.scores import Scores


def label_array(array: np.ndarray, path: Path) -> Tensor:
    """Return an (h, w) array of whole numbers or truth values as int64 labels.

    Raises:
        InputError: If it is empty, or a label is not from 0 to 65535.
    """
    if array.size and (array.min() < 0 or array.max() > HIGHEST_LABEL):
        raise InputError(
            f"prediction {path}: labels from {array.min()} to {array.max()}; expected 0 to {HIGHEST_LABEL}"
        )
    if 0 in array.shape:
        raise InputError(f"prediction {path}: a label map of shape {array.shape}; expected one pixel or more")
    return torch.from_numpy(array.astype(np.int64))


def dequantised(array: np.ndarray, kind: Scores | None, path: Path) -> np.ndarray:
    """Return the float32 scores that a uint8 array `q` of a `.npz` stands for, as the file or the user says.

    Args:
        array: The numbers.
        kind: The declared kind of scores; None if none was declared.
        path: The file, which may hold `scale` and `zero_point` beside them.

    Raises:
        InputError: If neither the file nor the user says what the numbers stand for, or the scale is not above 0.
    """
    names = array_names(path, "prediction")
    if {"scale", "zero_point"} <= set(names):
        scale, zero_point = (read_array(path, "prediction", name) for name in ("scale", "zero_point"))
        if scale.size != 1 or zero_point.size != 1 or not np.isfinite(scale).all() or not (scale > 0).all():
            raise InputError(
                f"prediction {path}: scale is {scale.tolist()}, zero_point {zero_point.tolist()}; expected one number "
                "each, the scale above 0"
            )
        return (array.astype(np.float32) - np.float32(zero_point.item())) * np.float32(scale.item())
    if kind != "logits":
        raise InputError(
            f"prediction {path}: cannot tell the scale of its uint8 array `q` with scores={kind!r}; if it holds "
            "log p = (q - 100) / 10, pass scores='logits' (--scores logits), or save the arrays `scale` and "
            "`zero_point` beside it for scores (q - zero_point) * scale"
        )
    return (array.astype(np.float32) - 100) / 10
