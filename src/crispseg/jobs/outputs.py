"""What is written for every image, and where."""

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


@dataclass(frozen=True)
class Outputs:
    """For an image NAME `NAME.png` and, where wanted, `before_after/NAME.png` and `scores/NAME.safetensors`.

    A name may have folders in it, which are made where the outputs are written.
    """

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

    def check(self, jobs: Sequence[Job], *, written: Iterable[Path] = (), read: Iterable[Path | None] = ()) -> None:
        """Refuse, before anything is written, what cannot be or must not be.

        Args:
            jobs: All that there are.
            written: What will be written beside their outputs.
            read: What is read beside their files.

        Raises:
            InputError: If something would be written over what is read, or two outputs would be one file.
            OutputError: If the folder cannot be made or written to.
        """
        targets: dict[Path, Job] = {}
        for job in jobs:
            for path in self.files(job.name).values():
                if (other := targets.setdefault(path, job)) is not job:
                    raise InputError(
                        f"output {path}: would be written for {other.image} and for {job.image}; give their folder "
                        "another name, or leave out what lies in it"
                    )
        refuse_inputs([*targets, *written], [*(path for job in jobs for path in job.files), *read])
        check_folder(self.folder)

    def write(self, name: str, image: Tensor, prediction: Prediction, result: Sharpened) -> Path:
        """Write what was made of a (3, H, W) image, and give the path of its label map.

        Raises:
            OutputError: If a file cannot be written.
        """
        if not self.folder.is_dir():
            raise OutputError(f"output folder {self.folder}: is there no more; what had been written is lost with it")
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
