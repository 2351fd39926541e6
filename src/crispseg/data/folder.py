"""A folder of images and a folder of label maps with the same names."""

from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Self

from torch import Tensor

from crispseg.data.class_names import read_class_names
from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.labelled_files import LabelledFiles
from crispseg.data.labels import LABEL_SUFFIXES
from crispseg.data.matching import PLAIN, Suffixes, find_files, match_files
from crispseg.data.truth import TrueLabels
from crispseg.errors import InputError


class LabelledFolder(LabelledFiles):
    """Pairs of an image and a label map.

    Args:
        images: Folder of images; the folders below it are searched too, and hidden files passed over.
        labels: Folder of indexed or greyscale label maps, one for every image, with its name and in the same folders.
        void: Label or labels of pixels without a class, as the files hold them; they become `IGNORE_INDEX`. CamVid uses
            11. Where none is declared there is none, and a label 255 is asked about.
        num_classes: Number of classes, to refuse a label beyond them when it is read; None takes any label.
        numbering: What the labels stand for: "0-based" (the numbers of the classes), "1-based" (the classes start at
            1, and 0 is void), or a table of labels and classes; see `crispseg.data.numbering.read_numbering`.
        suffixes: By which the names of images and labels differ.
        class_names: Names of the classes, or a file of them, as `crispseg.data.class_names.read_class_names` takes it.
            They also say the number of classes. None takes the names that a table of `numbering` gives.

    Raises:
        InputError: If a folder is missing or empty, two images share a name, an image has no label map, or what is said
            of the labels makes no sense.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        void: int | list[int] | None = None,
        num_classes: int | None = None,
        *,
        numbering: str | Path | None = None,
        suffixes: Suffixes = PLAIN,
        class_names: Sequence[str] | str | Path | None = None,
    ) -> None:
        found = find_files(Path(images), IMAGE_SUFFIXES, "image", suffixes.image)
        self.image_names, self.images = list(found), list(found.values())
        self.labels = match_files(found, Path(labels), LABEL_SUFFIXES, "label", suffixes.label)
        self._given_names = () if class_names is None else read_class_names(class_names)
        if num_classes is None and all(self._given_names):
            num_classes = len(self._given_names) or None
        self._said = void, numbering
        self._set_classes(num_classes)

    def _set_classes(self, num_classes: int | None) -> None:
        self.num_classes, self.truth = num_classes, TrueLabels(*self._said, num_classes)
        self.numbering = self.truth.numbering
        self.class_names = self._given_names or self.numbering.class_names
        count, named = len(self._given_names), all(self._given_names)
        if num_classes is not None and count and (count > num_classes or (count < num_classes and named)):
            raise InputError(
                f"{count} class names ({self.class_names[0]!r} to {self.class_names[-1]!r}) for {num_classes} classes; "
                "expected one name for each class, that of class 0 first"
            )

    @property
    def description(self) -> Mapping[str, Any]:
        """Values that distinguish this data set from another one over the same files."""
        return {**super().description, "void": list(self.truth.void), "numbering": self.truth.numbering.description}

    def expecting(self, num_classes: int | None) -> Self:
        """Return this folder with that number of classes; None leaves it as it is.

        Raises:
            InputError: If it was said to have another number, label 0 is void and nothing was said of the numbering, or
                there is not one name for each class.
        """
        other = copy(super().expecting(num_classes))
        if num_classes is not None:
            other._set_classes(num_classes)
        return other

    def read_labels(self, index: int) -> Tensor:
        """Return the classes of one image, (H, W) int64."""
        return self.truth.read(self.labels[index])
