"""Finding the files that belong together."""

import glob
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
    try:
        found = sorted(path for path in folder.iterdir() if path.suffix.lower() in suffixes)
    except PermissionError as error:
        raise InputError(f"{what} folder {folder}: may not be listed; check its permissions") from error
    if not found:
        raise InputError(f"{what} folder {folder}: no file ends in {', '.join(suffixes)}")
    return found


def is_pattern(path: Path) -> bool:
    """Whether a path names files by a pattern, such as `images/*.jpg`, and not by a name that has its signs in it."""
    return glob.has_magic(str(path)) and not path.exists()


def expand_pattern(pattern: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """Files that a pattern of the shell names and that have one of the endings, sorted; `**` stands for any folders.

    Raises:
        InputError: If there is none.
    """
    named = map(Path, glob.iglob(str(pattern), recursive=True))  # noqa: PTH207 - Path.glob takes none that are absolute
    found = sorted(path for path in named if path.suffix.lower() in suffixes and path.is_file())
    if not found:
        raise InputError(
            f"{what}s {pattern}: no file that ends in {', '.join(suffixes)} is named so; check the pattern"
        )
    return found


def check_readable(path: Path, what: str) -> None:
    """Refuse what cannot be opened, before a decoder would call it damaged.

    Raises:
        InputError: If it is no file, or may not be read.
    """
    try:
        if not path.is_file():
            raise InputError(f"{what} {path}: no such file")
        path.open("rb").close()
    except OSError as error:
        raise InputError(f"{what} {path}: cannot be opened ({error.strerror}); check its permissions") from error


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
    """Image files, with folders replaced by the images in them, and patterns such as `images/*.jpg` by those they name.

    Raises:
        InputError: If a path does not exist, a folder or pattern stands for no image, or two images share a name.
    """
    images: list[Path] = []
    for path in paths:
        if path.is_dir():
            images += list_files(path, IMAGE_SUFFIXES, "image")
        elif path.is_file():
            images.append(path)
        elif is_pattern(path):
            images += expand_pattern(path, IMAGE_SUFFIXES, "image")
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
    return _match(images, list_files(folder, suffixes, what), suffixes, f"{what} folder {folder}", what)


def _match(images: Sequence[Path], files: list[Path], suffixes: Sequence[str], source: str, what: str) -> list[Path]:
    candidates = by_stem(files, what)
    missing = [image.stem for image in images if image.stem not in candidates]
    if missing:
        raise InputError(
            f"{source}: nothing for {len(missing)} of {len(images)} images, the first is "
            f"{missing[0]!r}; expected a file of the same name ending in {', '.join(suffixes)}"
        )
    return [candidates[image.stem] for image in images]


def pair_files(images: Sequence[Path], path: Path, suffixes: Sequence[str], what: str) -> list[Path]:
    """For every image, the file of the same name in a folder or of a pattern; or, for one image, the one that is named.

    Raises:
        InputError: If there is no such file or folder, a single file is named for several images, or an image has no
            counterpart.
    """
    if path.is_dir():
        return match_files(images, path, suffixes, what)
    if is_pattern(path):
        return _match(images, expand_pattern(path, suffixes, what), suffixes, f"{what}s {path}", what)
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file or folder; check the path")
    if len(images) != 1:
        raise InputError(f"{len(images)} images but one {what} file {path}; expected a folder of {what}s")
    return [path]
