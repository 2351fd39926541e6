"""Sharpen the predictions of images in files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.progress import Progress
from torch import Tensor

from crispseg.data import Prediction, ScoreKind, read_image, read_prediction, write_labels, write_scores
from crispseg.data.files import expand_images, match_files
from crispseg.data.labels import default_palette
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.errors import InputError
from crispseg.inference.one_image import Sharpened, naming, sharpen_one
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


def sharpen(
    images: Sequence[Path],
    prediction: Path,
    output: Path,
    sharpener: Sharpener,
    *,
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
        sharpener: Does the work, on the device where its weights are.
        scores: What floating-point scores in the files are.
        save_scores: Write the sharpened scores too.
        progress: Shows how far it is.

    Yields:
        What was written, after each image.

    Raises:
        InputError: If anything that was given cannot be read, does not fit together, or cannot be written. What is
            written before that is complete.
    """
    pairs = _pair(expand_images(images), prediction)
    _check_outputs(pairs, output)
    make_folder(output)
    make_folder(output / "before_after")
    if save_scores:
        make_folder(output / "scores")
    for image_file, prediction_file in progress.track(pairs, description="sharpening") if progress else pairs:
        name = image_file.stem
        image, said = read_image(image_file), read_prediction(prediction_file, scores)
        with naming(prediction_file):
            result = sharpen_one(sharpener, image, said)
        labels = _write(output, name, image, said, result)
        if save_scores:
            write_scores(output / "scores" / f"{name}.safetensors", result.scores, said)
        changed = float((result.before != result.after).double().mean())
        yield Written(image_file, labels, changed, result.seconds)


def _pair(images: list[Path], prediction: Path) -> list[tuple[Path, Path]]:
    if prediction.is_dir():
        return list(zip(images, match_files(images, prediction, PREDICTION_SUFFIXES, "prediction"), strict=True))
    if not prediction.is_file():
        raise InputError(f"prediction {prediction}: no such file or folder; check the path")
    if len(images) != 1:
        raise InputError(f"{len(images)} images but one prediction file {prediction}; expected a folder of predictions")
    return [(images[0], prediction)]


def _check_outputs(pairs: list[tuple[Path, Path]], output: Path) -> None:
    """Refuse to write over what is read."""
    read = {path.resolve() for pair in pairs for path in pair}
    for image, _ in pairs:
        names = (f"{image.stem}.png", f"before_after/{image.stem}.png", f"scores/{image.stem}.safetensors")
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
