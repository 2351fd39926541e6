"""A `SharpenedModel` in the place of its network: outputs of any type, and methods that skip the sharpener."""

from collections import defaultdict
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import segmentation_models_pytorch as smp
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from crispseg import SharpenedModel, Sharpener
from crispseg.cues import RGBCue
from crispseg.inference import semantic_probabilities


@pytest.mark.parametrize("wrap", [nn.DataParallel, AveragedModel, lambda model: nn.DataParallel(AveragedModel(model))])
def test_a_wrapper_does_not_hide_how_the_scores_lie(
    wrap: Callable[[nn.Module], nn.Module], sharpener: Sharpener
) -> None:
    network = nn.Conv2d(3, 4, 3, stride=4, padding=1)
    network.align_corners = True  # type: ignore[assignment]
    image = torch.rand(1, 3, 33, 49)
    with torch.inference_mode():
        expected = sharpener(image, network(image), grid="corners")
        torch.testing.assert_close(SharpenedModel(network, sharpener)(image), expected)
        torch.testing.assert_close(SharpenedModel(wrap(network), sharpener)(image), expected)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_pixels_far_from_every_mask_have_the_class_of_the_nearest(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    classes = 3 * torch.randn(1, 6, 5, generator=generator).to(dtype)
    masks = (40 * torch.randn(1, 6, 8, 9, generator=generator) - 150).to(dtype)
    ours = semantic_probabilities(SimpleNamespace(class_queries_logits=classes, masks_queries_logits=masks))
    exact = torch.einsum("nql,nqhw->nlhw", classes.double().softmax(-1)[..., :-1], masks.double().sigmoid())
    assert ours.dtype == dtype
    slack = 4 * torch.finfo(dtype).eps
    torch.testing.assert_close(ours.double(), exact / exact.sum(1, keepdim=True), rtol=slack, atol=slack)


class Seen(RGBCue):
    """Keeps the images that it gets."""

    def __init__(self, seen: list[Tensor]) -> None:
        super().__init__()
        self.seen = seen

    def forward(self, image: Tensor) -> Tensor:
        self.seen.append(image)
        return super().forward(image)


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(window=5, passes=1)


def test_a_dictionary_stays_of_its_type_and_the_given_one_as_it_is(sharpener: Sharpener) -> None:
    given: dict[str, Any] = defaultdict(list, out=torch.randn(1, 4, 8, 12))
    crisp = SharpenedModel(lambda _: given, sharpener)(torch.rand(1, 3, 32, 48))
    assert (crisp["out"].shape, given["out"].shape, crisp["more"]) == ((1, 4, 32, 48), (1, 4, 8, 12), [])


@pytest.mark.parametrize("name", ["predict", "save_pretrained", "push_to_hub"])
def test_methods_that_leave_out_the_sharpener_are_refused(name: str, sharpener: Sharpener) -> None:
    model = SharpenedModel(smp.Unet("resnet18", encoder_weights=None), sharpener)
    assert callable(getattr(model.model, name))
    assert not hasattr(model, name)
    with pytest.raises(AttributeError, match=rf"{name} of Unet would leave out the sharpener; .* \.model\.{name}"):
        getattr(model, name)


@pytest.mark.parametrize(("dtype", "most"), [(torch.bfloat16, 0.004), (torch.float16, 5e-4), (torch.float64, 1e-7)])
def test_the_normalisation_is_undone_as_exactly_as_the_precision_allows(
    dtype: torch.dtype, most: float, sharpener: Sharpener
) -> None:
    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    image, seen = torch.rand(1, 3, 32, 48), list[Tensor]()
    model = SharpenedModel(nn.Conv2d(3, 4, 8, stride=8), sharpener, mean=mean, std=std).to(dtype)
    model.sharpener = Sharpener(Seen(seen))
    model(((image - mean[:, None, None]) / std[:, None, None]).to(dtype))
    assert (seen[0] - image).abs().max() < most
    assert not dict(model.named_buffers(recurse=False))
