"""The formats of annotations: the one list of them. Importing it imports none of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from crispseg.errors import InputError
from crispseg.registry import Registry

if TYPE_CHECKING:
    from crispseg.annotations.record import AnnotationFormat

FORMATS: "Registry[type[AnnotationFormat]]" = Registry(
    "annotation format",
    {
        "coco": "crispseg.annotations.coco:Coco",
        "cvat": "crispseg.annotations.cvat:Cvat",
        "labelme": "crispseg.annotations.labelme:Labelme",
        "voc": "crispseg.annotations.voc:Voc",
        "yolo": "crispseg.annotations.yolo:Yolo",
    },
)
"""All formats. A new one needs a line here, and one in `detect_format`."""

_BEGINNING = 1 << 20
"""The bytes of a JSON file in which its format is looked for."""


def detect_format(path: Path) -> str:
    """Return the format of a file or a folder, by the names of files and the content of the first that tells.

    Raises:
        InputError: If there is nothing, or it is not clear.
    """
    if not path.exists():
        raise InputError(f"annotations {path}: no such file or folder; check the path")
    if path.is_dir() and any((path / name).is_dir() for name in ("SegmentationObject", "SegmentationClass")):
        return "voc"
    files = sorted(file for file in path.rglob("*") if not _is_hidden(file, path)) if path.is_dir() else [path]
    kinds = {ending: [file for file in files if file.suffix.lower() == ending] for ending in (".json", ".xml", ".txt")}
    there = [ending for ending, found in kinds.items() if found]
    if len(there) != 1:
        found = f"holds files ending in {', '.join(there)}" if there else "holds no .json, .xml or .txt file"
        raise InputError(f"annotations {path}: {found}; say the format with --format: {', '.join(FORMATS)}")
    if there == [".json"]:
        return _json_format(path, kinds[".json"])
    return "cvat" if there == [".xml"] else "yolo"


def _json_format(path: Path, files: Sequence[Path]) -> str:
    for file in files:
        with file.open("rb") as opened:
            beginning = opened.read(_BEGINNING).decode(errors="replace")
        for name, members in (("labelme", ("shapes", "imagePath")), ("coco", ("annotations", "images", "categories"))):
            if any(f'"{member}"' in beginning for member in members):
                return name
    raise InputError(
        f"annotations {path}: has neither 'shapes', as labelme, nor 'images' and 'annotations', as COCO; check "
        f"{files[0].name}, or say the format with --format"
    )


def _is_hidden(file: Path, root: Path) -> bool:
    return any(part.startswith(".") for part in file.relative_to(root).parts)
