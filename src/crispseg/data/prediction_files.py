"""Read and write predictions: label maps or scores."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor

from crispseg.checks import is_finite
from crispseg.data.arrays import array_names, read_array
from crispseg.data.files import check_readable
from crispseg.data.kinds import ask_about_masks, check_kind, not_finite
from crispseg.data.labels import LABEL_SUFFIXES, read_labels
from crispseg.data.numbering import HIGHEST_LABEL, label_number
from crispseg.data.prediction import TOLERANCE, Prediction, classes_of
from crispseg.data.soft_masks import as_probability, is_soft
from crispseg.data.whole_numbers import dequantised, label_array
from crispseg.errors import InputError, naming
from crispseg.grid import CENTRES, Grid
from crispseg.reading import parsed, read_safetensors
from crispseg.scores import PROBABILITIES, SCORES, Scores
from crispseg.writing import write_tensors, written_whole

SCORE_SUFFIXES = (".npy", ".npz", ".safetensors")
PREDICTION_SUFFIXES = SCORE_SUFFIXES + LABEL_SUFFIXES

_LOSSY = ": a JPEG changes the numbers of labels, so save them as PNG"
_PICKLED = ": such a file can run code, so save scores with numpy.save(path, scores.cpu().numpy())"
_REMEDIES = {".jpg": _LOSSY, ".jpeg": _LOSSY, ".pt": _PICKLED, ".pth": _PICKLED, ".pkl": _PICKLED}


def read_prediction(path: Path | str, kind: Scores | None = None, grid: Grid | str | None = None) -> Prediction:
    """Read a prediction.

    Args:
        path: A label map (indexed or greyscale image), or scores of shape (C, h, w):

            - `.npy`: one floating-point array; or a label map or mask, (h, w) whole numbers or truth values;
            - `.npz`: the same by any name; or a uint8 array `q` of quantised scores, with `scale` and `zero_point`
              beside it: a score is (q - zero_point) * scale. Without these two it is log p = (q - 100) / 10, and is
              read only if `kind` says "logits";
            - `.safetensors`: one floating-point tensor by any name.
        kind: Kind of floating-point scores; None means logits, unless they look like object masks. Label maps are
            probabilities 0 and 1, and files of `write_scores` record their kind. With "probabilities", a greyscale mask
            with soft edges, or of only black and white, is the probability of label 1, where white is 1.
        grid: How scores or labels lie on the image, a `crispseg.Grid` or its text such as "corners"; files of
            `write_scores` have the size of their image. None if it is not known.

    Raises:
        InputError: If the file is missing, damaged or of another kind; if scores are not finite or have another shape;
            if "probabilities" lie outside [0, 1]; or if no kind is given and scores look like object masks.
    """
    path, said = Path(path), None if grid is None else Grid.of(grid)
    check_readable(path, "prediction")
    prediction = _reader(path)(path, kind)
    return prediction if prediction.grid is not None else replace(prediction, grid=said)


def _reader(path: Path) -> Callable[[Path, Scores | None], Prediction]:
    suffix = path.suffix.lower()
    if suffix in LABEL_SUFFIXES:
        return _from_labels
    if suffix == ".safetensors":
        return _from_safetensors
    if suffix in SCORE_SUFFIXES:
        return _from_numpy
    remedy = _REMEDIES.get(suffix, "")
    raise InputError(f"prediction {path}: unknown ending; expected one of {', '.join(PREDICTION_SUFFIXES)}{remedy}")


def write_scores(path: Path | str, scores: Tensor, prediction: Prediction) -> None:
    """Write (C, H, W) scores of the size of their image, whole or not at all.

    Args:
        path: Ends in `.safetensors`, which records kind, classes and grid, or in `.npy` or `.npz`, which hold only the
            numbers.
        scores: Scores of the kind and classes of the prediction.
        prediction: Gives kind and classes.

    Raises:
        InputError: If the ending is unknown, or the file cannot be written.
    """
    suffix = (path := Path(path)).suffix.lower()
    if suffix not in SCORE_SUFFIXES:
        raise InputError(f"scores {path}: unknown ending; expected one of {', '.join(SCORE_SUFFIXES)}")
    if suffix == ".safetensors":
        classes = " ".join(map(str, prediction.classes))
        metadata = {"kind": prediction.kind, "classes": classes, "grid": str(CENTRES)}
        write_tensors(path, {"scores": scores}, metadata)
        return
    with written_whole(path) as temporary:
        if suffix == ".npz":
            np.savez(temporary, scores=scores.numpy())
        else:
            np.save(temporary, scores.numpy())


def _from_labels(path: Path, kind: Scores | None) -> Prediction:
    label_map = read_labels(path)
    return _of_numbers(label_map.labels, label_map.palette, kind, path)


def _of_numbers(labels: Tensor, palette: tuple[int, ...] | None, kind: Scores | None, path: Path) -> Prediction:
    """Return the prediction of (h, w) whole numbers: labels, or greys that are probabilities."""
    if palette is None:
        probability = as_probability(labels) if kind == "probabilities" else None
        if probability is not None:
            return Prediction(probability, "probabilities", classes_of(1, "probabilities"))
        if is_soft(labels):
            raise InputError(
                f"prediction {path}: its {len(torch.unique(labels))} greys form ramps, like a soft mask or a "
                "photograph; expected labels: if white is a probability of 1, pass scores='probabilities' "
                "(--scores probabilities)"
            )
    return Prediction.of_labels(labels, palette)


def _from_safetensors(path: Path, kind: Scores | None) -> Prediction:
    tensors, metadata = read_safetensors(path, "prediction", "write it anew")
    if len(tensors) != 1:
        raise InputError(f"prediction {path}: holds tensors {sorted(tensors)}; expected exactly one")
    [tensor] = tensors.values()
    if not tensor.is_floating_point():
        raise InputError(f"prediction {path}: its numbers are {tensor.dtype}; expected floating-point scores")
    with parsed(path, "prediction", f"its numbers are {tensor.dtype}; expected float32, or 16 or 64 bits"):
        tensor = tensor if tensor.dtype == torch.float64 else tensor.float()
    is_ours = metadata.get("kind") in SCORES
    if is_ours:
        kind = cast(Scores, metadata["kind"])
    scores, kind = _check_scores(tensor, kind, path, is_sure=is_ours)
    classes = _classes_said(metadata, classes_of(len(scores), kind), path)
    return Prediction(scores, kind, classes, grid=CENTRES if metadata.get("grid") == str(CENTRES) else None)


def _classes_said(metadata: Mapping[str, str], counted: tuple[int, ...], path: Path) -> tuple[int, ...]:
    """Return the classes that a file gives for its channels, or `counted` if it gives none."""
    said = metadata.get("classes", "").split()
    if not said or (len(said) != len(counted) and "kind" not in metadata):
        return counted
    labels = [label for label in map(label_number, said) if label is not None]
    if len(said) != len(counted) or len(set(labels)) < len(said):
        raise InputError(
            f"prediction {path}: its metadata names the classes {' '.join(said)[:80]!r}; expected {len(counted)} "
            f"different numbers from 0 to {HIGHEST_LABEL}: write the file again, without `classes` if they count from 0"
        )
    return tuple(labels)


def _from_numpy(path: Path, kind: Scores | None) -> Prediction:
    array, named = _load_numpy(path)
    whole = np.issubdtype(array.dtype, np.integer) or array.dtype == np.bool_
    if whole and array.ndim == 2 and not named:
        return _of_numbers(label_array(array, path), None, kind, path)
    if named and array.dtype == np.uint8:
        scores = torch.from_numpy(dequantised(array, kind, path))
    elif np.issubdtype(array.dtype, np.floating):
        with np.errstate(over="ignore"):  # refused below
            wide = np.float64 if array.dtype.itemsize > 4 else np.float32
            scores = torch.from_numpy(array.astype(wide, copy=False))
    else:
        raise InputError(
            f"prediction {path}: its numbers are {array.dtype} {array.shape}; expected floating-point scores, "
            "(C, h, w), a label map (h, w) of whole numbers or truth values, or uint8 `q` with `scale` and `zero_point`"
        )
    scores, kind = _check_scores(scores, kind, path)
    return Prediction(scores, kind, classes_of(len(scores), kind))


def _load_numpy(path: Path) -> tuple[np.ndarray, bool]:
    """Return the single array of a file, and whether it has the name of quantised scores."""
    names = array_names(path, "prediction")
    quantised = "q" in names
    if not quantised and len(names) != 1:
        raise InputError(f"prediction {path}: holds arrays {names[:10]}; expected exactly one")
    return read_array(path, "prediction", "q" if quantised else names[0]), quantised


def _check_scores(scores: Tensor, said: Scores | None, path: Path, *, is_sure: bool = False) -> tuple[Tensor, Scores]:
    """Return (C, h, w) float32 scores and their kind, which is not doubted if `write_scores` recorded it."""
    kind = said or "logits"
    if scores.ndim == 4 and scores.shape[0] == 1:
        scores = scores[0]
    if scores.ndim != 3 or 0 in scores.shape:
        raise InputError(
            f"prediction {path}: shape {tuple(scores.shape)}; expected (classes, height, width), (1, height, width) "
            "for one class against background: save one channel as scores[None], and labels as whole numbers"
        )
    given, scores = scores, scores.float()
    bad = 0 if is_finite(scores) else int((~torch.isfinite(scores)).sum())
    if bad and torch.isfinite(given.double()).all():
        raise InputError(
            f"prediction {path}: {bad} of {scores.numel()} scores exceed the range of float32, up to "
            f"{given.double().abs().max():.3g}; expected scores below 3e38: check the network that gave them"
        )
    if bad:
        raise InputError(f"prediction {path}: {not_finite(scores)}")
    if kind in PROBABILITIES and not (scores.min() >= -TOLERANCE and scores.max() <= 1 + TOLERANCE):
        raise InputError(
            f"prediction {path}: declared as probabilities, but ranges from {scores.min():.4g} to {scores.max():.4g}; "
            "expected 0 to 1: pass scores='logits' (--scores logits), or apply a softmax"
        )
    with naming(path):
        if not is_sure:
            check_kind(scores, kind)
        if said is None:
            ask_about_masks(scores)
    return scores, kind
