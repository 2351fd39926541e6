"""A folder of images and a folder of label maps with the same names."""

from pathlib import Path

from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.image import read_image
from crispseg.data.labels import LABEL_SUFFIXES, read_labels
from crispseg.data.matching import PLAIN, Suffixes, find_files, match_files
from crispseg.data.pairs import pair
from crispseg.data.sample import IGNORE_INDEX, Sample


class LabelledFolder:
    """Pairs of an image and a label map.

    Args:
        images: Folder of images; the folders below it are searched too, and hidden files passed over.
        labels: Folder of indexed or greyscale label maps, one for every image, with its name and in the same folders.
        void: Label of pixels without a class; becomes 255. CamVid uses 11.
        classes: Number of classes, to refuse a label beyond them when it is read; None takes any label.
        suffixes: By which the names of images and labels differ.

    Raises:
        InputError: If a folder is missing or empty, two images share a name, or an image has no label map.
    """

    def __init__(
        self,
        images: Path,
        labels: Path,
        void: int = IGNORE_INDEX,
        classes: int | None = None,
        suffixes: Suffixes = PLAIN,
    ) -> None:
        self.found = find_files(Path(images), IMAGE_SUFFIXES, "image", suffixes.image)
        self.labels = match_files(self.found, Path(labels), LABEL_SUFFIXES, "label", suffixes.label)
        self._names, self.images = list(self.found), list(self.found.values())
        self.void = void
        self.classes = classes

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with its label map; there is only one, whatever the `choice`."""
        del choice
        path, label_path = self.images[index], self.labels[index]
        labels = read_labels(label_path).labels
        labels = labels.masked_fill(labels == self.void, IGNORE_INDEX)
        return pair(read_image(path), labels, image_path=path, label_path=label_path, classes=self.classes)._replace(
            name=self._names[index]
        )
