"""The dense CRF finds what mean field inference over all pairs of pixels finds."""

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError
from crispseg.defaults import CRF_PRESETS
from crispseg.inference.crf import DenseCRF
from tests.marks import needs_pydensecrf

HEIGHT, WIDTH = 16, 20


def scene(seed: int = 0) -> tuple[Tensor, Tensor, np.ndarray]:
    """Noisy probabilities (1, 3, H, W), an image (1, 3, H, W) of three colours, and the labels (H, W) of both."""
    rng = np.random.default_rng(seed)
    labels = (np.arange(WIDTH) >= 9).astype(int)[None].repeat(HEIGHT, 0)
    labels[4:9, 3:8] = 2
    colours = np.array([[200, 60, 40], [40, 90, 200], [90, 190, 60]])[labels]
    image = np.clip(colours + rng.normal(0, 6, colours.shape), 0, 255).astype(np.uint8)
    logits = rng.normal(size=(3, HEIGHT, WIDTH)) + (labels == np.arange(3)[:, None, None])
    return torch.from_numpy(logits)[None].float().softmax(1), torch.from_numpy(image).permute(2, 0, 1)[None], labels


def mean_field(probabilities: np.ndarray, image: np.ndarray, crf: DenseCRF) -> np.ndarray:
    """Over all pairs of pixels: Gaussian kernels, normalised symmetrically, with Potts energies."""
    num_classes = len(probabilities)
    place = np.indices((HEIGHT, WIDTH)).reshape(2, -1).T.astype(float)
    colour = image.reshape(3, -1).T.astype(float)

    def kernel(features: np.ndarray) -> np.ndarray:
        weights = np.exp(-((features[:, None] - features) ** 2).sum(-1) / 2)
        scale = np.diag(weights.sum(0) ** -0.5)
        normalised: np.ndarray = scale @ weights @ scale
        return normalised

    def gibbs(energy: np.ndarray) -> np.ndarray:
        shares: np.ndarray = np.exp(-energy) / np.exp(-energy).sum(0)
        return shares

    both = np.concatenate([place / crf.bilateral_xy, colour / crf.bilateral_rgb], 1)
    pairs = crf.spatial_weight * kernel(place / crf.spatial_xy) + crf.bilateral_weight * kernel(both)
    unary = -np.log(np.maximum(probabilities, 1e-5)).reshape(num_classes, -1)
    marginals = gibbs(unary)
    for _ in range(crf.iterations):
        others = marginals.sum(0) - marginals
        marginals = gibbs(unary + others @ pairs)
    return marginals.reshape(probabilities.shape)


@needs_pydensecrf
@pytest.mark.parametrize(
    "crf",
    [
        DenseCRF(4, 20, 13, 1, 1),
        DenseCRF(2, 10, 20, 0, 3),
        DenseCRF(0, 10, 20, 1, 2),
        DenseCRF(1, 5, 30, 1, 1, iterations=1),
    ],
    ids=["both", "bilateral", "spatial", "one iteration"],
)
@pytest.mark.parametrize("seed", range(3))
def test_it_agrees_with_mean_field_over_all_pairs(crf: DenseCRF, seed: int) -> None:
    probabilities, image, _ = scene(seed)
    marginals = crf(probabilities, image)[0].numpy()
    expected = mean_field(probabilities[0].numpy(), image[0].numpy(), crf)
    assert np.abs(marginals - expected).mean() < 0.005  # the lattice filter approximates
    assert (marginals.argmax(0) == expected.argmax(0)).mean() > 0.98
    assert (probabilities[0].numpy().argmax(0) == expected.argmax(0)).mean() < 0.95


@needs_pydensecrf
def test_it_mends_noise_along_colours() -> None:
    probabilities, image, labels = scene()
    marginals = DenseCRF(4, 20, 13, 1, 1)(probabilities, image)
    assert (probabilities[0].argmax(0).numpy() == labels).mean() < 0.7
    assert (marginals[0].argmax(0).numpy() == labels).mean() > 0.99
    torch.testing.assert_close(marginals.sum(1), torch.ones(1, HEIGHT, WIDTH))


