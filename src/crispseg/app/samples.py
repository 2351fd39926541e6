"""Samples for visitors without files: scenes drawn by code, with predictions as coarse as a network's."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from crispseg.app.scenes import Scene, draw_fruit, draw_street
from crispseg.data import CAMVID_CLASSES, Prediction, write_labels, write_scores
from crispseg.data.labels import default_palette
from crispseg.errors import InputError
from crispseg.writing import written_whole

_BLOCK = 8
"""Pixels of the image to one of the scores."""

_SQUARE = 12
"""Pixels to a square of a mask drawn by hand."""


class ShippedSample(NamedTuple):
    """A sample, and how it is made."""

    title: str
    draw: Callable[[np.random.Generator], Scene]
    prediction: str
    """File name."""
    write_prediction: Callable[[Path, np.ndarray, np.random.Generator], None]


class SampleFiles(NamedTuple):
    """The files of a sample."""

    image: Path
    prediction: Path


def write_sample(name: str, folder: Path) -> SampleFiles:
    """Draw a sample and write its files; they are the same every time.

    Args:
        name: One of `SAMPLES`.
        folder: Where to write; it exists.

    Raises:
        InputError: If there is no sample of that name, or a file cannot be written.

    Example:
        >>> files = write_sample("street", getfixture("tmp_path"))
        >>> files.image.name, files.prediction.name
        ('street.png', 'street.npz')
    """
    if name not in SAMPLES:
        raise InputError(f"no sample {name!r}; expected one of {', '.join(SAMPLES)}")
    sample, rng = SAMPLES[name], np.random.default_rng(5)
    files = SampleFiles(folder / f"{name}.png", folder / sample.prediction)
    scene = sample.draw(rng)
    with written_whole(files.image) as temporary:
        scene.photograph(rng).save(temporary, format="PNG")
    sample.write_prediction(files.prediction, np.array(scene.labels), rng)
    return files


def _write_scores(path: Path, labels: np.ndarray, rng: np.random.Generator) -> None:
    """Write noisy log-probabilities at an eighth of the resolution, each averaged over more than its own pixel."""
    count = len(CAMVID_CLASSES)
    shares = F.one_hot(torch.from_numpy(labels).long(), count).permute(2, 0, 1).float()
    coarse = F.avg_pool2d(shares, 3 * _BLOCK, stride=_BLOCK, padding=_BLOCK, count_include_pad=False)
    scores = (coarse + 0.01).log() + torch.from_numpy(rng.normal(0, 0.25, coarse.shape)).float()
    write_scores(path, scores, Prediction(scores, "logits", tuple(range(count))))


def _write_squares(path: Path, labels: np.ndarray, _: np.random.Generator) -> None:
    """Write a label map that looks as if drawn by hand on squares."""
    middle = _SQUARE // 2
    write_labels(path, torch.from_numpy(labels[middle::_SQUARE, middle::_SQUARE].copy()), default_palette())


SAMPLES = {
    "street": ShippedSample("Street", draw_street, "street.npz", _write_scores),
    "fruit": ShippedSample("Fruit", draw_fruit, "fruit_mask.png", _write_squares),
}
"""The samples by name: scores of the 11 classes of CamVid, and a label map."""
