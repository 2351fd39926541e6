"""What is written for every image, and where."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from crispseg.data import Prediction, write_labels, write_scores
from crispseg.errors import InputError
from crispseg.inference.one_image import Sharpened
from crispseg.inference.picture import before_after
from crispseg.jobs.job import Job
from crispseg.writing import make_folder, written_whole


@dataclass(frozen=True)
class Outputs:
    """For an image NAME `NAME.png` and, where wanted, `before_after/NAME.png` and `scores/NAME.safetensors`."""

    folder: Path
    pictures: bool = True
    scores: bool = False

    def files(self, name: str) -> dict[str, Path]:
        """What is written for an image, by kind."""
        found = {"labels": self.folder / f"{name}.png"}
        if self.pictures:
            found["picture"] = self.folder / "before_after" / f"{name}.png"
        if self.scores:
            found["scores"] = self.folder / "scores" / f"{name}.safetensors"
        return found

    @property
    def folders(self) -> list[Path]:
        """The folders that files are written to."""
        return [path.parent for path in self.files("any").values()]

    def prepare(self, jobs: Sequence[Job]) -> None:
        """Make the folders.

        Raises:
            InputError: If something would be written over what is read.
            OutputError: If a folder cannot be made or written to.
        """
        _refuse_inputs(jobs, [path for job in jobs for path in self.files(job.name).values() if path.exists()])
        for folder in self.folders:
            make_folder(folder)

    def write(self, name: str, image: Tensor, prediction: Prediction, result: Sharpened) -> Path:
        """Write what was made of a (3, H, W) image, and give the path of its label map.

        Raises:
            OutputError: If a file cannot be written.
        """
        files = self.files(name)
        palette = prediction.written_palette
        write_labels(files["labels"], result.after, palette)
        if self.pictures:
            picture = before_after(image, result.before, result.after, palette)
            with written_whole(files["picture"]) as temporary:
                # Harder compression takes three times as long for a ninth less of a photograph.
                picture.save(temporary, format="PNG", compress_level=1)
        if self.scores and result.scores is not None:
            write_scores(files["scores"], result.scores, prediction)
        return files["labels"]


def _refuse_inputs(jobs: Sequence[Job], targets: Sequence[Path]) -> None:
    """Refuse targets that are what is read, by that name or another."""
    there = {_identity(path): path for path in targets}
    for path in (path for job in jobs for path in job if there and path is not None):
        with suppress(FileNotFoundError, PermissionError):  # said of it when it is read
            if _identity(path) in there:
                target = there[_identity(path)]
                raise InputError(f"output {target}: is one of the files to read; choose another output folder")


def _identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino
