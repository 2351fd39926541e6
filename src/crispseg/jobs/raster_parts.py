"""The finished parts of a label raster, in a file beside it, so that an interrupted run can go on."""

import json
import zlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from crispseg.data.box import Box
from crispseg.data.raster.output import LabelValues, Values
from crispseg.errors import InputError
from crispseg.reading import parsed
from crispseg.run_settings import check_same, with_version
from crispseg.writing import appended, make_folder

_QUICKLY = 1
"""The level of compression. The output is compressed again, and better."""

_DAMAGED = "damaged; start anew without --resume"


def parts_file(output: Path) -> Path:
    """Return the file that holds the finished parts of an output. It is hidden, and removed at the end."""
    return output.parent / f".{output.name}.parts"


class FinishedParts:
    """The finished parts of a label raster in a file, which is begun with the first of them.

    Its first line is JSON: the settings, and the side of the parts. Each part is a line of JSON and compressed values.
    What a killed process has written of one more part is cut off.

    Args:
        output: The label raster.
        settings: What the labels depend on.
        values: How labels are stored.
        side: The height and width of parts, unless an earlier run had others.
        resume: Whether to go on with those that are there.

    Raises:
        InputError: If those that are there were made with other settings, or cannot be read; or if there are none, but
            the output is there.
    """

    def __init__(
        self, output: Path, settings: Mapping[str, Any], values: LabelValues, *, side: int, resume: bool
    ) -> None:
        self._file = parts_file(output)
        self._values, self._settings, self.side = values, with_version(settings), side
        self._places: dict[Box, tuple[int, int]] = {}
        """Where the values of a part begin in the file, and how many bytes they are."""
        self.begun = resume and self._file.is_file()
        """Whether the file holds parts of this run, or of the one that it resumes."""
        if self.begun:
            self._read(output)
        elif resume and output.exists():
            raise InputError(
                f"output {output}: is there, and no interrupted run to go on with; leave out --resume to make it anew"
            )

    def __contains__(self, box: Box) -> bool:
        return box in self._places

    def add(self, box: Box, values: Values) -> None:
        """Add a part.

        Raises:
            OutputError: If the file cannot be written.
        """
        content = zlib.compress(values.tobytes(), _QUICKLY)
        head = json.dumps({"part": box, "bytes": len(content), "crc32": zlib.crc32(content)}) + "\n"
        if not self.begun:
            make_folder(self._file.parent)
            self._file.unlink(missing_ok=True)
            first = json.dumps({"side": self.side, "settings": self._settings}) + "\n"
            head, self.begun = first + head, True
        end = appended(self._file, head.encode() + content)
        self._places[box] = end - len(content), len(content)

    def values(self, box: Box) -> Values:
        """Return the values of a part."""
        start, count = self._places[box]
        with self._file.open("rb") as file:
            file.seek(start)
            content = zlib.decompress(file.read(count))
        return np.frombuffer(content, self._values.kind).reshape(box.size)

    def in_rows(self, size: tuple[int, int], height: int) -> Iterator[tuple[Box, Values]]:
        """Yield an image of that height and width in so many rows at a time, in an order that no side of parts changes.

        A part is unpacked for each of them, which takes far less time than to make it.
        """
        for top in range(0, size[0], height):
            rows = Box(top, 0, min(top + height, size[0]), size[1])
            values = np.empty(rows.size, self._values.kind)
            for box in self._places:
                shared = rows.shared(box)
                if shared is not None:
                    values[shared.within(rows).slices] = self.values(box)[shared.within(box).slices]
            yield rows, values

    def remove(self) -> None:
        """Remove the file."""
        self._file.unlink(missing_ok=True)

    def _read(self, output: Path) -> None:
        with self._file.open("rb+") as file:
            with parsed(self._file, "parts", _DAMAGED):
                head = json.loads(file.readline())
                side, there = int(head["side"]), dict(head["settings"])
                if side < 1:
                    raise ValueError(f"parts of {side} pixels")
            remedy = "use those, choose another output, or start anew without --resume"
            check_same(f"the finished part of output {output}", there, self._settings, remedy)
            self.side = side
            end = file.tell()
            while (part := _next_part(file)) is not None:
                box, count = part
                end = file.tell()
                self._places[box] = end - count, count
            file.truncate(end)


def _next_part(file: BinaryIO) -> tuple[Box, int] | None:
    """Return the next part of a file and the bytes of its values; None at the end, or if it was not written whole."""
    try:
        head = json.loads(file.readline())
        content = file.read(head["bytes"])
        whole = len(content) == head["bytes"] and zlib.crc32(content) == head["crc32"]
        return (Box(*head["part"]), len(content)) if whole else None
    except (ValueError, KeyError, TypeError):
        return None
