"""The values of tensors: what rounding makes of them is taken, and what seems to be of another kind is said."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener
from crispseg.errors import KindWarning
from crispseg.scores import Scores


def scene() -> tuple[Tensor, Tensor]:
    """Image (1, 3, 48, 64), uint8, from black to white, and probabilities (1, 3, 6, 8)."""
    generator = torch.Generator().manual_seed(0)
    image = 255 * torch.randint(0, 2, (1, 3, 48, 64), generator=generator, dtype=torch.uint8)
    return image, torch.randn(1, 3, 6, 8, generator=generator).mul(3).softmax(1)


def test_an_image_may_be_rounded_to_a_little_outside() -> None:
    image, coarse = scene()
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    rgb = image / 255 * (1 + 4e-7) - 1e-7
    assert rgb.max() > 1
    assert rgb.min() < 0
    torch.testing.assert_close(sharpener(rgb, coarse), sharpener(image, coarse), rtol=1e-3, atol=1e-4)
    assert sharpener(rgb.half() + 1e-3, coarse).isfinite().all()
    with pytest.raises(InputError, match=r"image runs from .* to 1.01; expected"):
        sharpener(image / 255 * 1.01, coarse)


@pytest.mark.parametrize(
    ("kind", "given", "said"),
    [
        ("logits", lambda shares: shares, "sum to 1 in every pixel, like probabilities; pass scores='probabilities'"),
        ("logits", lambda shares: shares.half(), "sum to 1 in every pixel"),
        ("logits", lambda shares: shares.repeat(2, 1, 1, 1)[:, :1], "like probabilities; pass scores='probabilities'"),
        ("multilabel", lambda shares: shares, "like probabilities; pass scores='multilabel_probabilities'"),
        ("probabilities", lambda shares: shares.log().sigmoid() * 0.5, "sum to .*pass scores='multilabel_prob"),
    ],
)
def test_tensors_of_another_kind_are_warned_about(kind: Scores, given: Callable[[Tensor], Tensor], said: str) -> None:
    image, coarse = scene()
    wrong = given(coarse)
    with pytest.warns(KindWarning, match=said):
        Sharpener.from_pretrained(scores=kind)(image.expand(len(wrong), -1, -1, -1), wrong)
    image = image.expand(len(wrong), -1, -1, -1)
    Sharpener.from_pretrained(scores=kind)(image, wrong.requires_grad_())  # a network in training gives anything
