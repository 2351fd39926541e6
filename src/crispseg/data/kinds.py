"""Scores that are recognisably of another kind than they are said to be."""

import torch
from torch import Tensor

from crispseg.errors import InputError
from crispseg.scores import MULTILABEL, PROBABILITIES, Scores

_FEW = 64
"""So few logits may all lie in [0, 1] by chance."""


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


def _check_logits(scores: Tensor, kind: Scores) -> None:
    low, high = torch.stack(torch.aminmax(scores)).tolist()
    if not 0 <= low < high <= 1:
        return
    masks = bool(((scores == 0) | (scores == 1)).all())
    if not masks and scores.numel() < _FEW:
        return
    exclusive = kind not in MULTILABEL and (len(scores) == 1 or _sums_far_from_1(scores) == 0)
    meant = "probabilities" if exclusive else "multilabel_probabilities"
    raise InputError(
        f"scores are said to be {kind}, but {'are all 0 or 1' if masks else f'run from {low:.4g} to {high:.4g}'}, as "
        f"{'masks are' if masks else 'probabilities do'}; say scores {meant!r}, or subtract 1 from logits of classes, "
        "which changes nothing"
    )


def _check_sums(scores: Tensor) -> None:
    far = _sums_far_from_1(scores)
    if far:
        sums = scores.sum(0)
        raise InputError(
            f"probabilities of classes sum to {sums.min():.4g} up to {sums.max():.4g}, far from 1 at {far} of "
            f"{sums.numel()} pixels; say scores 'multilabel_probabilities' for labels that do not exclude each other, "
            "or give the background a channel"
        )


def _sums_far_from_1(scores: Tensor) -> int:
    """At how many pixels; each of many channels may have been rounded to 8 bits."""
    slack = max(0.5, len(scores) / 510)
    return int(((scores.sum(0) - 1).abs() > slack).sum())
