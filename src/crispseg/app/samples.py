"""Samples for visitors without files: photographs with masks drawn by hand, and a street drawn by code."""

from collections.abc import Callable
from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses

from crispseg.app.contents import Said
from crispseg.app.scenes import draw_street
from crispseg.data import CAMVID_CLASSES, Prediction, write_scores
from crispseg.errors import InputError
from crispseg.writing import written_whole

PHOTOGRAPHS = files("crispseg.app").joinpath("photographs")
"""The photographs and their masks; the README there says where they are from."""

_BLOCK = 8
"""Pixels of the street to one of its scores."""


class SampleFiles(NamedTuple):
    """The files of a sample."""

    image: Path
    prediction: Path


class ShippedSample(NamedTuple):
    """A sample."""

    title: str
    said: Said
    """The description of its prediction."""
    names: str
    """The names of its classes, as a visitor would give them."""
    credit: str
    """Where image and prediction are from, in one line."""
    write: Callable[[Path], SampleFiles]
    """Writes its files into a folder."""


def write_sample(name: str, folder: Path) -> SampleFiles:
    """Write the files of a sample; they are the same every time.

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
    return SAMPLES[name].write(folder)


def _photograph(image: str, prediction: str) -> Callable[[Path], SampleFiles]:
    """Return a function that copies a photograph and its prediction."""

    def write(folder: Path) -> SampleFiles:
        for name in (image, prediction):
            with written_whole(folder / name) as temporary:
                temporary.write_bytes(PHOTOGRAPHS.joinpath(name).read_bytes())
        return SampleFiles(folder / image, folder / prediction)

    return write


def _street(folder: Path) -> SampleFiles:
    """Draw a street; write it with noisy log-probabilities at an eighth of its resolution, each of several pixels."""
    rng = np.random.default_rng(5)
    made, scene = SampleFiles(folder / "street.png", folder / "street.npz"), draw_street(rng)
    with written_whole(made.image) as temporary:
        scene.photograph(rng).save(temporary, format="PNG")
    count = len(CAMVID_CLASSES)
    shares = F.one_hot(torch.from_numpy(np.array(scene.labels)).long(), count).permute(2, 0, 1).float()
    coarse = F.avg_pool2d(shares, 3 * _BLOCK, stride=_BLOCK, padding=_BLOCK, count_include_pad=False)
    scores = (coarse + 0.01).log() + torch.from_numpy(rng.normal(0, 0.25, coarse.shape)).float()
    write_scores(made.prediction, scores, Prediction(scores, "logits", tuple(range(count))))
    return made


SAMPLES = {
    "pagoda": ShippedSample(
        "Pagoda",
        Said(),
        "sky, building, trees, water",
        "Photograph: danielbuechele, CC BY 2.0. Mask: drawn by hand on squares of 16 pixels.",
        _photograph("pagoda.jpg", "pagoda_mask.png"),
    ),
    "portrait": ShippedSample(
        "Portrait",
        Said("mask", "probabilities"),
        "background, person",
        "Photograph: U.S. Navy, public domain. Mask: an outline drawn by hand, averaged over squares of 16 pixels.",
        _photograph("portrait.jpg", "portrait_mask.png"),
    ),
    "flowers": ShippedSample(
        "Flowers",
        Said("objects", "logits"),
        "background, dahlia, second dahlia, bud",
        "Photograph: vultilion, CC BY 2.0. Masks: three outlines drawn by hand, blurred to squares of 16 pixels.",
        _photograph("flowers.jpg", "flowers_masks.npy"),
    ),
    "street": ShippedSample(
        "Street",
        Said(),
        "CamVid",
        "Scene: drawn by code. Scores: its 11 classes at an eighth of the resolution, blurred, with noise.",
        _street,
    ),
}
"""The samples by name: a label map, a soft mask, masks of objects, and scores of classes."""
