"""Match files that belong together: an image and its prediction or labels share a name below their folders."""

import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from crispseg.data.files import IMAGE_SUFFIXES, composed, expand_pattern, fixed_part, is_pattern, list_files
from crispseg.errors import InputError
from crispseg.writing import identity


@dataclass(frozen=True)
class Suffixes:
    """Suffixes of file names before their ending, by kind; files whose names agree before the suffix belong together.

    If a suffix is given, files of that kind without it are skipped.

    Args:
        image: Suffix of images, such as "_leftImg8bit".
        prediction: Suffix of predictions, such as "_scores".
        label: Suffix of label maps, such as "_gtFine_labelTrainIds".
        boundary: Suffix of boundary maps, such as "_edges".
    """

    image: str = ""
    prediction: str = ""
    label: str = ""
    boundary: str = ""


PLAIN = Suffixes()
"""No suffixes: the names are equal."""


def find_images(paths: Sequence[Path], suffix: str = "", *, besides: Iterable[Path | None] = ()) -> dict[str, Path]:
    """Return image files by name: the path without ending, relative to the deepest folder common to all `paths`.

    Args:
        paths: Image files; folders, which are searched with their subfolders; and patterns such as `images/*.jpg`.
        suffix: Suffix of the file names before their ending; it is not part of the name.
        besides: Folders to skip in the search, such as the output folder.

    Raises:
        InputError: If a path does not exist, a folder or pattern holds no image, or two images share a name.

    Example:
        >>> folder = getfixture("tmp_path")
        >>> for video in ("bear", "camel"):
        ...     (folder / video).mkdir()
        ...     (folder / video / "0.jpg").touch()
        >>> list(find_images([folder])), list(find_images([folder / "camel"]))
        (['bear/0', 'camel/0'], ['0'])
    """
    others = {identity(path) for path in besides if path is not None and path.is_dir()}
    images: dict[Path, None] = {}
    folders: dict[str, None] = {}
    for path in paths:
        if path.is_dir():
            found, roots = list_files(path, IMAGE_SUFFIXES, "image", besides=others), [path]
        elif path.is_file():
            found, roots = [path], [path.parent]
        elif is_pattern(path):
            found = expand_pattern(path, IMAGE_SUFFIXES, "image")
            roots = [file.parent for file in found]
        else:
            raise InputError(f"image {path}: no such file or folder; check the path")
        images |= dict.fromkeys(found)
        folders |= {str(root.absolute()): None for root in roots}
    named = _by_name(images, Path(os.path.commonpath(list(folders))), suffix)
    _require_any(named, ", ".join(map(str, paths)), suffix, "image")
    return {name: _only(files, "image") for name, files in named.items()}


def find_files(folder: Path, endings: Sequence[str], what: str, suffix: str = "") -> dict[str, Path]:
    """Return the files of a folder and its subfolders by name: the path below the folder, without suffix and ending.

    Raises:
        InputError: If the folder does not exist or holds no such file, or two share a name.
    """
    named = _by_name(list_files(folder, endings, what), folder, suffix)
    _require_any(named, f"folder {folder}", suffix, what)
    return {name: _only(files, what) for name, files in named.items()}


def match_files(
    images: Mapping[str, Path], folder: Path, endings: Sequence[str], what: str, suffix: str = ""
) -> list[Path]:
    """Return, for every image, the file of the same name in another folder.

    A file in a flat folder also matches an image in a tree: the end of the image's path is enough, as long as no two
    images share it.

    Args:
        images: Images by name, as `find_images` returns them.
        folder: Folder to search, with its subfolders.
        endings: Accepted file endings.
        what: Name of the files in errors.
        suffix: Suffix of the file names before their ending.

    Raises:
        InputError: If the folder is missing or empty, an image has no counterpart, or there is a choice of two.
    """
    files = list_files(folder, endings, what)
    return _match(images, files, folder, endings=endings, what=what, suffix=suffix)


