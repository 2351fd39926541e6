"""Every cue gives features, distances and weights by one interface, and says what it is by default."""

import pytest
import torch
from torch import Tensor, nn

from crispseg import InputError, Window
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.registry import CUES
from tests.ops import brute_force

WINDOW = Window(3, dilation=2)
IMAGE = torch.rand(2, 3, 7, 9, generator=torch.Generator().manual_seed(0))


class Darkness(nn.Module):
    """A boundary detector: what is dark is a boundary."""

    def forward(self, image: Tensor) -> Tensor:
        return 1 - image.mean(1, keepdim=True)


def make(name: str) -> Cue:
    cues = {
        "learned": LearnedCue(nn.Conv2d(3, 5, 1)),
        "rgb": RGBCue(norm=2),
        "soft": SoftSegmentationCue(),
        "contour": ContourCue(Darkness()),
    }
    return cues[name]


@pytest.mark.parametrize("name", list(CUES))
def test_weights_are_the_affinity_of_the_distances(name: str) -> None:
    cue = make(name)
    features = cue(IMAGE)
    distance = cue.distance(features, WINDOW)
    assert distance.shape == (2, 9, 7, 9)
    assert (distance[:, WINDOW.centre] == 0).all()
    weights = cue.weights(features, WINDOW, 3.0)
    torch.testing.assert_close(weights, (-3 * distance).exp())
    torch.testing.assert_close(cue.weights(features, WINDOW, torch.tensor(3.0)), weights)


def test_the_default_hardness_is_found_by_name() -> None:
    assert {name: cue.default_hardness for name, cue in ((name, CUES.named(name)) for name in CUES)} == {
        "learned": 1.5,
        "rgb": 5,
        "soft": 100,
        "contour": 5,
    }
    assert all(type(make(name)) is cue for name, cue in ((name, CUES.named(name)) for name in CUES))


@pytest.mark.parametrize("norm", [1, 2])
def test_an_embedding_is_compared_by_its_norm(norm: int) -> None:
    network = nn.Conv2d(3, 5, 1)
    for cue, embedding in ((LearnedCue(network, norm), network(IMAGE)), (RGBCue(norm), IMAGE)):
        assert torch.equal(cue(IMAGE), embedding)
        expected = brute_force.local_distance(embedding.detach(), WINDOW, norm=norm).float()
        torch.testing.assert_close(cue.distance(cue(IMAGE), WINDOW), expected)
        assert f"norm={norm}" in repr(cue)


def test_the_contour_cue_takes_the_strongest_boundary_on_the_way() -> None:
    cue = ContourCue(Darkness())
    boundary = cue(IMAGE)
    torch.testing.assert_close(boundary, 1 - IMAGE.mean(1, keepdim=True))
    torch.testing.assert_close(cue.distance(boundary, WINDOW), brute_force.local_contour(boundary, WINDOW).float())


def test_the_network_learns_through_the_weights() -> None:
    cue = LearnedCue(nn.Conv2d(3, 5, 1))
    cue.weights(cue(IMAGE), WINDOW, 1.0).sum().backward()
    gradients = [parameter.grad for parameter in cue.parameters()]
    assert gradients[0] is not None
    assert gradients[0].abs().max() > 0


def test_a_contour_cue_without_a_detector_takes_only_features() -> None:
    with pytest.raises(InputError, match="this contour cue has no detector; pass the boundaries as features"):
        ContourCue()(IMAGE)
    assert ContourCue().distance(torch.zeros(1, 1, 4, 4), WINDOW).shape == (1, 9, 4, 4)


@pytest.mark.parametrize(
    ("cue", "features", "message"),
    [
        (RGBCue(), torch.full((1, 3, 2, 2), torch.nan), "features hold NaN or infinity"),
        (ContourCue(), torch.full((1, 1, 2, 2), torch.inf), "features hold NaN or infinity"),
        (ContourCue(), torch.zeros(1, 3, 2, 2), "features have 3 channels; expected 1"),
        (ContourCue(), torch.full((1, 1, 2, 2), 255.0), "features run from 255 to 255; expected probabilities"),
        (ContourCue(), torch.full((1, 1, 2, 2), -0.1), "features run from -0.1 to -0.1"),
    ],
)
def test_features_that_a_cue_cannot_have_given_are_refused(cue: Cue, features: Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        cue.check_features(features)


def test_wrong_options_are_refused() -> None:
    for make_cue in (lambda: RGBCue(norm=3), lambda: LearnedCue(nn.Identity(), norm=0)):
        with pytest.raises(InputError, match="norm is"):
            make_cue()
    with pytest.raises(InputError, match="maps is 0"):
        SoftSegmentationCue(maps=0)


@pytest.mark.parametrize("cue", [RGBCue(), RGBCue(norm=2), ContourCue()], ids=repr)
def test_neighbours_with_other_scores_weigh_less(cue: Cue) -> None:
    rng = torch.Generator().manual_seed(0)
    features = torch.rand(2, 1 if isinstance(cue, ContourCue) else 3, 6, 7, generator=rng)
    scores = torch.rand(2, 4, 6, 7, generator=rng, dtype=torch.float64)
    window, hardness, weight = Window(3, 2), 1.5, torch.tensor(0.7, requires_grad=True)
    found = cue.weights(features, window, hardness, scores, weight)
    apart = brute_force.local_distance(0.7 * scores, window)
    if isinstance(cue, RGBCue):
        joined = torch.cat((features.double(), 0.7 * scores), 1)
        expected = brute_force.affinity(brute_force.local_distance(joined, window, norm=cue.norm), hardness)
    else:
        expected = brute_force.affinity(cue.distance(features, window).double() + apart, hardness)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)
    found.square().sum().backward()
    assert weight.grad is not None
    assert weight.grad < 0
    without = cue.weights(features, window, hardness)
    for nothing in (0.0, torch.tensor(0.0)):
        torch.testing.assert_close(cue.weights(features, window, hardness, scores, nothing), without)


@pytest.mark.parametrize("cue", [RGBCue(), ContourCue()], ids=repr)
def test_scores_that_do_not_fit_are_refused(cue: Cue) -> None:
    features = torch.rand(1, 1 if isinstance(cue, ContourCue) else 3, 6, 7)
    with pytest.raises(InputError, match=r"scores has \(N, H, W\) = \(1, 6, 5\)"):
        cue.weights(features, 3, 1.0, torch.rand(1, 4, 6, 5), 0.5)
    for wrong in (-0.5, float("nan"), torch.tensor(-0.5), torch.tensor(float("inf"))):
        with pytest.raises(InputError, match=r"score_weight is .*; expected a number of 0 or more"):
            cue.weights(features, 3, 1.0, torch.rand(1, 4, 6, 7), wrong)
