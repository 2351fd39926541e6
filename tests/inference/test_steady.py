"""The frames of a clip: what the first, a still, a cut and a bad frame give, for each kind of scores."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, SteadySharpener
from crispseg.cues import ContourCue, RGBCue
from crispseg.data import Prediction
from crispseg.inference import steady as module
from crispseg.scores import MULTILABEL, PROBABILITIES, SCORES, Scores

KINDS = pytest.mark.parametrize("kind", SCORES)


def sharpener(kind: Scores = "logits") -> Sharpener:
    return Sharpener(RGBCue(), window=3, passes=1, scores=kind).eval()


def scores_of(kind: Scores, logits: Tensor) -> Tensor:
    if kind not in PROBABILITIES:
        return logits
    return logits.sigmoid() if kind in MULTILABEL else logits.softmax(1)


@pytest.fixture
def frames() -> tuple[Tensor, Tensor]:
    """Five frames of one image with a little noise, and noisy logits of its halves."""
    generator = torch.Generator().manual_seed(0)
    truth = torch.zeros(3, 24, 32)
    truth[0, :, 16:] = 4.0
    truth[1, :, :16] = 4.0
    image = torch.where(truth[:1] > 0, 0.8, 0.2).expand(3, -1, -1)
    noisy = (image + 0.02 * torch.randn(5, 3, 24, 32, generator=generator)).clamp(0, 1)
    return noisy, truth + 3 * torch.randn(5, 3, 24, 32, generator=generator)


@KINDS
def test_a_clip_is_an_average_of_its_frames(kind: Scores, frames: tuple[Tensor, Tensor]) -> None:
    """The first frame is the sharpener's own; then what is noise alone changes less, in the range of its kind."""
    plain, steady = sharpener(kind), SteadySharpener(sharpener(kind))
    images, scores = frames[0], scores_of(kind, frames[1])
    alone = plain(images, scores)
    crisp = torch.cat([steady(image[None], each[None]) for image, each in zip(images, scores, strict=True)])
    torch.testing.assert_close(crisp[:1], alone[:1])
    assert crisp.isfinite().all()
    if kind in PROBABILITIES:
        assert crisp.min() >= 0
        assert crisp.max() <= 1
    if kind not in MULTILABEL:
        chances = crisp if kind in PROBABILITIES else crisp.exp()
        torch.testing.assert_close(chances.sum(1), torch.ones_like(chances[:, 0]))
    changes, before = ((each[-1] - each[-2]).abs().mean() for each in (crisp, alone))
    assert changes < 0.5 * before
    steady.reset()
    torch.testing.assert_close(steady(images[4:], scores[4:]), alone[4:])


def test_what_a_frame_becomes_by_hand() -> None:
    """Two pixels: the left one is as dark as both were, so that it takes 0.8 of their mean; the right one is new."""
    steady = SteadySharpener(Sharpener(RGBCue(), window=1, guard=None, hardness=40, scores="probabilities"), reach=1)
    steady(torch.zeros(1, 3, 1, 2), torch.tensor([[[[0.2, 0.6]], [[0.8, 0.4]]]]))
    image = torch.tensor([0.0, 1.0]).expand(1, 3, 1, 2)
    crisp = steady(image, torch.tensor([[[[0.9, 0.9]], [[0.1, 0.1]]]]))
    torch.testing.assert_close(crisp[0, 0, 0], torch.tensor([0.2 * 0.9 + 0.8 * 0.4, 0.9]))


def test_bands_of_rows_change_nothing(frames: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    steady, found = SteadySharpener(sharpener()), []
    for numbers in (2**21, 25 * 49 * 32):  # all rows at once, and 5 of the 24 with those that reach into them
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", numbers)
        steady.reset()
        found.append([steady(*(each[i : i + 1] for each in frames)) for i in range(2)][-1])
    torch.testing.assert_close(*found)
