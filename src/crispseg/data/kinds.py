"""Refuse scores that are recognisably of another kind than the given one."""

import math

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

_FEW = 64
"""So few logits may all lie in [0, 1] by chance."""

_ROUNDED = 0.02
"""How far sums of probabilities are from 1 at most, in half precision."""

_WHOLES = 100, 255
"""The sums of probabilities in percent, and of those that are 8-bit numbers."""

_UNLIKELY = 3.0
"""Where there is no mask, the highest of C logits is at least this far below -log(C); where there is one, above 0."""
_LEAST_BESIDE, _LEAST_WITHIN, _MOST_BETWEEN = 0.2, 0.001, 0.5
"""Shares: of the pixels that lie beside all masks, and in one; and, of the latter, those where neither is clear."""


def not_finite(scores: Tensor) -> InputError:
    """Return the error for scores that are NaN or infinite. It says how to make them finite."""
    bad, remedy = int((~scores.isfinite()).sum()), "limit logits with scores.clamp(-100, 100)"
    if scores.isnan().any():
        remedy = "look for an overflow in half precision, or for 0 / 0, in the network that gave them"
    return InputError(f"{bad} of {scores.numel()} scores are NaN or infinite; expected finite numbers: {remedy}")


def check_kind(scores: Tensor, kind: Scores) -> None:
    """Refuse finite (C, h, w) scores that cannot be of their kind.

    Logits that all lie in [0, 1] make no label unlikely: they are probabilities, or masks. Probabilities of classes
    that exclude each other sum to 1.

    Raises:
        InputError: If they are of another kind; it names which.
    """
    if not scores.numel():
        return
    if kind not in PROBABILITIES:
        _check_logits(scores, kind)
    elif kind == "probabilities" and len(scores) > 1:
        _check_sums(scores)


def check_tensor_kind(scores: Tensor, kind: Scores) -> None:
    """Refuse finite (C, ...) scores that are almost certainly of another kind.

    It asks for more than `check_kind`: logits of several classes must lie in [0, 1] and sum to 1 in every pixel. Those
    of single labels that all lie in [0, 1] would put every pixel inside of every mask.

    Raises:
        InputError: If they are of another kind; it names which.
    """
    if scores.numel() < _FEW or kind == "multilabel_probabilities":
        return
    if kind == "multilabel" or len(scores) == 1:
        if kind != "probabilities":
            _check_logits(scores, kind)
    elif kind == "probabilities":
        _check_sums(scores)
    elif scores.min() >= 0:
        if (scores.sum(0) - 1).abs().max() < _ROUNDED and scores.amax() > 0.5:
            raise InputError(
                "scores are declared as logits, but lie in [0, 1] and sum to 1 in every pixel, like probabilities; "
                "pass scores='probabilities'"
            )
        _refuse_scaled(scores)


def ask_about_masks(scores: Tensor) -> None:
    """Refuse finite (C, h, w) scores of no given kind that look like logits of object masks.

    A softmax would give every pixel to an object. The masks are told by two regimes with little between: pixels where
    even the likeliest channel is lower than any log-probability of a likeliest class can be, and by less than it is
    low, and others where it is high. Logits of classes that a constant was added to are in one regime.

    Raises:
        InputError: If they look so; it says what was seen, and what can be said of them.
    """
    if len(scores) < 2 or not scores.numel():
        return
    best = scores.amax(0)
    beside, within = best < -math.log(len(scores)) - _UNLIKELY, best > _UNLIKELY
    empty, full = (float(where.float().mean()) for where in (beside, within))
    if empty < _LEAST_BESIDE or full < _LEAST_WITHIN or 1 - empty - full > _MOST_BETWEEN * full:
        return
    low = best[beside]
    if (low - scores.mean(0)[beside]).median() >= -low.median():
        return
    raise InputError(
        f"scores look like the masks of {len(scores)} objects: the highest of all channels is about {low.median():.3g} "
        f"at {empty:.0%} of the pixels, and above {_UNLIKELY:g} at {full:.1%}; state their kind: pass "
        "scores='multilabel' (--scores multilabel) for masks, or scores='logits' (--scores logits) for classes"
    )


def _refuse_labels(scores: Tensor, low: float, high: float) -> None:
    """Refuse a single channel of whole numbers from 0 up, which a softmax or a sigmoid would read as scores."""
    if len(scores) == 1 and low >= 0 and high > 1 and torch.equal(scores, scores.round()):
        raise InputError(
            f"scores are one channel of whole numbers from {low:g} to {high:g}, like a label map; pass labels as "
            "integers (h, w) to sharpen_array, or as a PNG"
        )


def _refuse_scaled(scores: Tensor) -> None:
    """Refuse probabilities of classes in percent, or as 8-bit numbers: their sums are the same everywhere."""
    sums = scores.sum(0)
    for whole in _WHOLES:
        if scores.amax() > whole / 2 and (sums - whole).abs().max() < _ROUNDED * whole:
            raise InputError(
                f"scores are declared as logits, but sum to about {whole} in every pixel, like probabilities times "
                f"{whole}; divide them by it and {_said('probabilities')}"
            )


def _said(kind: str) -> str:
    """Return how to declare a kind, in Python and on the command line."""
    return f"pass scores={kind!r} (--scores {kind})"


def _check_logits(scores: Tensor, kind: Scores) -> None:
    low, high = torch.stack(torch.aminmax(scores)).tolist()
    if scores.numel() >= _FEW:
        _refuse_labels(scores, low, high)
        if kind == "logits" and len(scores) > 1 and low >= 0:
            _refuse_scaled(scores)
    if not 0 <= low < high <= 1:
        return
    masks = bool(((scores == 0) | (scores == 1)).all())
    if not masks and scores.numel() < _FEW:
        return
    exclusive = kind not in MULTILABEL and (len(scores) == 1 or _sums_far_from_1(scores) == 0)
    meant = "probabilities" if exclusive else "multilabel_probabilities"
    found = "are all 0 or 1, like masks" if masks else f"range from {low:.4g} to {high:.4g}, like probabilities"
    remedy = (
        ": logits of masks would lie below 0 beside the objects"
        if kind in MULTILABEL
        else ", or, if they are logits of classes, subtract 1, which changes no result"
    )
    raise InputError(f"scores are declared as {kind}, but {found}; {_said(meant)}{remedy}")


def _check_sums(scores: Tensor) -> None:
    far = _sums_far_from_1(scores)
    if far:
        sums = scores.sum(0)
        raise InputError(
            f"probabilities of classes sum to {sums.min():.4g} up to {sums.max():.4g}, far from 1 at {far} of "
            f"{sums.numel()} pixels; {_said('multilabel_probabilities')} if labels may overlap, or add a channel "
            "for the background"
        )


def _sums_far_from_1(scores: Tensor) -> int:
    """Return the number of pixels whose sum is far from 1; each of many channels may have been rounded to 8 bits."""
    slack = max(0.5, len(scores) / 510)
    return int(((scores.sum(0) - 1).abs() > slack).sum())
