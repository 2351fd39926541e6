"""What a segmentation network said of an image: a label map or scores, from a file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from crispseg.data.arrays import loaded
from crispseg.data.files import check_readable
from crispseg.data.labels import LABEL_SUFFIXES, default_palette, read_labels
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.writing import written_whole

ScoreKind = Literal["logits", "probabilities"]
"""What scores in a file are."""

SCORE_SUFFIXES = (".npy", ".npz", ".safetensors")
PREDICTION_SUFFIXES = SCORE_SUFFIXES + LABEL_SUFFIXES

TOLERANCE = 1e-3
"""How far a probability may lie outside [0, 1]: averages round."""

_MOST_LABELS = 1024


@dataclass(frozen=True)
class Prediction:
    """Scores of an image at any resolution, and what their channels mean."""

    scores: Tensor
    """(C, h, w) float32."""
    kind: ScoreKind
    """Whether the scores are logits or probabilities."""
    classes: tuple[int, ...]
    """Label of each channel."""
    palette: tuple[int, ...] | None = None
    """Colours of the label map it came from."""
    from_scores: bool = True
    """False for a label map."""
    grid: Grid | None = None
    """How the scores lie on the image; None where that was not said."""

    @classmethod
    def of_labels(cls, labels: Tensor, palette: tuple[int, ...] | None = None) -> Self:
        """A label map as probabilities 0 and 1, a channel for each of its labels.

        Args:
            labels: (h, w) whole numbers.
            palette: Its colours.

        Raises:
            InputError: If there are more than 1024 different numbers.

        Example:
            >>> Prediction.of_labels(torch.tensor([[0, 7], [7, 7]])).classes
            (0, 7)
        """
        classes, channel = torch.unique(labels, return_inverse=True)
        if len(classes) > _MOST_LABELS:
            raise InputError(
                f"holds {len(classes)} different numbers; expected a label map of at most {_MOST_LABELS} classes, not "
                "a depth map or a photograph"
            )
        scores = torch.zeros(len(classes), *channel.shape, device=labels.device).scatter_(0, channel[None], 1)
        return cls(scores, "probabilities", tuple(classes.tolist()), palette, from_scores=False)

    @property
    def written_palette(self) -> tuple[int, ...] | None:
        """Colours for a label map that is written of it: its own; a default for scores; None for greyscale."""
        if self.palette is None and self.from_scores and max(self.classes) < 256:
            return default_palette()
        return self.palette

    def labels(self, scores: Tensor) -> Tensor:
        """The most likely label of every pixel, for (C, H, W) scores of these channels, as (H, W) int64.

        A single channel is one class against background: label 1 where it is the likelier.
        """
        if scores.shape[0] == 1 and len(self.classes) > 1:
            return (scores[0] > (0 if self.kind == "logits" else 0.5)).long()
        # As argmax says, whose kernel for CPUs takes four times as long.
        return torch.tensor(self.classes, device=scores.device)[scores.max(0).indices]


def read_prediction(path: Path, kind: ScoreKind = "logits", grid: Grid | str | None = None) -> Prediction:
    """Read a prediction.

    Args:
        path: A label map (indexed or greyscale image), or scores of shape (C, h, w):

            - `.npy`: one floating-point array;
            - `.npz`: one floating-point array by any name, or the quantised log-probabilities of this project: a uint8
              array `q` with log p = (q - 100) / 10;
            - `.safetensors`: one floating-point tensor by any name.
        kind: What floating-point scores are. Label maps are probabilities 0 and 1, quantised ones logits, and what
            `write_scores` wrote says what it is.
        grid: How scores or labels lie on the image, a `crispseg.Grid` or its text such as "corners"; what
            `write_scores` wrote is of its size. None where that is not said.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or scores are not finite, not of that shape,
            or said to be probabilities and not between 0 and 1.
    """
    said = None if grid is None else Grid.of(grid)
    check_readable(path, "prediction")
    prediction = _reader(path)(path, kind)
    return prediction if prediction.grid is not None else replace(prediction, grid=said)


def _reader(path: Path) -> Callable[[Path, ScoreKind], Prediction]:
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _from_labels
    if suffix == ".safetensors":
        return _from_safetensors
    if suffix in SCORE_SUFFIXES:
        return _from_numpy
    raise InputError(f"prediction {path}: unknown ending; expected one of {', '.join(PREDICTION_SUFFIXES)}")


def write_scores(path: Path, scores: Tensor, prediction: Prediction) -> None:
    """Write (C, H, W) scores of a prediction, of the size of their image, whole or not at all.

    Args:
        path: Ends in `.safetensors`, which keeps kind, classes and that they lie on its pixels, or in `.npy` or
            `.npz`, which hold numbers alone.
        scores: Of the kind and classes of the prediction.
        prediction: Says what they are.

    Raises:
        InputError: If the ending is another, or the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in SCORE_SUFFIXES:
        raise InputError(f"scores {path}: unknown ending; expected one of {', '.join(SCORE_SUFFIXES)}")
    with written_whole(path) as temporary:
        if suffix == ".safetensors":
            classes = " ".join(map(str, prediction.classes))
            metadata = {"kind": prediction.kind, "classes": classes, "grid": str(CENTRES)}
            save_file({"scores": scores.contiguous()}, temporary, metadata=metadata)
        elif suffix == ".npz":
            np.savez(temporary, scores=scores.numpy())
        else:
            np.save(temporary, scores.numpy())


