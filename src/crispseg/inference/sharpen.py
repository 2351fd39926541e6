"""Sharpen the predictions of images in files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.progress import Progress
from torch import Tensor

from crispseg.data import Prediction, ScoreKind, read_image, read_prediction, write_labels, write_scores
from crispseg.data.boundary import BOUNDARY_SUFFIXES
from crispseg.data.files import expand_images, pair_files
from crispseg.data.labels import default_palette
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.errors import InputError
from crispseg.inference.crf import DenseCRF
from crispseg.inference.one_image import Sharpened, fitted_boundary, naming, sharpen_one
from crispseg.inference.picture import before_after
from crispseg.inference.sharpener import Sharpener
from crispseg.writing import make_folder, written_whole


@dataclass(frozen=True)
class Written:
    """What `sharpen` wrote for one image."""

    image: Path
    labels: Path
    changed: float
    """Share of the pixels whose label changed."""
    seconds: float


class _Files(NamedTuple):
    image: Path
    prediction: Path
    boundary: Path | None


def sharpen(
    images: Sequence[Path],
    prediction: Path,
    output: Path,
    sharpener: Sharpener | None,
    *,
    boundaries: Path | None = None,
    crf: DenseCRF | None = None,
    scores: ScoreKind = "logits",
    save_scores: bool = False,
    progress: Progress | None = None,
) -> Iterator[Written]:
    """Sharpen the predictions of images and write label maps and pictures.

    For an image NAME there will be `NAME.png`, `before_after/NAME.png` and, if asked, `scores/NAME.safetensors`.

    Args:
        images: Image files or folders of them.
        prediction: The prediction of the one image, or a folder with a file of the same name for each.
        output: Folder to write to; made when missing.
        sharpener: Does the work, on the device where its weights are; None leaves the scores as they are.
        boundaries: For a contour cue: the boundary map of the one image, or a folder with one for each.
        crf: Takes the sharpened scores; None for no CRF.
        scores: What floating-point scores in the files are.
        save_scores: Write the sharpened scores too.
        progress: Shows how far it is.

    Yields:
        What was written, after each image.

    Raises:
        InputError: If anything that was given cannot be read, does not fit together, or cannot be written. What is
            written before that is complete.
    """
    jobs = _match(expand_images(images), prediction, boundaries)
    _check_outputs(jobs, output)
    make_folder(output)
    make_folder(output / "before_after")
    if save_scores:
        make_folder(output / "scores")
    for job in progress.track(jobs, description="sharpening") if progress else jobs:
        name = job.image.stem
        image, said = read_image(job.image), read_prediction(job.prediction, scores)
        boundary = fitted_boundary(job.boundary, image)
        with naming(job.prediction):
            result = sharpen_one(sharpener, image, said, boundary, crf=crf)
        labels = _write(output, name, image, said, result)
        if save_scores:
            write_scores(output / "scores" / f"{name}.safetensors", result.scores, said)
        changed = float((result.before != result.after).double().mean())
        yield Written(job.image, labels, changed, result.seconds)


def _match(images: list[Path], prediction: Path, boundaries: Path | None) -> list[_Files]:
    """The files of every image."""
    predictions = pair_files(images, prediction, PREDICTION_SUFFIXES, "prediction")
    maps: Sequence[Path | None] = [None] * len(images)
    if boundaries is not None:
        maps = pair_files(images, boundaries, BOUNDARY_SUFFIXES, "boundary map")
    return [_Files(*paths) for paths in zip(images, predictions, maps, strict=True)]


def _check_outputs(jobs: list[_Files], output: Path) -> None:
    """Refuse to write over what is read."""
    read = {path.resolve() for job in jobs for path in job if path is not None}
    for stem in (job.image.stem for job in jobs):
        names = (f"{stem}.png", f"before_after/{stem}.png", f"scores/{stem}.safetensors")
        for target in (output / name for name in names):
            if target.resolve() in read:
                raise InputError(f"output {target}: is one of the files to read; choose another output folder")


def _write(output: Path, name: str, image: Tensor, prediction: Prediction, result: Sharpened) -> Path:
    labels = output / f"{name}.png"
    palette = prediction.palette
    if palette is None and prediction.from_scores and max(prediction.classes) < 256:
        palette = default_palette()
    write_labels(labels, result.after, palette)
    with written_whole(output / "before_after" / f"{name}.png") as temporary:
        before_after(image, result.before, result.after, palette).save(temporary, format="PNG")
    return labels
