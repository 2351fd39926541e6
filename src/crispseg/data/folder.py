"""A folder of images and a folder of label maps with the same names."""

from pathlib import Path

from crispseg.data.files import IMAGE_SUFFIXES, by_stem, list_files, match_files
from crispseg.data.image import read_image
from crispseg.data.labels import LABEL_SUFFIXES, read_labels
from crispseg.data.sample import IGNORE_INDEX, Sample
from crispseg.errors import InputError


class LabelledFolder:
    """Pairs of an image and a label map.

    Args:
        images: Folder of images.
        labels: Folder of indexed or greyscale label maps, one for every image, with its name.
        void: Label of pixels without a class; becomes 255. CamVid uses 11.

    Raises:
        InputError: If a folder is missing or empty, two images share a name, or an image has no label map.
    """

    def __init__(self, images: Path, labels: Path, void: int = IGNORE_INDEX) -> None:
        self.images = list(by_stem(list_files(Path(images), IMAGE_SUFFIXES, "image"), "image").values())
        self.labels = match_files(self.images, Path(labels), LABEL_SUFFIXES, "label")
        self.void = void

    def __len__(self) -> int:
        return len(self.images)

    def read(self, index: int, choice: int = 0) -> Sample:
        """Read one image with its label map; there is only one, whatever the `choice`."""
        del choice
        image = read_image(self.images[index])
        labels = read_labels(self.labels[index]).labels
        if image.shape[-2:] != labels.shape:
            raise InputError(
                f"label map {self.labels[index]} has height and width {tuple(labels.shape)}, its image "
                f"{tuple(image.shape[-2:])}; expected the same"
            )
        return Sample(image, labels.masked_fill(labels == self.void, IGNORE_INDEX), self.images[index].stem)
