"""Write the page: its files, the pictures, and the changes as data."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.resources import files
from pathlib import Path

from crispseg.annotations.decisions import KIND
from crispseg.annotations.record import AnnotationFormat
from crispseg.annotations.review.cards import cards_of
from crispseg.annotations.run import ComparedImage
from crispseg.data.intensity import ValueRange
from crispseg.writing import make_folder, write_text, written_whole

_PAGE = ("index.html", "review.css", "review.js")


def write_review(
    folder: Path,
    compared: Sequence[ComparedImage],
    layout: AnnotationFormat,
    root: Path,
    *,
    count: int,
    command: str,
    value_range: ValueRange = "auto",
) -> int:
    """Write the page about the masks that changed most, and return how many it shows.

    Args:
        folder: The folder of the page; `index.html` in it opens without a server.
        compared: The images that were compared.
        layout: The format of the annotations.
        root: The folder of the annotations.
        count: The largest number of masks to show.
        command: The command that applies the decisions.
        value_range: The numbers of an image that stand for black and white, as for the run.

    Raises:
        OutputError: If the folder cannot be written to.
    """
    make_folder(folder)
    make_folder(folder / "pictures")
    shown = []
    for number, (card, pictures) in enumerate(cards_of(compared, layout, root, count, value_range)):
        names = {kind: f"pictures/{number:05}-{kind}.jpg" for kind in pictures}
        for kind, picture in pictures.items():
            with written_whole(folder / names[kind]) as temporary:
                picture.save(temporary, format="JPEG", quality=88)
        shown.append({**asdict(card), "pictures": names})
    text = json.dumps(shown, ensure_ascii=False)
    changed = sum(len(one.changes.objects) for one in compared)
    data = {
        "kind": KIND,
        "run": hashlib.sha256(text.encode()).hexdigest()[:16],
        "command": command,
        "changed": changed,
        "simplified": layout.has_polygons and layout.options.form != "rle",
        "masks": sum(one.changes.count for one in compared),
    }
    write_text(folder / "data.js", f"window.REVIEW = {json.dumps(data, ensure_ascii=False)};\nREVIEW.cards = {text};\n")
    for name in _PAGE:
        write_text(folder / name, (files(__package__) / name).read_text(encoding="utf-8"))
    return len(shown)
