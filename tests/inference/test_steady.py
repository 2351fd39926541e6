"""The frames of a clip: what the first, a still, a cut and a bad frame give, for each kind of scores."""

import math

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
    """The distances from the left pixel to the two of the frame before are 0.3 and 0.6."""
    plain = Sharpener(RGBCue(), window=1, guard=None, hardness=1.0, scores="probabilities")
    steady = SteadySharpener(plain, reach=1)
    steady(torch.tensor([0.1, 0.2]).expand(1, 3, 1, 2), torch.tensor([[[[0.2, 0.6]], [[0.8, 0.4]]]]))
    crisp = steady(torch.zeros(1, 3, 1, 2), torch.tensor([[[[0.9, 0.9]], [[0.1, 0.1]]]], requires_grad=True))
    assert not crisp.requires_grad, "the record would grow with every frame"
    past, share = (0.2 + 0.6 * math.exp(-1)) / (1 + math.exp(-1)), 0.85 * math.exp(-((0.3 / 2.5) ** 2))
    torch.testing.assert_close(crisp[0, 0, 0, 0].item(), (1 - share) * 0.9 + share * past, rtol=0, atol=1e-3)


@KINDS
def test_a_still_without_noise_stays_as_it_is(kind: Scores) -> None:
    """Also where colours are the same all around a pixel, and the scores are not."""
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 12, 16, generator=generator)
    image[..., 8:] = 0.5
    plain, scores = sharpener(kind), scores_of(kind, 3 * torch.randn(1, 3, 12, 16, generator=generator))
    steady = SteadySharpener(plain)
    for _ in range(4):
        crisp = steady(image, scores)
    torch.testing.assert_close(crisp, plain(image, scores), rtol=1e-4, atol=1e-5)


def test_after_a_cut_a_frame_is_what_the_sharpener_alone_gives(frames: tuple[Tensor, Tensor]) -> None:
    plain, (images, logits) = sharpener(), frames
    steady = SteadySharpener(plain)
    steady(images[:1] / 10, logits[:1])
    torch.testing.assert_close(steady(1 - images[1:2] / 10, logits[1:2]), plain(1 - images[1:2] / 10, logits[1:2]))


def test_bands_of_rows_change_nothing(frames: tuple[Tensor, Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    steady, found = SteadySharpener(sharpener()), []
    for numbers in (2**21, 5 * 49 * 32):  # all rows at once, and 5 of the 24 with those that reach into them
        monkeypatch.setattr(module, "_NUMBERS_AT_ONCE", numbers)
        steady.reset()
        found.append([steady(*(each[i : i + 1] for each in frames)) for i in range(2)][-1])
    torch.testing.assert_close(*found)


def test_labels_of_a_clip_are_kept_as_long_as_they_count() -> None:
    """A clip may have other labels in each frame; the share of one that is gone halves with each frame."""
    steady = SteadySharpener(Sharpener(RGBCue(), window=1, guard=None, scores="probabilities"), past=0.5)
    image = torch.full((1, 3, 4, 4), 0.5)
    kept = []
    for label in (3, 5, *[9] * 12):
        prediction = steady.joined(Prediction.of_labels(torch.full((4, 4), label)))
        crisp = steady(image, prediction.scores[None])
        kept.append(prediction.classes)
    assert kept[:3] == [(3,), (3, 5), (3, 5, 9)]
    assert kept[-1] == (9,)
    with pytest.raises(InputError, match="frame has scores, but the one before had a label map"):
        steady.joined(Prediction(torch.ones(1, 4, 4), "probabilities", (0, 1)))
    torch.testing.assert_close(crisp, torch.ones(1, 1, 4, 4), rtol=0, atol=0.01)


@pytest.mark.parametrize(
    ("image", "scores", "facts"),
    [
        ((1, 24, 40), (3, 24, 40), ["frame has 24x40 pixels, but the one before 24x32 pixels;"]),
        ((1, 24, 32), (4, 24, 32), ["frame has 4 channels, but the one before 3 channels;"]),
        ((2, 24, 32), (3, 24, 32), ["frame has 2 in its batch, but the one before 1 in its batch;"]),
    ],
)
def test_another_clip_is_seen(
    frames: tuple[Tensor, Tensor], image: tuple[int, ...], scores: tuple[int, ...], facts: list[str]
) -> None:
    steady = SteadySharpener(sharpener())
    steady(frames[0][:1], frames[1][:1])
    count, *size = image
    given = torch.zeros(count, 3, *size), torch.zeros(count, *scores)
    with pytest.raises(InputError, match=r"call reset\(\)") as refused:
        steady(*given)
    assert all(fact in str(refused.value) for fact in facts)
    steady.reset()
    steady(*given)


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(InputError, match=r"ContourCue.*such as learned or rgb"):
        SteadySharpener(Sharpener(ContourCue()))
    with pytest.raises(TypeError, match=r"crispseg\.Sharpener"):
        SteadySharpener(RGBCue())  # type: ignore[arg-type]
    for options, fact in (({"past": 1.0}, "past is 1.0"), ({"past": -0.1}, "from 0"), ({"reach": 16}, "0 to 15")):
        with pytest.raises(InputError, match=fact):
            SteadySharpener(sharpener(), **options)
