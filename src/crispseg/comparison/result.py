"""The result of a row, in memory and in two files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file

from crispseg.comparison.method import Setting
from crispseg.metrics import AbsentClasses, Accuracy
from crispseg.reading import parsed
from crispseg.run_settings import check_same
from crispseg.writing import write_tensors, write_text


@dataclass(frozen=True)
class Result:
    """A measured row."""

    name: str
    group: str
    setting: Setting
    edges: Sequence[str]
    """Parameters whose best value is the first or the last of the values tried."""
    search: Sequence[Mapping[str, Any]]
    """Gains of mIoU and trimap mIoU in points on the tuning images, at each setting tried."""
    accuracy: Accuracy
    """Accuracy on the reported images."""


def write_result(result: Result, folder: Path, context: Mapping[str, Any]) -> None:
    """Write a row: its counts as safetensors, everything else as JSON.

    Args:
        result: The row.
        folder: Folder to write to.
        context: Description of data and options; a row is reused only if they are the same.

    Raises:
        InputError: If the files cannot be written.
    """
    counts, rest = paths(folder, result.name)
    write_tensors(counts, result.accuracy.state())
    content = {name: value for name, value in vars(result).items() if name != "accuracy"}
    write_text(rest, json.dumps({"context": dict(context), **content}, indent=2) + "\n")


def read_result(
    name: str,
    folder: Path,
    context: Mapping[str, Any],
    absent_classes: AbsentClasses = "count",
    mean_over: Sequence[int] | None = None,
) -> Result | None:
    """Read a row that `write_result` wrote; return None if there is no such row.

    Args:
        name: Name of the row.
        folder: Folder of the files.
        context: Expected description of data and options.
        absent_classes: Rule for absent classes, as in `Accuracy`; counts do not depend on it.
        mean_over: Classes that enter means, as in `Accuracy`.

    Raises:
        InputError: If a file is damaged, or the row was measured on other data or with other options.
    """
    counts, rest = paths(folder, name)
    if not rest.is_file():
        return None
    remedy = "damaged; remove it and measure the row again"
    with parsed(rest, "row", remedy):
        content = json.loads(rest.read_text())
        earlier = dict(content.pop("context"))
    check_same(f"row {rest}", earlier, context, "choose another --output, or remove the file to measure the row again")
    with parsed(rest, "row", remedy):
        accuracy = Accuracy.from_state(load_file(counts), absent_classes=absent_classes, mean_over=mean_over)
        return Result(**content, accuracy=accuracy)


def paths(folder: Path, name: str) -> tuple[Path, Path]:
    """Return the paths of the two files of a row."""
    stem = "".join(character if character.isalnum() else "_" for character in name.lower())
    return folder / f"{stem}.safetensors", folder / f"{stem}.json"