@needs_pydensecrf
def test_what_is_constant_stays_and_nothing_is_weighed_without_weights() -> None:
    probabilities, image, _ = scene()
    constant = torch.tensor([0.2, 0.5, 0.3])[None, :, None, None].expand(1, 3, HEIGHT, WIDTH)
    same = DenseCRF(4, 20, 13, 1, 1)(constant, torch.full_like(image, 9))
    assert (same.argmax(1) == 1).all()
    torch.testing.assert_close(same, same[..., :1, :1].expand_as(same), atol=0.05, rtol=0)
    torch.testing.assert_close(DenseCRF(0, 20, 13, 0, 1)(probabilities, image), probabilities)


@needs_pydensecrf
def test_a_batch_is_its_images_and_a_single_channel_is_one_of_two() -> None:
    first, second = scene(0), scene(1)
    crf = DenseCRF(4, 20, 13, 1, 1)
    together = crf(torch.cat([first[0], second[0]]).double(), torch.cat([first[1], second[1]]))
    assert together.dtype == torch.float64
    for index, (probabilities, image, _) in enumerate((first, second)):
        torch.testing.assert_close(together[index].float(), crf(probabilities, image)[0])
    one = first[0][:, :1]
    single = crf(one, first[1])
    assert single.shape == one.shape
    torch.testing.assert_close(single, crf(torch.cat([1 - one, one], 1), first[1])[:, 1:])
    assert crf(first[0][:0], first[1][:0]).shape == (0, 3, HEIGHT, WIDTH)


@needs_pydensecrf
def test_a_label_map_can_be_mended() -> None:
    _, image, labels = scene()
    noisy = torch.from_numpy(labels).clone()
    noisy[6, 14] = 2
    one_hot = torch.nn.functional.one_hot(noisy, 3).permute(2, 0, 1)[None].float()
    mended = DenseCRF(20, 20, 13, 3, 2)(one_hot, image)[0].argmax(0)
    assert (mended.numpy() == labels).all()


def test_presets_and_numbers_are_read_and_written() -> None:
    assert DenseCRF.preset("MSc-LargeFOV") == DenseCRF(4, 83, 5, 3, 3) == DenseCRF.parse("MSc-LargeFOV")
    assert DenseCRF.parse("4, 20,3.5,1,1") == DenseCRF(4, 20, 3.5, 1, 1)
    assert all(DenseCRF.parse(str(DenseCRF.preset(name))) == DenseCRF.preset(name) for name in CRF_PRESETS)
    assert {crf.iterations for crf in map(DenseCRF.preset, CRF_PRESETS)} == {10}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "VGG",
            "CRF is 'VGG'; expected five .*numbers, bilateral_weight,bilateral_xy,.*, or one of DeepLab, MSc",
        ),
        ("1,2,3,4", "CRF is '1,2,3,4'; expected five .*numbers"),
        ("1,2,3,4,x", "CRF is '1,2,3,4,x'; expected five .*numbers"),
        ("4,0,3,1,1", "bilateral_xy is 0.0; expected a number above 0"),
        ("-4,9,3,1,1", "bilateral_weight is -4.0; expected a number of 0 or more"),
        ("4,9,nan,1,1", "bilateral_rgb is nan; expected a number above 0"),
    ],
)
def test_other_texts_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        DenseCRF.parse(text)


def test_wrong_inputs_are_refused() -> None:
    probabilities, image, _ = scene()
    crf = DenseCRF.preset("MSc")
    with pytest.raises(TypeError, match=r"image is torch.float32; expected torch.uint8"):
        crf(probabilities, image.float())
    with pytest.raises(InputError, match="image has 1 channels; expected 3"):
        crf(probabilities, image[:, :1])
    with pytest.raises(InputError, match="expected the same"):
        crf(probabilities[..., :-1], image)
    with pytest.raises(InputError, match="iterations is 0"):
        DenseCRF(1, 1, 1, 1, 1, iterations=0)
    with pytest.raises(InputError, match="CRF preset is 'x'; expected one of 'DeepLab'"):
        DenseCRF.preset("x")


@pytest.mark.parametrize("value", [float("nan"), -3.0, 7.5])
def test_what_is_no_probability_is_refused(value: float) -> None:
    probabilities = torch.full((1, 2, 4, 4), 0.5)
    probabilities[0, 0, 1, 1] = value
    with pytest.raises(InputError, match=r"expected \[0, 1\]: .*softmax"):
        DenseCRF.preset("LargeFOV")(probabilities, torch.zeros(1, 3, 4, 4, dtype=torch.uint8))
