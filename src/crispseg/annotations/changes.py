"""The findings of a run, noted image by image beside its output, to resume it and to decide on it."""

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Set
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

from crispseg.errors import InputError
from crispseg.jobs.resuming import check_same_settings
from crispseg.reading import parsed
from crispseg.run_settings import with_version
from crispseg.writing import append_line, make_folder, write_text

FOLDER = ".crispseg"
"""The folder in the output that holds the notes. It is hidden, so that no reader of annotations looks into it."""


@dataclass(frozen=True)
class Change:
    """The new mask of an object."""

    iou: float
    """With the mask before."""
    shift: float
    """How far the outline moved, in pixels on average."""
    rle: str


@dataclass(frozen=True)
class ImageChanges:
    """The objects of an image that change."""

    file: str
    """The annotation file, below the folder of all."""
    image: str
    """The image, as the annotations name it."""
    digest: str
    """Of the annotation file."""
    size: tuple[int, int]
    objects: Mapping[str, Change]
    count: int
    """The number of its objects that could change."""
    stamp: str
    """Of the image file, when it was compared; see `crispseg.jobs.resuming.stamp_of`."""

    @property
    def name(self) -> tuple[str, str]:
        """The file and the image, which together are unique."""
        return self.file, self.image

    @classmethod
    def of(cls, said: Mapping[str, Any]) -> Self:
        """Return the changes that a line of the notes holds."""
        objects = {key: Change(**change) for key, change in said["objects"].items()}
        return cls(**{**said, "size": tuple(said["size"]), "objects": objects})


class Notes:
    """The changes of a run in a file, one image on each line, so that little is lost when the run is killed.

    Args:
        output: The folder that the annotations are written to.
        settings: What the changes depend on.
        resume: Whether to go on with those that are there.
        in_place: Whether the annotations are replaced.

    Raises:
        InputError: If those that are there were made with other settings, or cannot be read; or if a run in place that
            was interrupted, or had faults, would begin anew, and move the outlines of some files twice.
    """

    def __init__(self, output: Path, settings: Mapping[str, Any], *, resume: bool, in_place: bool) -> None:
        self._folder = output / FOLDER
        self._settings = with_version(settings)
        self._begun = resume and self._settings_file.is_file()
        self._known: dict[tuple[str, str], ImageChanges] = {}
        self._written: dict[str, str] = {}
        self._done: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
        if in_place and not resume and self._settings_file.is_file():
            raise InputError(
                f"annotations {output}: have notes of a run that was interrupted, reviewed, or had faults; add "
                f"--resume to go on with it, or remove {self._folder} to begin anew, also with the files that are "
                "cleaned already"
            )
        if self._begun:
            check_same_settings(self._settings_file, self._settings)
            self._read()

    @property
    def _settings_file(self) -> Path:
        return self._folder / "settings.json"

    @property
    def _file(self) -> Path:
        return self._folder / "changes.jsonl"

    def _read(self) -> None:
        lines = self._file.read_text(encoding="utf-8").splitlines(keepends=True) if self._file.is_file() else []
        for line in lines:
            if not line.endswith("\n"):  # the run was killed while it wrote the last one
                continue
            with parsed(self._file, "notes", "cannot be read; start anew without --resume"):
                said = json.loads(line)
                if "written" in said:
                    self._written[said["written"]] = said["digest"]
                elif "done" in said:
                    self._done[said["done"], said["image"]].update(said["masks"])
                else:
                    found = ImageChanges.of(said)
                    self._known[found.name] = found
        if lines and not lines[-1].endswith("\n"):
            write_text(self._file, "".join(lines[:-1]))

    def known(self, file: str, image: str, digest: str, stamp: str) -> ImageChanges | None:
        """Return the changes of an image, if they are noted, and its annotation file and the image are the same."""
        found = self._known.get((file, image))
        return found if found is not None and (found.digest, found.stamp) == (digest, stamp) else None

    def is_written(self, file: str, digest: str) -> bool:
        """Return whether an annotation file is one that the run has written."""
        return self._written.get(file) == digest

    def size(self, file: str, image: str) -> tuple[int, int] | None:
        """Return the height and width of an image that was compared; None of any other."""
        found = self._known.get((file, image))
        return None if found is None else found.size

    def done(self, file: str, image: str) -> Set[str]:
        """Return the digests of the masks of an image that the run has compared, in a file that it has replaced."""
        return self._done[file, image]

    def all(self) -> Iterable[ImageChanges]:
        """Return the changes of all images."""
        return self._known.values()

    def add(self, changes: ImageChanges) -> None:
        """Add the changes of an image."""
        self._known[changes.name] = changes
        self._append(asdict(changes))

    def add_written(self, file: str, content: bytes) -> None:
        """Add that a file is about to be replaced by new content."""
        self._append({"written": file, "digest": digest_of(content)})

    def add_done(self, file: str, image: str, masks: Iterable[str]) -> None:
        """Add the digests of the masks of an image that are done, in a file that was replaced."""
        self._done[file, image].update(masks)
        self._append({"done": file, "image": image, "masks": sorted(self._done[file, image])})

    def _append(self, line: Mapping[str, Any]) -> None:
        if not self._begun:
            make_folder(self._folder)
            self._file.unlink(missing_ok=True)
            write_text(self._settings_file, json.dumps(self._settings, indent=2, sort_keys=True) + "\n")
            self._begun = True
        append_line(self._file, json.dumps(line, ensure_ascii=False))

    def remove(self) -> None:
        """Remove the notes, at the end of a run whose annotations are no longer those that they are about."""
        shutil.rmtree(self._folder, ignore_errors=True)


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of the content of a file."""
    return hashlib.sha256(content).hexdigest()