def pair_files(
    images: Mapping[str, Path], path: Path, endings: Sequence[str], what: str, suffix: str = ""
) -> list[Path]:
    """Return, for every image, the file of the same name in a folder or pattern; for one image, `path` may be the file.

    Raises:
        InputError: If there is no such file or folder, one file is given for several images, or `match_files` refuses
            the files.
    """
    if path.is_dir():
        return match_files(images, path, endings, what, suffix)
    if is_pattern(path):
        files = expand_pattern(path, endings, what)
        return _match(images, files, fixed_part(path), endings=endings, what=what, suffix=suffix)
    if not path.is_file():
        raise InputError(f"{what} {path}: no such file or folder; check the path")
    if len(images) != 1:
        raise InputError(f"{len(images)} images but one {what} file {path}; expected a folder of {what}s")
    return [path]


def _by_name(files: Iterable[Path], root: Path, suffix: str) -> dict[str, list[Path]]:
    named: defaultdict[str, list[Path]] = defaultdict(list)
    start = len(root.absolute().parts)
    for path in files:
        if path.stem.endswith(suffix) and path.stem != suffix:
            folders = path.absolute().parts[start:-1]
            named["/".join((*folders, path.stem.removesuffix(suffix)))].append(path)
    return dict(named)


def _require_any(named: Mapping[str, object], where: str, suffix: str, what: str) -> None:
    if not named:
        raise InputError(
            f"{what} {where}: no file name ends with {suffix!r} before its extension; check the suffix of {what}s"
        )


def _only(files: Sequence[Path], what: str) -> Path:
    if len(files) > 1:
        raise InputError(f"{what}s {files[0]} and {files[1]} have the same name; keep one of them")
    return files[0]


def _match(
    images: Mapping[str, Path], files: list[Path], root: Path, *, endings: Sequence[str], what: str, suffix: str
) -> list[Path]:
    candidates = _by_name(files, root, suffix)
    _require_any(candidates, f"folder {root}", suffix, what)
    for name in list(candidates):
        candidates.setdefault(composed(name), candidates[name])
    deepest = 1 + max(name.count("/") for name in candidates)
    found = {name: _counterpart(name, path, candidates, deepest) for name, path in images.items()}
    missing = [name for name, counterpart in found.items() if counterpart is None]
    if missing:
        raise InputError(
            f"{what} folder {root}: no {what} for {len(missing)} of {len(images)} images, first for {missing[0]!r}; "
            f"expected a file of the same name{f' and {suffix!r}' if suffix else ''} ending in {', '.join(endings)}"
            + _hint(missing[0], set(candidates) - set(found.values()), what)
        )
    taken: dict[str, str] = {}
    for name, counterpart in found.items():
        if counterpart is not None and taken.setdefault(counterpart, name) != name:
            raise InputError(
                f"images {images[taken[counterpart]]} and {images[name]} have the same {what} "
                f"{candidates[counterpart][0]}; expected one {what} for each, in the same folders as the images"
            )
    return [_only(candidates[counterpart], what) for counterpart in found.values() if counterpart is not None]


def _counterpart(name: str, path: Path, candidates: Mapping[str, object], deepest: int) -> str | None:
    """Return the candidate with the image's name, or else the longest one that ends the image's path.

    Letters may be composed otherwise than in the candidate.
    """
    if name in candidates:
        return name
    name, path = composed(name), Path(composed(str(path.absolute())))
    if name in candidates:
        return name
    parts = (*path.parts[:-1], name.rpartition("/")[2])
    ends = ("/".join(parts[start:]) for start in range(max(len(parts) - deepest, 0), len(parts)))
    return next((end for end in ends if end in candidates), None)


def _hint(missing: str, candidates: Iterable[str], what: str) -> str:
    """Return advice: about the free candidate whose name begins like the missing name, or else about the image."""
    for name in sorted(candidates):
        if name.casefold() == missing.casefold():
            return f"; {name!r} differs in capital letters: rename one of the two"
    alone = f"; add the {what}, or take the image out of its folder"
    if not candidates:
        return alone
    closest = max(candidates, key=lambda name: _common(missing, name))
    start = missing.rfind("/") + 1
    if 3 * (_common(missing, closest) - start) < len(missing) - start:
        return alone
    return f"; if {closest!r} belongs to it, pass the suffixes by which the names of images and {what}s differ"


def _common(one: str, other: str) -> int:
    """Return the length of the common prefix of two names."""
    return next(
        (place for place, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )
