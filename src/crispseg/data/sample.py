"""The base class of all data sets of labelled images, including your own."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

from torch import Tensor
from torch.utils.data import Dataset

from crispseg.data.numbering import IGNORE_INDEX as IGNORE_INDEX  # noqa: PLC0414 - samples hold it
from crispseg.data.numbering import Numbering
from crispseg.errors import InputError


class Sample(NamedTuple):
    """An image with its label map."""

    image: Tensor
    """(3, H, W) RGB, uint8, or float32 in [0, 1]."""
    labels: Tensor
    """(H, W) int64; `IGNORE_INDEX` where there is no label, which a loss of your own must be told to ignore."""
    name: str
    """Name of the image; predictions are matched by it."""


class LabelledImages(Dataset[Sample]):
    """A data set of images with label maps, such as a `DataLoader` takes.

    A data set of your own sets `image_names` and defines `__getitem__`; set whichever of the other attributes you know.
    One whose images and label maps are files is shorter as a `LabelledFiles`.

    Example:
        >>> import torch
        >>> class Stripes(LabelledImages):
        ...     image_names, class_names, num_classes = ("first", "second"), ("left", "right"), 2
        ...     def __getitem__(self, index: int) -> Sample:
        ...         labels = (torch.arange(8) >= 4).long().expand(6, 8)
        ...         return Sample(255 * labels.expand(3, 6, 8).to(torch.uint8), labels, self.image_names[index])
        >>> len(Stripes()), Stripes()[1].name
        (2, 'second')
    """

    image_names: Sequence[str]
    """Name of each image, unique in the data set, with "/" between folders."""
    num_classes: int | None = None
    """Number of classes; None where it is not known, or labels are not classes."""
    class_names: Sequence[str] = ()
    """Name of class 0, of class 1, …; empty for a class without a name, and shorter where the last have none."""
    ignore_index: int = IGNORE_INDEX
    """Label of pixels without a class, as samples hold it. All of ours have `IGNORE_INDEX`."""
    has_classes: bool = True
    """Whether a label means the same in every image. False where labels only tell the regions of one image apart."""
    has_regions: bool = True
    """Whether labels cover regions. False where they mark the boundaries between them."""
    other_labels: str = ""
    """How to read labels of the other sort from the same files, for messages."""
    palette: tuple[int, ...] | None = None
    """Red, green, blue of class 0, of class 1, …; None where no colours are known."""
    numbering: Numbering | None = None
    """The meaning of the numbers in label files; None if they are the numbers of the classes."""

    def __len__(self) -> int:
        return len(self.image_names)

    def __getitem__(self, index: int) -> Sample:
        """Return one image with its label map."""
        raise NotImplementedError(f"{type(self).__name__} does not define __getitem__")

    def read(self, index: int, annotator: int = 0) -> Sample:
        """Return one image with the label map of one of its annotators.

        Args:
            index: Number of the image.
            annotator: Number of the annotator, modulo the number of label maps that the image has. Data sets with one
                label map an image ignore it.
        """
        del annotator
        return self[index]

    def read_labels(self, index: int) -> Tensor:
        """Return the label map of one image, (H, W) int64."""
        return self[index].labels

    @property
    def named_paths(self) -> dict[str, Path]:
        """The file of each image by its name; the name itself as a path where images are not files."""
        return {name: Path(name) for name in self.image_names}

    @property
    def files(self) -> list[Path]:
        """All files that are read, each once; none where they are not known."""
        return []

    @property
    def description(self) -> Mapping[str, Any]:
        """Values that distinguish this data set from another one over the same files, as plain values for JSON."""
        return {"kind": type(self).__name__}

    def expecting(self, num_classes: int | None) -> Self:
        """Return this data set, checked to have the expected labels.

        Args:
            num_classes: Number of classes; None for regions, whether they are classes or not.

        Raises:
            InputError: If it has another number of classes, its labels are not classes, or they are not regions.
        """
        instead = f": {self.other_labels}" if self.other_labels else ""
        if num_classes is None:
            if not self.has_regions:
                raise InputError(f"the labels of {type(self).__name__} mark boundaries; expected regions{instead}")
            return self
        if not self.has_classes:
            raise InputError(
                f"the labels of {type(self).__name__} number the regions of one image and are not classes; expected a "
                f"data set of {num_classes} classes{instead}"
            )
        if self.num_classes not in (None, num_classes):
            raise InputError(
                f"{type(self).__name__} has {self.num_classes} classes; expected {num_classes}: give the same "
                f"num_classes to the data set and to the network or the predictions"
            )
        return self


class Relabelled(LabelledImages):
    """The images of another data set with changed labels. A subclass defines `relabel`.

    Args:
        source: The other data set.
    """

    def __init__(self, source: LabelledImages) -> None:
        self.source = source
        for name in LabelledImages.__annotations__:  # all that data sets declare
            setattr(self, name, getattr(source, name))

    def relabel(self, labels: Tensor, name: str) -> Tensor:
        """Return changed (H, W) labels, given those of the image with a name."""
        raise NotImplementedError(f"{type(self).__name__} does not define relabel")

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self._relabelled(self.source[index])

    def read(self, index: int, annotator: int = 0) -> Sample:
        """See `LabelledImages.read`."""
        return self._relabelled(self.source.read(index, annotator))

    def _relabelled(self, sample: Sample) -> Sample:
        return sample._replace(labels=self.relabel(sample.labels, sample.name))

    @property
    def named_paths(self) -> dict[str, Path]:
        """See `LabelledImages.named_paths`."""
        return self.source.named_paths

    @property
    def files(self) -> list[Path]:
        """See `LabelledImages.files`."""
        return self.source.files
