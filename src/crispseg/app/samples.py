"""Samples for visitors without files: photographs with masks drawn by hand, and a drawn street with noisy scores."""

from importlib.resources import files
from pathlib import Path
from typing import NamedTuple

from crispseg.app.contents import Said
from crispseg.errors import InputError
from crispseg.writing import written_whole

_FOLDER = files("crispseg.app").joinpath("sample_files")
"""The images and their predictions; the README there says where they are from."""


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
    image: str
    prediction: str


def write_sample(name: str, folder: Path) -> SampleFiles:
    """Copy the files of a sample.

    Args:
        name: One of `SAMPLES`.
        folder: Where to write; it exists.

    Raises:
        InputError: If there is no sample of that name, or a file cannot be written.

    Example:
        >>> files = write_sample("street", getfixture("tmp_path"))
        >>> files.image.name, files.prediction.name
        ('street.jpg', 'street.npz')
    """
    if name not in SAMPLES:
        raise InputError(f"no sample {name!r}; expected one of {', '.join(SAMPLES)}")
    sample = SAMPLES[name]
    for file in (sample.image, sample.prediction):
        with written_whole(folder / file) as temporary:
            temporary.write_bytes(_FOLDER.joinpath(file).read_bytes())
    return SampleFiles(folder / sample.image, folder / sample.prediction)


SAMPLES = {
    "pagoda": ShippedSample(
        "Pagoda",
        Said(),
        "sky, building, trees, water",
        "Photograph: danielbuechele, CC BY 2.0. Mask: drawn by hand on squares of 16 pixels.",
        "pagoda.jpg",
        "pagoda_mask.png",
    ),
    "portrait": ShippedSample(
        "Portrait",
        Said("mask", "probabilities"),
        "background, person",
        "Photograph: U.S. Navy, public domain. Mask: an outline drawn by hand, averaged over squares of 16 pixels.",
        "portrait.jpg",
        "portrait_mask.png",
    ),
    "flowers": ShippedSample(
        "Flowers",
        Said("objects", "logits"),
        "background, dahlia, second dahlia, bud",
        "Photograph: vultilion, CC BY 2.0. Masks: three outlines drawn by hand, blurred to squares of 16 pixels.",
        "flowers.jpg",
        "flowers_masks.npy",
    ),
    "street": ShippedSample(
        "Street",
        Said(),
        "CamVid",
        "Scene: drawn by code. Scores: its 11 classes at an eighth of the resolution, blurred, with noise.",
        "street.jpg",
        "street.npz",
    ),
}
"""The samples by name: a label map, a soft mask, masks of objects, and scores of classes."""
