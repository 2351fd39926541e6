"""One image with its prediction: sharpened and timed."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from crispseg.data import Prediction
from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener, resize


@dataclass(frozen=True)
class Sharpened:
    """What became of one image."""

    before: Tensor
    """(H, W) int64, labels of the upsampled prediction."""
    after: Tensor
    """(H, W) int64, labels after sharpening."""
    scores: Tensor
    """(C, H, W) sharpened scores, of the kind that the prediction was."""
    seconds: float
    """Time that the sharpener took."""


@torch.inference_mode()
def sharpen_one(sharpener: Sharpener, image: Tensor, prediction: Prediction) -> Sharpened:
    """Sharpen the prediction of a (3, H, W) uint8 image, where the weights of the sharpener are."""
    device = sharpener.device
    size = (image.shape[-2], image.shape[-1])
    start = time.perf_counter()
    scores = sharpener.expecting(prediction.kind)(image[None].to(device), prediction.scores[None].to(device))[0].cpu()
    seconds = time.perf_counter() - start
    coarse = resize(prediction.scores[None], size)[0]
    return Sharpened(prediction.labels(coarse), prediction.labels(scores), scores, seconds)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Put the name of a file before an input error that does not say which file it speaks of."""
    try:
        yield
    except InputError as error:
        if str(path) in str(error):
            raise
        raise InputError(f"{path}: {error}") from error
