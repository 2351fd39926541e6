"""What a segmentation network said of an image: a label map or scores, from a file."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from crispseg.data.labels import LABEL_SUFFIXES, read_labels
from crispseg.errors import InputError
from crispseg.writing import written_whole

ScoreKind = Literal["logits", "probabilities"]

SCORE_SUFFIXES = (".npy", ".npz", ".safetensors")
PREDICTION_SUFFIXES = SCORE_SUFFIXES + LABEL_SUFFIXES


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

    def labels(self, scores: Tensor) -> Tensor:
        """The most likely label of every pixel, for (C, H, W) scores of these channels, as (H, W) int64.

        A single channel is one class against background: label 1 where it is the likelier.
        """
        if scores.shape[0] == 1 and len(self.classes) > 1:
            return (scores[0] > (0 if self.kind == "logits" else 0.5)).long()
        return torch.tensor(self.classes)[scores.argmax(0)]


def read_prediction(path: Path, kind: ScoreKind = "logits") -> Prediction:
    """Read a prediction.

    Args:
        path: A label map (indexed or greyscale image), or scores of shape (C, h, w) or (h, w):

            - `.npy`: one floating-point array;
            - `.npz`: one floating-point array by any name, or the quantised log-probabilities of this project: a uint8
              array `q` with log p = (q - 100) / 10;
            - `.safetensors`: one floating-point tensor by any name.
        kind: What floating-point scores are. Label maps become probabilities 0 and 1; quantised ones are logits.

    Raises:
        InputError: If the file is missing, damaged or of another kind, or scores are not finite, not of that shape,
            or said to be probabilities and not between 0 and 1.
    """
    if not path.is_file():
        raise InputError(f"prediction {path}: no such file")
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _from_labels(path)
    if suffix not in SCORE_SUFFIXES:
        raise InputError(f"prediction {path}: unknown ending; expected one of {', '.join(PREDICTION_SUFFIXES)}")
    array = _load_safetensors(path) if suffix == ".safetensors" else _load_numpy(path)
    if isinstance(array, _Quantised):
        array, kind = array.logits(), "logits"
    scores = _check_scores(array, kind, path)
    count = scores.shape[0]
    return Prediction(scores, kind, tuple(range(max(count, 2))))


def write_scores(path: Path, scores: Tensor) -> None:
    """Write (C, H, W) scores as one tensor `scores` in a safetensors file, whole or not at all."""
    with written_whole(path) as temporary:
        save_file({"scores": scores.contiguous()}, temporary)


def _from_labels(path: Path) -> Prediction:
    label_map = read_labels(path)
    classes, channel = torch.unique(label_map.labels, return_inverse=True)
    scores = F.one_hot(channel, len(classes)).permute(2, 0, 1).float()
    return Prediction(scores, "probabilities", tuple(classes.tolist()), label_map.palette, from_scores=False)


@dataclass(frozen=True)
class _Quantised:
    q: np.ndarray

    def logits(self) -> Tensor:
        return (torch.from_numpy(self.q).float() - 100) / 10


def _load_numpy(path: Path) -> Tensor | _Quantised:
    try:
        with path.open("rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                return _floating(loaded, path)
            if "q" in loaded.files and loaded["q"].dtype == np.uint8:
                return _Quantised(loaded["q"])
            if len(loaded.files) != 1:
                raise InputError(f"prediction {path}: holds arrays {loaded.files}; expected exactly one")
            return _floating(loaded[loaded.files[0]], path)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(f"prediction {path}: damaged or truncated ({error}); write it again") from error
    except InputError:
        raise
    except ValueError as error:
        raise InputError(f"prediction {path}: not a plain array ({error}); save it with numpy.save") from error


def _floating(array: np.ndarray, path: Path) -> Tensor:
    if not np.issubdtype(array.dtype, np.floating):
        raise InputError(
            f"prediction {path}: its numbers are {array.dtype}; expected floating-point scores (a label map of whole "
            "numbers is given as PNG)"
        )
    return torch.from_numpy(array.astype(np.float32))


def _load_safetensors(path: Path) -> Tensor:
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise InputError(f"prediction {path}: not a safetensors file ({error})") from error
    if len(tensors) != 1:
        raise InputError(f"prediction {path}: holds tensors {sorted(tensors)}; expected exactly one")
    (tensor,) = tensors.values()
    if not tensor.is_floating_point():
        raise InputError(f"prediction {path}: its numbers are {tensor.dtype}; expected floating-point scores")
    return tensor.float()


def _check_scores(scores: Tensor, kind: ScoreKind, path: Path) -> Tensor:
    if scores.ndim == 4 and scores.shape[0] == 1:
        scores = scores[0]
    if scores.ndim == 2:
        scores = scores[None]
    if scores.ndim != 3 or 0 in scores.shape:
        raise InputError(f"prediction {path}: shape {tuple(scores.shape)}; expected (classes, height, width)")
    bad = int((~torch.isfinite(scores)).sum())
    if bad:
        raise InputError(f"prediction {path}: {bad} of {scores.numel()} scores are NaN or infinite; expected numbers")
    if kind == "probabilities" and not (scores.min() >= 0 and scores.max() <= 1):
        raise InputError(
            f"prediction {path}: said to be probabilities but runs from {scores.min():.4g} to {scores.max():.4g}; "
            "say that they are logits, or apply a softmax"
        )
    return scores
