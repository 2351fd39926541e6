"""The output files of every image."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from crispseg.data import Prediction, write_labels, write_scores
from crispseg.errors import InputError, OutputError
from crispseg.inference.one_image import Sharpened
from crispseg.jobs.job import Job
from crispseg.pictures.before_after import before_after
from crispseg.writing import check_folder, refuse_inputs, written_whole

_FILE_SUFFIXES = (".png", ".jpg", ".jpeg", ".npy", ".safetensors", ".tif", ".tiff")
"""Endings by which a file was meant, not a folder."""


@dataclass(frozen=True)
class Outputs:
    """The outputs of an image NAME: `NAME.png` and optionally `before_after/NAME.png` and `scores/NAME.safetensors`.

    NAME may contain folders, which are created when the outputs are written.
    """

    folder: Path
    pictures: bool = True
    scores: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "folder", Path(self.folder))

    def files(self, name: str) -> dict[str, Path]:
        """Return the output files of an image, by kind."""
        found = {"labels": self.folder / f"{name}.png"}
        if self.pictures:
            found["picture"] = self.folder / "before_after" / f"{name}.png"
        if self.scores:
            found["scores"] = self.folder / "scores" / f"{name}.safetensors"
        return found

    def check(self, jobs: Sequence[Job], *, written: Iterable[Path] = (), read: Iterable[Path | None] = ()) -> None:
        """Refuse outputs that cannot or must not be written, before anything is written.

        Args:
            jobs: All jobs.
            written: Other files that will be written.
            read: Other files that are read.

        Raises:
            InputError: If an input would be overwritten, two outputs would be the same file, or the folder has the
                ending of a file.
            OutputError: If the folder cannot be created or written to.
        """
        targets: dict[Path, Job] = {}
        for job in jobs:
            for path in self.files(job.name).values():
                if (other := targets.setdefault(path, job)) is not job:
                    raise InputError(
                        f"output {path}: would be written for both {other.image} and {job.image}; rename one of them "
                        "or its folder, or leave one out"
                    )
        if self.folder.suffix.lower() in _FILE_SUFFIXES and not self.folder.exists():
            raise InputError(
                f"output {self.folder}: has the ending of a file; expected a folder, to which each image adds files: "
                f"--output {self.folder.with_suffix('')}"
            )
        refuse_inputs([*targets, *written], [*(path for job in jobs for path in job.files), *read])
        check_folder(self.folder)

    def write(self, name: str, image: Tensor, prediction: Prediction, result: Sharpened) -> Path:
        """Write the outputs of a (3, H, W) image, and return the path of its label map.

        Raises:
            OutputError: If a file cannot be written.
        """
        if not self.folder.is_dir():
            raise OutputError(
                f"output folder {self.folder}: was removed during the run, with the outputs in it; start the run again"
            )
        files = self.files(name)
        palette = prediction.written_palette
        write_labels(files["labels"], result.after, palette)
        if self.pictures:
            picture = before_after(image, result.before, result.after, palette)
            with written_whole(files["picture"]) as temporary:
                # Stronger compression takes three times as long and saves a ninth of a photograph's size.
                picture.save(temporary, format="PNG", compress_level=1)
        if self.scores and result.scores is not None:
            write_scores(files["scores"], result.scores, prediction)
        return files["labels"]
