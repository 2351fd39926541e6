"""The image files that annotations name."""

from collections import defaultdict
from collections.abc import Container
from pathlib import Path, PurePosixPath

from crispseg.data.files import IMAGE_SUFFIXES, composed, list_files
from crispseg.errors import InputError
from crispseg.writing import Identity


class ImageFolder:
    """Finds images by the names that annotations give them, in a folder and its subfolders.

    Args:
        folder: The folder.
        label_maps: The names of folders in it whose pictures are label maps.
        besides: More folders in it to skip.

    Raises:
        InputError: If it does not exist, or holds no image.
    """

    def __init__(self, folder: Path, label_maps: Container[str] = (), besides: Container[Identity] = ()) -> None:
        self.folder = folder
        self._by_stem: defaultdict[str, list[Path]] = defaultdict(list)
        for path in list_files(folder, IMAGE_SUFFIXES, "image", besides=besides):
            if not any(name in label_maps for name in (folder.name, *path.relative_to(folder).parts)):
                self._by_stem[composed(path.stem)].append(path)
        self._unused = {path for paths in self._by_stem.values() for path in paths}
        self._folders = {composed(path.parent.name) for path in self._unused if path.parent != folder}

    def find(self, name: str, beside: str = "", *, has_ending: bool = True) -> Path:
        """Return the image that a name stands for.

        Of several images with the file name, the one whose folders agree with the name, from the end on, is meant.
        The ending and folders that do not exist here may differ: annotations often name the machine they came from.
        If its folder exists here without it, an image of that name in another folder is not the one that is meant.

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
        if best[0] == 0 and wanted.parent.name in self._folders:
            raise InputError(
                f"image {name!r} is not in the folder {wanted.parent.name} of {self.folder}, and {chosen[0]} is "
                "another; add it, or arrange the annotations in folders as the images"
            )
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
