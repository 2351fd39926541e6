"""A folder of images and a folder of label maps with the same names."""

from copy import copy
from pathlib import Path
from typing import Self

from torch import Tensor

from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.image import read_image
from crispseg.data.labels import LABEL_SUFFIXES
from crispseg.data.matching import PLAIN, Suffixes, find_files, match_files
from crispseg.data.pairs import pair
from crispseg.data.sample import Sample
from crispseg.data.truth import TrueLabels


class LabelledFolder:
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
    ) -> None:
        self.found = find_files(Path(images), IMAGE_SUFFIXES, "image", suffixes.image)
        self.labels = match_files(self.found, Path(labels), LABEL_SUFFIXES, "label", suffixes.label)
        self._names, self.images = list(self.found), list(self.found.values())
        self.num_classes = num_classes
        self._said = void, numbering
        self.truth = TrueLabels(void, numbering, num_classes)

    def expecting(self, num_classes: int) -> Self:
        """The same folder, of so many classes.

        Raises:
            InputError: If label 0 is void, and nothing was said of the numbering.
        """
        other = copy(self)
        other.num_classes, other.truth = num_classes, TrueLabels(*self._said, num_classes)
        return other

    def __len__(self) -> int:
        return len(self.images)

    def read_labels(self, index: int) -> Tensor:
        """Read a label map alone, (H, W) int64 classes."""
        return self.truth.read(self.labels[index])

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with its label map; there is only one, whatever the `choice`."""
        del choice
        path, label_path = self.images[index], self.labels[index]
        sample = pair(read_image(path), self.read_labels(index), image_path=path, label_path=label_path)
        return sample._replace(name=self._names[index])
