"""The base class of data sets whose images and label maps are files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from crispseg.data.image import read_image
from crispseg.data.sample import LabelledImages, Sample
from crispseg.errors import InputError


class LabelledFiles(LabelledImages):
    """A data set of image files. A subclass fills three lists of equal length and defines `read_labels`.

    One whose images have label maps by several annotators defines `read_annotation` too.
    """

    image_names: list[str]
    images: list[Path]
    """File of each image."""
    labels: list[Path]
    """File of the labels of each image."""

    @property
    def named_paths(self) -> dict[str, Path]:
        """The file of each image by its name."""
        return dict(zip(self.image_names, self.images, strict=True))

    @property
    def files(self) -> list[Path]:
        """All files that are read, each once."""
        return list(dict.fromkeys([*self.images, *self.labels]))

    @property
    def description(self) -> Mapping[str, Any]:
        """Values that distinguish this data set from another one over the same files: kind and folders."""
        folders = {"images": str(self.images[0].parent), "labels": str(self.labels[0].parent)}
        return {**super().description, **folders}

    def read_labels(self, index: int) -> Tensor:
        """Return the label map of one image, (H, W) int64."""
        raise NotImplementedError(f"{type(self).__name__} does not define read_labels")

    def read_annotation(self, index: int, annotator: int) -> Tensor:
        """Return the label map that one annotator drew, (H, W) int64; by default the only one there is."""
        del annotator
        return self.read_labels(index)

    def __getitem__(self, index: int) -> Sample:
        """Return one image with its label map.

        Raises:
            InputError: If a file cannot be read, or the two differ in size.
        """
        return self._sample(index, self.read_labels(index))

    def read(self, index: int, annotator: int = 0) -> Sample:
        """Return one image with the label map of one of its annotators, counted modulo their number."""
        return self._sample(index, self.read_annotation(index, annotator))

    def _sample(self, index: int, labels: Tensor) -> Sample:
        image = read_image(self.images[index])
        if image.shape[-2:] != labels.shape:
            raise InputError(
                f"label map {self.labels[index]} has height and width {tuple(labels.shape)}, its image "
                f"{tuple(image.shape[-2:])}; expected the same"
            )
        return Sample(image, labels, self.image_names[index])
