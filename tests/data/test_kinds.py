"""Scores of another kind than was said are refused; real ones never are."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError
from crispseg.data import Prediction, read_prediction, write_scores
from crispseg.data.kinds import check_kind
from crispseg.scores import SCORES, Scores

LOGITS = 3 * torch.randn(4, 12, 16, generator=torch.Generator().manual_seed(0))
MASKS = (LOGITS > 2).float()


@pytest.mark.parametrize(
    ("scores", "kind", "said"),
    [
        (MASKS, "logits", "'multilabel_probabilities'"),
        (MASKS, "multilabel", "'multilabel_probabilities'"),
        (MASKS[:1], "logits", "'probabilities'"),
        (MASKS, "probabilities", "'multilabel_probabilities'"),
        (LOGITS.sigmoid(), "multilabel", "'multilabel_probabilities'"),
        (LOGITS.sigmoid(), "probabilities", "'multilabel_probabilities'"),
        (LOGITS.softmax(0), "logits", "'probabilities'"),
        (LOGITS.sigmoid()[:1], "logits", "'probabilities'"),
    ],
)
def test_another_kind_is_refused_and_named(scores: Tensor, kind: Scores, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", scores.numpy())
    with pytest.raises(InputError, match=said) as caught:
        read_prediction(tmp_path / "a.npy", kind)
    assert "a.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("scores", "kind"),
    [
        (LOGITS, "logits"),
        (LOGITS[:1], "logits"),
        (LOGITS, "multilabel"),
        (LOGITS.log_softmax(0), "logits"),
        (LOGITS.softmax(0), "probabilities"),
        (LOGITS.sigmoid()[:1], "probabilities"),
        (MASKS, "multilabel_probabilities"),
        (LOGITS.sigmoid(), "multilabel_probabilities"),
        (torch.zeros(3, 20, 20), "logits"),
        (torch.full((1, 1, 2), 0.3), "logits"),
        (LOGITS.relu(), "logits"),
        ((LOGITS.softmax(0) * 255).round() / 255, "probabilities"),
        (LOGITS.softmax(0).half().float(), "probabilities"),
    ],
)
def test_real_scores_are_taken(scores: Tensor, kind: Scores) -> None:
    check_kind(scores, kind)


@pytest.mark.parametrize("kind", SCORES)
def test_the_kind_is_kept_in_a_file(kind: Scores, tmp_path: Path) -> None:
    scores = LOGITS.softmax(0) if "probabilities" in kind else LOGITS
    count = 5 if "multilabel" in kind else 4
    write_scores(tmp_path / "a.safetensors", scores, Prediction(scores, kind, tuple(range(count))))
    read = read_prediction(tmp_path / "a.safetensors", "logits")
    assert (read.kind, read.classes) == (kind, tuple(range(count)))
    assert int(read.labels(read.scores).max()) <= count - 1
