"""Finding the files that belong together."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from crispseg.errors import InputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp")


def list_files(folder: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """Files of a folder with one of the endings, sorted by name.

    Raises:
        InputError: If the folder does not exist or holds no such file.
    """
    if not folder.is_dir():
        raise InputError(f"{what} folder {folder}: no such folder")
    found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    if not found:
        raise InputError(f"{what} folder {folder}: no file ends in {', '.join(suffixes)}")
    return found


def read_names(path: Path) -> list[str]:
    """Names from a text file, one a line; what follows a blank is left out.

    Raises:
        InputError: If the file does not exist, is no text, or holds no name.
    """
    if not path.is_file():
        raise InputError(f"list {path}: no such file")
    try:
        names = [line.split()[0] for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"list {path}: cannot be read as text ({error})") from error
    if not names:
        raise InputError(f"list {path}: holds no name; expected one on each line")
    return names


def expand_images(paths: Iterable[Path]) -> list[Path]:
    """Image files, with folders replaced by the images in them.

    Raises:
        InputError: If a path does not exist, a folder holds no image, or two images share a name.
    """
    images: list[Path] = []
    for path in paths:
        if path.is_dir():
            images += list_files(path, IMAGE_SUFFIXES, "image")
        elif path.is_file():
            images.append(path)
        else:
            raise InputError(f"image {path}: no such file or folder; check the path")
    by_stem(images, "image")
    return images


def by_stem(paths: Iterable[Path], what: str) -> dict[str, Path]:
    """Files by their name without ending.

    Raises:
        InputError: If two files share a name.
    """
    found: dict[str, Path] = {}
    for path in paths:
        if path.stem in found:
            raise InputError(f"{what}s {found[path.stem]} and {path} have the same name; keep one of them")
        found[path.stem] = path
    return found


def match_files(images: Sequence[Path], folder: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """For every image, the file of the same name in another folder.

    Raises:
        InputError: If the folder is missing or empty, or an image has no counterpart.
    """
    candidates = by_stem(list_files(folder, suffixes, what), what)
    missing = [image.stem for image in images if image.stem not in candidates]
    if missing:
        raise InputError(
            f"{what} folder {folder}: nothing for {len(missing)} of {len(images)} images, the first is "
            f"{missing[0]!r}; expected a file of the same name ending in {', '.join(suffixes)}"
        )
    return [candidates[image.stem] for image in images]


def pair_files(images: Sequence[Path], path: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """For every image, the file of the same name in a folder; or, where there is one image, the one file that is named.

    Raises:
        InputError: If there is no such file or folder, a single file is named for several images, or `match_files`
            raises it.
    """
    if path.is_dir():
        return match_files(images, path, suffixes, what)
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file or folder; check the path")
    if len(images) != 1:
        raise InputError(f"{len(images)} images but one {what} file {path}; expected a folder of {what}s")
    return [path]
