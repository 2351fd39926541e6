"""A sharpener and a `CrispNet` convert into each other, and the hardness of a sharpener learns."""

from typing import Any

import pytest
import torch
from torch import nn

from crispseg import InputError, Sharpener
from crispseg.cues import LearnedCue, RGBCue
from crispseg.inference import to_crisp_net, to_sharpener
from crispseg.models import CrispNet, DeepLabLargeFOV, EmbeddingNet
from crispseg.nn import Affinity, LocalFilter

IMAGE = torch.rand(2, 3, 33, 41, generator=torch.Generator().manual_seed(0))


class Coarse(nn.Conv2d):
    """Scores at a quarter of the resolution."""

    def __init__(self, *, align_corners: bool = False) -> None:
        super().__init__(3, 5, 3, stride=4, padding=1)
        self.align_corners = align_corners


def network(filtered: str = "probabilities", *, normalize: bool = True, align_corners: bool = False) -> CrispNet:
    torch.manual_seed(0)
    embedding, affinity = EmbeddingNet(dim=4, width=4), Affinity(5, 3.0, learned=True, norm=2)
    filter_ = LocalFilter(5, passes=3, normalize=normalize)
    return CrispNet(Coarse(align_corners=align_corners), embedding, affinity, filter_, filtered=filtered).eval()  # type: ignore[arg-type]


@pytest.mark.parametrize("align_corners", [False, True])
@torch.inference_mode()
def test_a_sharpener_of_a_crisp_net_gives_what_it_gives(align_corners: bool) -> None:
    crisp = network(align_corners=align_corners)
    sharpener = to_sharpener(crisp)
    assert (sharpener.window, sharpener.passes, sharpener.grid.kind) == (
        crisp.filter.window,
        3,
        "corners" if align_corners else "centres",
    )
    assert sharpener.cue.network is crisp.embedding
    expected = crisp(IMAGE)
    torch.testing.assert_close(sharpener(IMAGE, crisp.segmenter(IMAGE)), expected, rtol=1e-4, atol=1e-4)


@torch.inference_mode()
def test_a_crisp_net_of_a_sharpener_gives_what_it_gives() -> None:
    torch.manual_seed(0)
    sharpener = Sharpener.from_pretrained(
        window=5, passes=2, hardness=7.3, cue_weight=1, score_weight=0.5, upsampling="bilinear", guard=None
    )
    segmenter = Coarse()
    crisp = to_crisp_net(sharpener, segmenter).eval()
    torch.testing.assert_close(crisp(IMAGE), sharpener(IMAGE, segmenter(IMAGE)), rtol=1e-4, atol=1e-4)
    back = to_sharpener(crisp)
    assert back.config.texts() | {"weights": "fast"} == sharpener.config.texts()


@torch.inference_mode()
def test_windows_and_score_weight_go_both_ways() -> None:
    torch.manual_seed(0)
    options: dict[str, Any] = {"window": "5@2,3", "passes": (2, 3), "cue_weight": 1, "score_weight": 0.4}
    sharpener, segmenter = Sharpener.from_pretrained(upsampling="bilinear", guard=None, **options), Coarse()
    crisp = to_crisp_net(sharpener, segmenter).eval()
    torch.testing.assert_close(crisp(IMAGE), sharpener(IMAGE, segmenter(IMAGE)), rtol=1e-4, atol=1e-4)
    back = to_sharpener(crisp)
    assert back.config.score_weight == pytest.approx(0.4)
    texts = back.with_options(score_weight=0.4).config.texts()
    assert texts | {"weights": "fast"} == sharpener.config.texts()


def test_what_a_crisp_net_lacks_is_refused() -> None:
    with pytest.raises(
        InputError, match=r"upsampling is joint; expected bilinear.*with_options\(upsampling='bilinear'\)"
    ):
        to_crisp_net(Sharpener.from_pretrained(), Coarse())
    with pytest.raises(InputError, match=r"guard is 0.4; expected none.*with_options\(guard=None\)"):
        to_crisp_net(Sharpener.from_pretrained(upsampling="bilinear", guard=0.4), Coarse())
    with pytest.raises(InputError, match=r"grid is centres; .*'corners'"):
        to_crisp_net(Sharpener.from_pretrained(upsampling="bilinear", guard=None), DeepLabLargeFOV(num_classes=2))
    with pytest.raises(InputError, match="cue is RGBCue; expected a LearnedCue"):
        to_crisp_net(Sharpener(RGBCue(), upsampling="bilinear"), Coarse())
    with pytest.raises(InputError, match=r"cue_weight is auto.*window.*5@64.*sharpener\.nearby\(\)"):
        to_crisp_net(Sharpener.from_pretrained(upsampling="bilinear", guard=None), Coarse())
    with pytest.raises(InputError, match=r'filters logits.*filtered="probabilities"'):
        to_sharpener(network("logits"))
    with pytest.raises(InputError, match="normalize=True"):
        to_sharpener(network(normalize=False))


def test_the_hardness_of_a_sharpener_learns() -> None:
    torch.manual_seed(0)
    fixed = Sharpener(LearnedCue(EmbeddingNet(dim=2, width=4)), hardness=2.0, passes=2, window=3)
    assert not list(fixed.parameters(recurse=False))
    sharpener = Sharpener(fixed.cue, hardness=2.0, passes=2, window=3, learn_hardness=True)
    scores = torch.randn(2, 3, 33, 41)
    torch.testing.assert_close(sharpener(IMAGE, scores), fixed(IMAGE, scores))
    optimizer = torch.optim.SGD([sharpener.log_hardness], lr=1.0)
    loss = sharpener(IMAGE, scores).square().mean()
    loss.backward()
    assert sharpener.log_hardness.grad is not None
    assert sharpener.log_hardness.grad.abs() > 0
    optimizer.step()
    assert sharpener.config.hardness == pytest.approx(sharpener.hardness.item())
    assert sharpener.config.hardness != 2.0


@pytest.mark.parametrize("learned", [False, True])
def test_both_say_whether_the_hardness_learns(learned: bool) -> None:
    sharpener = to_sharpener(network(), learn_hardness=learned)
    assert sharpener.learns_hardness == learned
    crisp = to_crisp_net(sharpener, Coarse(), learn_hardness=learned)
    assert crisp.affinity.log_hardness.requires_grad == learned


def test_a_learned_hardness_is_saved(tmp_path: object) -> None:
    sharpener = Sharpener(RGBCue(), learn_hardness=True, hardness=7.3)
    sharpener.save_pretrained(f"{tmp_path}/saved")
    assert Sharpener.from_pretrained(f"{tmp_path}/saved").hardness.item() == pytest.approx(7.3)
