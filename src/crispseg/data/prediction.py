"""What a segmentation network said of an image: a label map or scores, from a file."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Self, cast

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from crispseg.data.arrays import loaded
from crispseg.data.files import check_readable
from crispseg.data.kinds import check_kind
from crispseg.data.labels import LABEL_SUFFIXES, default_palette, read_labels
from crispseg.data.soft_masks import as_probability, is_soft
from crispseg.errors import InputError, naming
from crispseg.scores import MULTILABEL, PROBABILITIES, SCORES, Scores
from crispseg.writing import write_tensors, written_whole

ScoreKind = Scores
"""What scores in a file are."""

SCORE_SUFFIXES = (".npy", ".npz", ".safetensors")
PREDICTION_SUFFIXES = SCORE_SUFFIXES + LABEL_SUFFIXES

TOLERANCE = 1e-3
"""How far a probability may lie outside [0, 1]: averages round."""

_MOST_LABELS = 1024


@dataclass(frozen=True)
class Prediction:
    """What was said of an image at any resolution, scores or a label map, and what its channels mean."""

    given: Tensor
    """(C, h, w) float32 scores, or an (h, w) int64 label map."""
    kind: ScoreKind
    """What the scores are."""
    classes: tuple[int, ...]
    """Label of each channel; before them that of the background, where channels stand for themselves."""
    palette: tuple[int, ...] | None = None
    """Colours of the label map it came from."""

    @classmethod
    def of_labels(cls, labels: Tensor, palette: tuple[int, ...] | None = None) -> Self:
        """A label map, which stands for probabilities 0 and 1, a channel for each of its labels.

        Args:
            labels: (h, w) whole numbers.
            palette: Its colours.

        Example:
            >>> Prediction.of_labels(torch.tensor([[0, 7], [7, 7]])).classes
            (0, 7)
        """
        labels = labels.long()
        return cls(labels, "probabilities", tuple(torch.unique(labels).tolist()), palette)

    @property
    def from_scores(self) -> bool:
        """False for a label map."""
        return self.given.ndim != 2

    @cached_property
    def scores(self) -> Tensor:
        """(C, h, w) float32; of a label map probabilities 0 and 1, a channel for each of its labels.

        Raises:
            InputError: If a label map holds more than 1024 labels.
        """
        if self.from_scores:
            return self.given
        if len(self.classes) > _MOST_LABELS:
            raise InputError(
                f"holds {len(self.classes)} labels, and scores, a CRF, tiles and the page need a channel for each; "
                f"expected at most {_MOST_LABELS}: `crispseg sharpen` without them takes any number"
            )
        channel = torch.searchsorted(torch.tensor(self.classes, device=self.given.device), self.given)
        empty = torch.zeros(len(self.classes), *self.given.shape, device=self.given.device)
        return empty.scatter_(0, channel[None], 1)

    @property
    def written_palette(self) -> tuple[int, ...] | None:
        """Colours for a label map that is written of it: its own; a default for scores; None for greyscale."""
        if self.palette is None and self.from_scores and max(self.classes) < 256:
            return default_palette()
        return self.palette

    def labels(self, scores: Tensor) -> Tensor:
        """The most likely label of every pixel, for (C, H, W) scores of these channels, as (H, W) int64.

        Where channels stand for themselves, as a single one and those of "multilabel" do, it is the background, label
        0, unless one is likelier than not: channel c is label c + 1, and of several it is the likeliest.
        """
        # As argmax says, whose kernel for CPUs takes four times as long.
        likely, channel = scores.max(0)
        if len(self.classes) == scores.shape[0] + 1:
            channel = torch.where(likely > (0.5 if self.kind in PROBABILITIES else 0), channel + 1, 0)
        return torch.tensor(self.classes, device=scores.device)[channel]

    @property
    def as_probabilities(self) -> Self:
        """What says of probabilities of these channels what they are; the scores stay as they are."""
        return replace(self, kind="multilabel_probabilities" if self.kind in MULTILABEL else "probabilities")


def read_prediction(path: Path, kind: ScoreKind = "logits") -> Prediction:
    """Read a prediction.

    Args:
        path: A label map (indexed or greyscale image), or scores of shape (C, h, w):

            - `.npy`: one floating-point array;
            - `.npz`: one floating-point array by any name, or the quantised log-probabilities of this project: a uint8
              array `q` with log p = (q - 100) / 10;
            - `.safetensors`: one floating-point tensor by any name.
        kind: What floating-point scores are. Label maps are probabilities 0 and 1, quantised ones logits, and what
            `write_scores` wrote says what it is. With "probabilities" a greyscale mask with soft edges, or of black and
            white alone, is the probability of label 1, white being 1.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or scores are not finite, not of that shape,
            or said to be probabilities and not between 0 and 1.
    """
    check_readable(path, "prediction")
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _from_labels(path, kind)
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
    if suffix == ".safetensors":
        metadata = {"kind": prediction.kind, "classes": " ".join(map(str, prediction.classes))}
        write_tensors(path, {"scores": scores}, metadata)
        return
    with written_whole(path) as temporary:
        if suffix == ".npz":
            np.savez(temporary, scores=scores.numpy())
        else:
            np.save(temporary, scores.numpy())


def _from_labels(path: Path, kind: ScoreKind) -> Prediction:
    label_map = read_labels(path)
    if label_map.palette is None:
        probability = as_probability(label_map.labels) if kind == "probabilities" else None
        if probability is not None:
            return Prediction(probability, "probabilities", classes_of(1, "probabilities"))
        if is_soft(label_map.labels):
            raise InputError(
                f"prediction {path}: {len(torch.unique(label_map.labels))} greys that form ramps, as of a soft mask or "
                "a photograph, and no labels; say scores 'probabilities' where white is a probability of 1"
            )
    return Prediction.of_labels(label_map.labels, label_map.palette)


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
    if metadata.get("kind") in SCORES:
        kind = cast(ScoreKind, metadata["kind"])
    scores = _check_scores(tensor.float(), kind, path)
    classes = tuple(int(label) for label in metadata.get("classes", "").split() if label.isdecimal())
    counted = classes_of(len(scores), kind)
    return Prediction(scores, kind, classes if len(classes) in (len(scores), len(counted)) else counted)


def _from_numpy(path: Path, kind: ScoreKind) -> Prediction:
    array = _load_numpy(path)
    if array.dtype == np.uint8:
        kind, scores = "logits", (torch.from_numpy(array).float() - 100) / 10
    elif np.issubdtype(array.dtype, np.floating):
        scores = _narrowed(array, path)
    else:
        raise InputError(
            f"prediction {path}: its numbers are {array.dtype}; expected floating-point scores (a label map of whole "
            "numbers is given as PNG)"
        )
    scores = _check_scores(scores, kind, path)
    return Prediction(scores, kind, classes_of(len(scores), kind))


def _narrowed(array: np.ndarray, path: Path) -> Tensor:
    """Float32, which holds whatever is finite."""
    with np.errstate(over="ignore", invalid="ignore"):
        narrow = array.astype(np.float32)
    beyond = np.isfinite(array) & ~np.isfinite(narrow)
    if beyond.any():
        raise InputError(
            f"prediction {path}: scores as large as {np.abs(array[beyond]).max():.4g}; expected numbers that float32 "
            "holds, up to 3.4e38"
        )
    return torch.from_numpy(narrow)


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


def classes_of(channels: int, kind: ScoreKind) -> tuple[int, ...]:
    """Classes 0, 1, …: one for each channel, and the background before those that stand for themselves."""
    return tuple(range(channels + (kind in MULTILABEL or channels == 1)))


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
    if kind in PROBABILITIES and not (scores.min() >= -TOLERANCE and scores.max() <= 1 + TOLERANCE):
        raise InputError(
            f"prediction {path}: said to be probabilities but runs from {scores.min():.4g} to {scores.max():.4g}; "
            "say that they are logits, or apply a softmax"
        )
    with naming(path):
        check_kind(scores, kind)
    return scores
