"""Scores of another kind than was said are refused; real ones never are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg import InputError
from crispseg.data import Prediction, read_prediction, write_scores
from crispseg.data.kinds import ask_about_masks, check_kind, check_tensor_kind
from crispseg.scores import SCORES, Scores
from tests.real_data import DATA, needs

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
        (100 * LOGITS.softmax(0), "logits", "sum to about 100 in every pixel.*divide them by it.*'probabilities'"),
        ((255 * LOGITS.softmax(0)).round(), "logits", "sum to about 255"),
        (LOGITS.argmax(0)[None].float(), "logits", "whole numbers from 0 to 3, like a label map"),
        (LOGITS.argmax(0)[None].float(), "multilabel", "like a label map"),
    ],
)
def test_another_kind_is_refused_and_named(scores: Tensor, kind: Scores, said: str, tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", scores.numpy())
    with pytest.raises(InputError, match=said) as caught:
        read_prediction(tmp_path / "a.npy", kind)
    assert "a.npy" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("scores", [100 * LOGITS.softmax(0), LOGITS.softmax(0), LOGITS.argmax(0)[None].float()])
def test_tensors_of_another_kind_are_told(scores: Tensor) -> None:
    with pytest.raises(InputError, match=r"in every pixel|label map"):
        check_tensor_kind(scores, "logits")


def test_a_constant_is_no_remedy_for_labels_that_may_overlap() -> None:
    with pytest.raises(InputError, match="below 0 beside") as caught:
        check_kind(LOGITS.sigmoid(), "multilabel")
    assert "subtract" not in str(caught.value)
    with pytest.raises(InputError, match="subtract 1"):
        check_kind(LOGITS.sigmoid(), "logits")


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
        (LOGITS - LOGITS.min(), "logits"),
        (10.0 * F.one_hot(LOGITS.argmax(0)).movedim(-1, 0), "logits"),
        (LOGITS[:1].round(), "logits"),
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


def masks(count: int, noise: float = 2.0, low: float = -12.0, high: float = 9.0) -> Tensor:
    """Logits of the masks of objects: discs on a background that none of them claims."""
    generator = torch.Generator().manual_seed(count)
    rows, columns = torch.meshgrid(torch.arange(60), torch.arange(80), indexing="ij")
    places = torch.rand(count, 2, generator=generator) * torch.tensor([60, 80])
    far = ((rows - places[:, :1, None]) ** 2 + (columns - places[:, 1:, None]) ** 2).sqrt()
    return torch.where(far < 6, high, low) + noise * torch.randn(count, 60, 80, generator=generator)


@pytest.mark.parametrize("count", [2, 3, 8, 20])
@pytest.mark.parametrize("noise", [0.1, 2.0])
def test_masks_of_objects_are_asked_about(count: int, noise: float, tmp_path: Path) -> None:
    scores, path = masks(count, noise), tmp_path / "a.npy"
    np.save(path, scores.numpy())
    with pytest.raises(InputError, match=rf"masks of {count} objects.*--scores multilabel.*--scores logits") as caught:
        read_prediction(path)
    assert "a.npy" in str(caught.value)
    assert "\n" not in str(caught.value)
    for kind in ("logits", "multilabel"):
        assert read_prediction(path, kind).kind == kind


@pytest.mark.parametrize("kind", ["logits", "multilabel"])
def test_what_a_file_says_of_masks_is_believed(kind: Scores, tmp_path: Path) -> None:
    scores = masks(3)
    num_classes = tuple(range(3 + (kind == "multilabel")))
    write_scores(tmp_path / "a.safetensors", scores, Prediction(scores, kind, num_classes))
    assert read_prediction(tmp_path / "a.safetensors").kind == kind


def smooth(num_classes: int, scale: float) -> Tensor:
    """Logits of classes whose regions meet gently, sure within and unsure where they meet."""
    coarse = torch.randn(1, num_classes, 6, 8, generator=torch.Generator().manual_seed(num_classes))
    return scale * torch.nn.functional.interpolate(coarse, size=(60, 80), mode="bicubic")[0]


SHIFTS: dict[str, Callable[[Tensor], Tensor]] = {
    "log-probabilities": lambda logits: logits.log_softmax(0),
    "around 0": lambda logits: logits - logits.mean(0),
    "all negative": lambda logits: logits - logits.max() - 1,
    "moderate, by pixel": lambda logits: (
        logits.log_softmax(0) + 3 * torch.randn(60, 80, generator=torch.Generator().manual_seed(0))
    ),
}


@pytest.mark.parametrize("shift", SHIFTS)
@pytest.mark.parametrize("num_classes", [1, 2, 5, 21])
@pytest.mark.parametrize("scale", [1.0, 4.0, 12.0])
def test_logits_of_classes_are_not_asked_about(shift: str, num_classes: int, scale: float) -> None:
    logits = SHIFTS[shift](smooth(num_classes, scale))
    for constant in range(-60, 61, 4):
        ask_about_masks(logits + constant)


@needs("predictions")
def test_real_predictions_are_not_asked_about() -> None:
    for folder in (DATA / "predictions").iterdir():
        for path in sorted(folder.glob("*.npz"))[:4]:
            logits = read_prediction(path, "logits").scores
            for around in (logits, logits - logits.mean(0)):
                for constant in range(-60, 61, 12):
                    ask_about_masks(around + constant)


def test_the_kind_that_our_own_file_records_is_not_doubted(tmp_path: Path) -> None:
    scores = torch.rand(2, 12, 13, generator=torch.Generator().manual_seed(0))  # logits that look like probabilities
    write_scores(tmp_path / "a.safetensors", scores, Prediction(scores, "multilabel", (0, 1, 2)))
    found = read_prediction(tmp_path / "a.safetensors")
    assert found.kind == "multilabel"
    assert torch.equal(found.scores, scores)
