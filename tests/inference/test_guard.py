"""A guard keeps what the scores were sure of, and nothing else."""

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener
from crispseg.cues import RGBCue


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, 24, 32, generator=generator), 3 * torch.randn(1, 4, 24, 32, generator=generator)


def sharpened(scores: Tensor, image: Tensor, guard: float | None, kind: str = "logits") -> Tensor:
    crisp: Tensor = Sharpener(RGBCue(), hardness=0.1, passes=3, guard=guard, scores=kind)(image, scores)  # type: ignore[arg-type]
    return crisp


@pytest.mark.parametrize("guard", [0.5, 0.8, 0.95])
def test_sure_labels_stay_and_others_change_as_without(guard: float) -> None:
    image, scores = batch()
    likely, label = scores.softmax(1).max(1)
    free, kept = sharpened(scores, image, None), sharpened(scores, image, guard)
    sure, changed = likely >= guard, free.argmax(1) != label
    assert (sure & changed).any()
    assert (kept.argmax(1) == label)[sure].all()
    left = (sure & changed)[:, None].expand_as(scores)
    torch.testing.assert_close(kept[left].softmax(0), scores.log_softmax(1)[left].softmax(0))
    assert torch.equal(kept[~left], free[~left])


def test_a_guard_of_1_changes_nothing() -> None:
    image, scores = batch()
    assert torch.equal(sharpened(scores, image, 1.0), sharpened(scores, image, None))


@pytest.mark.parametrize("kind", ["multilabel", "logits"])
def test_masks_are_guarded_one_by_one(kind: str) -> None:
    image, scores = batch()
    scores = scores if kind == "multilabel" else scores[:, :1]
    kept, free = (sharpened(scores, image, guard, kind) for guard in (0.9, None))
    probability = scores.sigmoid()
    sure = (probability >= 0.9) | (probability <= 0.1)
    assert ((free > 0) != (scores > 0))[sure].any()
    assert ((kept > 0) == (scores > 0))[sure].all()
    assert torch.equal(kept[~sure], free[~sure])


@pytest.mark.parametrize("guard", [0.3, 1.1, float("nan")])
def test_a_guard_that_is_no_confidence_is_refused(guard: float) -> None:
    with pytest.raises(InputError, match="guard is"):
        Sharpener(RGBCue(), guard=guard)