def _from_labels(path: Path, _: ScoreKind) -> Prediction:
    label_map = read_labels(path)
    try:
        return Prediction.of_labels(label_map.labels, label_map.palette)
    except InputError as error:
        raise InputError(f"prediction {path}: {error}") from error


def _from_safetensors(path: Path, kind: ScoreKind) -> Prediction:
    try:
        with safe_open(path, framework="pt") as file:
            names, metadata = list(file.keys()), file.metadata() or {}
            if len(names) != 1:
                raise InputError(f"prediction {path}: holds tensors {sorted(names)}; expected exactly one")
            tensor = file.get_tensor(names[0])
    except (SafetensorError, OSError) as error:
        raise InputError(f"prediction {path}: not a safetensors file ({error})") from error
    if not tensor.is_floating_point():
        raise InputError(f"prediction {path}: its numbers are {tensor.dtype}; expected floating-point scores")
    if metadata.get("kind") in ("logits", "probabilities"):
        kind = cast(ScoreKind, metadata["kind"])
    scores = _check_scores(tensor.float(), kind, path)
    classes = tuple(int(label) for label in metadata.get("classes", "").split() if label.isdecimal())
    classes = classes if len(classes) == len(scores) else _count(scores)
    return Prediction(scores, kind, classes, grid=CENTRES if metadata.get("grid") == str(CENTRES) else None)


def _from_numpy(path: Path, kind: ScoreKind) -> Prediction:
    array = _load_numpy(path)
    if array.dtype == np.uint8:
        kind, scores = "logits", (torch.from_numpy(array).float() - 100) / 10
    elif np.issubdtype(array.dtype, np.floating):
        scores = torch.from_numpy(array.astype(np.float32))
    else:
        raise InputError(
            f"prediction {path}: its numbers are {array.dtype}; expected floating-point scores (a label map of whole "
            "numbers is given as PNG)"
        )
    scores = _check_scores(scores, kind, path)
    return Prediction(scores, kind, _count(scores))


def _load_numpy(path: Path) -> np.ndarray:
    """The one array of a file; of type uint8 only if it is the quantised kind."""
    with loaded(path, "prediction") as content:
        if isinstance(content, np.ndarray):
            array, quantised = content, False
        elif "q" in content.files:
            array, quantised = content["q"], True
        elif len(content.files) == 1:
            array, quantised = content[content.files[0]], False
        else:
            raise InputError(f"prediction {path}: holds arrays {content.files}; expected exactly one")
        if not isinstance(array, np.ndarray):
            raise InputError(f"prediction {path}: holds something that is no array; expected exactly one array")
    return array if quantised or array.dtype != np.uint8 else array.astype(np.int64)


def _count(scores: Tensor) -> tuple[int, ...]:
    """Classes 0, 1, …: one for each channel, and two for a single one."""
    return tuple(range(max(len(scores), 2)))


def _check_scores(scores: Tensor, kind: ScoreKind, path: Path) -> Tensor:
    if scores.ndim == 4 and scores.shape[0] == 1:
        scores = scores[0]
    if scores.ndim != 3 or 0 in scores.shape:
        raise InputError(
            f"prediction {path}: shape {tuple(scores.shape)}; expected (classes, height, width), (1, height, width) "
            "for one class against background; a label map is given as PNG"
        )
    bad = int((~torch.isfinite(scores)).sum())
    if bad:
        raise InputError(
            f"prediction {path}: {bad} of {scores.numel()} scores are NaN or infinite; expected "
            "finite numbers: look for what broke in the network that gave them"
        )
    if kind == "probabilities" and not (scores.min() >= -TOLERANCE and scores.max() <= 1 + TOLERANCE):
        raise InputError(
            f"prediction {path}: said to be probabilities but runs from {scores.min():.4g} to {scores.max():.4g}; "
            "say that they are logits, or apply a softmax"
        )
    return scores
