"""What a segmentation network said of an image: a label map or scores, from a file."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, cast

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

from crispseg.data.arrays import loaded
from crispseg.data.files import check_readable
from crispseg.data.labels import LABEL_SUFFIXES, default_palette, read_labels
from crispseg.errors import InputError
from crispseg.reading import parsed, read_safetensors
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


def read_prediction(path: Path, kind: ScoreKind = "logits") -> Prediction:
    """Read a prediction.

    Args:
        path: A label map (indexed or greyscale image), or scores of shape (C, h, w):

            - `.npy`: one floating-point array;
            - `.npz`: one floating-point array by any name, or the quantised log-probabilities of this project: a uint8
              array `q` with log p = (q - 100) / 10;
            - `.safetensors`: one floating-point tensor by any name.
        kind: What floating-point scores are. Label maps are probabilities 0 and 1, quantised ones logits, and what
            `write_scores` wrote says what it is.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or scores are not finite, not of that shape,
            or said to be probabilities and not between 0 and 1.
    """
    check_readable(path, "prediction")
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _from_labels(path)
    if suffix == ".safetensors":
        return _from_safetensors(path, kind)
    if suffix in SCORE_SUFFIXES:
        return _from_numpy(path, kind)
    raise InputError(f"prediction {path}: unknown ending; expected one of {', '.join(PREDICTION_SUFFIXES)}")


def write_scores(path: Path, scores: Tensor, prediction: Prediction) -> None:
    """Write (C, H, W) scores of a prediction, whole or not at all.

    Args:
        path: Ends in `.safetensors`, which keeps kind and classes, or in `.npy` or `.npz`, which hold numbers alone.
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
            metadata = {"kind": prediction.kind, "classes": " ".join(map(str, prediction.classes))}
            save_file({"scores": scores.contiguous()}, temporary, metadata=metadata)
        elif suffix == ".npz":
            np.savez(temporary, scores=scores.numpy())
        else:
            np.save(temporary, scores.numpy())


def _from_labels(path: Path) -> Prediction:
    label_map = read_labels(path)
    try:
        return Prediction.of_labels(label_map.labels, label_map.palette)
    except InputError as error:
        raise InputError(f"prediction {path}: {error}") from error


def _from_safetensors(path: Path, kind: ScoreKind) -> Prediction:
    tensors, metadata = read_safetensors(path, "prediction", "write it anew")
    if len(tensors) != 1:
        raise InputError(f"prediction {path}: holds tensors {sorted(tensors)}; expected exactly one")
    [tensor] = tensors.values()
    if not tensor.is_floating_point():
        raise InputError(f"prediction {path}: its numbers are {tensor.dtype}; expected floating-point scores")
    with parsed(path, "prediction", f"its numbers are {tensor.dtype}; expected float32, or 16 or 64 bits"):
        tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    if metadata.get("kind") in ("logits", "probabilities"):
        kind = cast(ScoreKind, metadata["kind"])
    scores = _check_scores(tensor, kind, path)
    return Prediction(scores, kind, _classes_said(metadata, scores, path))


def _classes_said(metadata: Mapping[str, str], scores: Tensor, path: Path) -> tuple[int, ...]:
    """The classes that a file says its channels are, or those that are counted where it says none."""
    counted = _count(scores)
    said = metadata.get("classes", "").split()
    if not said or (len(said) != len(counted) and "kind" not in metadata):
        return counted
    labels = [int(label) for label in said if label.isdecimal() and len(label) <= 5]
    if len(said) != len(counted) or len(set(labels)) < len(said) or max(labels) > 65535:
        raise InputError(
            f"prediction {path}: says that its classes are {' '.join(said)[:80]!r}; expected {len(counted)} different "
            "numbers from 0 to 65535: write the file anew, without `classes` in its metadata where they count from 0"
        )
    return tuple(labels)


def _from_numpy(path: Path, kind: ScoreKind) -> Prediction:
    array = _load_numpy(path)
    if array.dtype == np.uint8:
        kind, scores = "logits", (torch.from_numpy(array).float() - 100) / 10
    elif np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # said below
            scores = torch.from_numpy(array.astype(np.float64 if array.dtype.itemsize > 4 else np.float32))
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
    given, scores = scores, scores.float()
    bad = int((~torch.isfinite(scores)).sum())
    if bad and torch.isfinite(given.double()).all():
        raise InputError(
            f"prediction {path}: {bad} of {scores.numel()} scores are beyond what float32 holds, up to "
            f"{given.double().abs().max():.3g}; expected scores below 3e38: look for what broke in the network"
        )
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
