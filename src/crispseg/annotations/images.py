"""The image files that annotations name."""

from collections import defaultdict
from collections.abc import Container
from pathlib import Path, PurePosixPath

from crispseg.data.files import IMAGE_SUFFIXES, composed, list_files
from crispseg.errors import InputError


class ImageFolder:
    """Finds images by the names that annotations give them, in a folder and its subfolders.

    Args:
        folder: The folder.
        besides: The names of folders in it whose pictures are no images, such as label maps.

    Raises:
        InputError: If it does not exist, or holds no image.
    """

    def __init__(self, folder: Path, besides: Container[str] = ()) -> None:
        self.folder = folder
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for path in list_files(folder, IMAGE_SUFFIXES, "image"):
            if path.parent.name not in besides:
                self._by_stem[composed(path.stem)].append(path)
        self._unused = {path for paths in self._by_stem.values() for path in paths}

    def find(self, name: str, beside: str = "", *, has_ending: bool = True) -> Path:
        """Return the image that a name stands for.

        Of several images with the file name, the one whose folders agree with the name, from the end on, is meant.
        The ending and folders that do not exist here may differ: annotations often name the machine they came from.

        Args:
            name: The name.
            beside: The folder of the annotations that name it.
            has_ending: Whether the name has an ending: without one, `a.v2` is never `a.jpg`.

        Raises:
            InputError: If there is none, or a choice of two.
        """
        wanted = PurePosixPath(composed(beside), composed(name).replace("\\", "/"))
        stem = wanted.stem if has_ending and wanted.name not in self._by_stem else wanted.name
        found = self._by_stem.get(stem, [])
        if not found:
            raise InputError(f"image {name!r} is not in {self.folder}; add it, or give the folder that holds it")
        best = max(_agreement(path, wanted) for path in found)
        chosen = [path for path in found if _agreement(path, wanted) == best]
        if len(chosen) > 1:
            raise InputError(
                f"image {name!r} may be {chosen[0]} or {chosen[1]}; arrange the annotations in folders as the images"
            )
        self._unused.discard(chosen[0])
        return chosen[0]

    @property
    def unused(self) -> list[Path]:
        """The images that nobody has asked for yet."""
        return sorted(self._unused)


def _agreement(path: Path, wanted: PurePosixPath) -> tuple[int, bool]:
    """Return how many folders agree, from the end on, and whether the endings do."""
    path = Path(composed(str(path.absolute())))
    folders = zip(reversed(path.parent.parts), reversed(wanted.parent.parts), strict=False)
    count = next((index for index, (one, other) in enumerate(folders) if one != other), len(wanted.parent.parts))
    return count, path.name == wanted.name
