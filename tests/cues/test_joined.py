"""A cue made of cues: its features are those of its parts side by side, each times its weight."""

import copy
import json
import threading
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn

from crispseg import CueConfig, InputError, Sharpener, SharpenerConfig, Window
from crispseg.cues import (
    ContourCue,
    Cue,
    EmbeddingCue,
    JoinedCue,
    LearnedCue,
    RGBCue,
    SoftSegmentationCue,
    describe_cue,
    make_cue,
)
from crispseg.inference.tiles import sharpen_tiled
from crispseg.models import EmbeddingNet, TrunkEmbedding
from crispseg.pretrained import load_cue
from tests.marks import needs_tracing
from tests.ops import brute_force

RNG = torch.Generator().manual_seed(0)
IMAGE = torch.rand(2, 3, 7, 9, generator=RNG)
PHOTO = torch.rand(1, 3, 96, 128, generator=RNG)
SCORES = 3 * torch.randn(1, 4, 12, 16, generator=RNG)


def learned(norm: int = 1) -> LearnedCue:
    torch.manual_seed(0)
    return LearnedCue(nn.Conv2d(3, 5, 1), norm)


@pytest.mark.parametrize("norm", [1, 2])
def test_features_are_concatenated_and_distances_add(norm: int) -> None:
    first, second = learned(norm), RGBCue(norm)
    cue = JoinedCue([first, second], [2, 0.5])
    expected = torch.cat([2 * first(IMAGE), 0.5 * IMAGE], 1)
    for context in (torch.enable_grad(), torch.no_grad(), torch.inference_mode()):
        with context:
            assert torch.equal(cue(IMAGE), expected)
    by_hand = [brute_force.local_distance(part(IMAGE).detach(), Window(3), norm=norm) for part in (first, second)]
    total = sum(((weight * each) ** norm for weight, each in zip((2, 0.5), by_hand, strict=True)), torch.tensor(0.0))
    torch.testing.assert_close(cue.distance(cue(IMAGE), 3).double(), total ** (1 / norm), rtol=1e-5, atol=1e-6)
    weights = cue.weights(cue(IMAGE), 3, 1.5).double()
    torch.testing.assert_close(weights, (-1.5 * total ** (1 / norm)).exp(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weights", [(1.0, 0.5), (0.5, 1.0)])
def test_the_memory_layout_is_that_of_the_widest_part(weights: tuple[float, float]) -> None:
    net = EmbeddingNet(dim=4, width=4).eval()
    cue = JoinedCue([LearnedCue(net), RGBCue()], weights)
    for context in (torch.enable_grad(), torch.inference_mode()):
        with context:
            features = cue(PHOTO)
            assert features.is_contiguous(memory_format=torch.channels_last)
            assert torch.equal(features, torch.cat([weights[0] * net(PHOTO), weights[1] * PHOTO], 1))


def test_attributes_are_made_of_those_of_the_parts() -> None:
    net = EmbeddingNet(dim=4, width=4)
    cue = JoinedCue([LearnedCue(net), RGBCue()], [1, 0.5])
    assert (cue.default_hardness, cue.default_passes) == (1.5, 25)
    assert (cue.channels, cue.reach, cue.step, cue.norm) == (7, net.reach, net.step, 1)
    assert cue.workspace == net.workspace + 7
    assert cue.farthest == pytest.approx(4 + 0.5)
    assert cue.needs == ("weights",)
    assert cue.name == "learned+rgb"
    assert cue.summary == "learned embeddings and colours"
    assert not cue.takes_boundaries
    other = JoinedCue([RGBCue(2), SoftSegmentationCue()])
    assert (other.default_hardness, other.default_passes) == (5.0, 1)
    assert (other.channels, other.reach, other.step) == (11, None, 1)
    assert other.farthest == pytest.approx((1 + 0.25) ** 0.5)
    assert JoinedCue([learned(), RGBCue()]).channels is None
    assert "norm=1, weights=(1, 0.5)" in repr(cue)


class Own(EmbeddingCue):
    default_hardness: ClassVar[float] = 1.0
    default_passes: ClassVar[int] = 1
    summary: ClassVar[str] = "angles"

    def forward(self, image: Tensor) -> Tensor:
        return image

    def distance(self, features: Tensor, window: Any) -> Tensor:
        return super().distance(features, window).square()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: JoinedCue([RGBCue(), ContourCue()]),  # type: ignore[list-item]
            r"'contour' compares boundaries.*; expected cues that compare emb",
        ),
        (lambda: JoinedCue([RGBCue(), Own(1)]), "'Own' compares angles; expected cues that compare embeddings"),
        (lambda: JoinedCue([RGBCue(), JoinedCue([RGBCue(), RGBCue()])]), "'rgb.rgb' compares several cues already"),
        (lambda: JoinedCue([RGBCue(1), RGBCue(2)]), "norms 1, 2; expected the same norm"),
        (lambda: JoinedCue([RGBCue()]), "1 parts and 1 weights; expected at least two"),
        (lambda: JoinedCue([RGBCue(), RGBCue()], [1]), "2 parts and 1 weights"),
        (lambda: JoinedCue([RGBCue(), RGBCue()], [1, 0]), "weight of cue 'rgb' is 0.0; expected a number above 0"),
        (lambda: JoinedCue([RGBCue(), RGBCue()], [-1, 1]), "weight of cue 'rgb' is -1.0"),
        (lambda: JoinedCue([RGBCue(), RGBCue()], [1, float("nan")]), "weight of cue 'rgb' is nan"),
        (lambda: load_cue(CueConfig.of("learned+contour")), "'contour' compares boundaries"),
        (lambda: load_cue(CueConfig.of("learned+rgb:norm=2")), "norms 1, 2; .*'learned:norm=2.rgb:norm=2'"),
        (lambda: load_cue(CueConfig.of("learned+depth")), "cue is 'depth'; expected one of"),
        (lambda: load_cue(CueConfig.of("learned+none")), "cue is 'none'; expected one of"),
        (lambda: make_cue(CueConfig.of("learned+rgb")), "cue 'learned' has no weights"),
    ],
)
def test_parts_that_do_not_go_together_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_part_that_is_no_cue_is_refused() -> None:
    with pytest.raises(TypeError, match=r"cue is Conv2d; .*LearnedCue"):
        JoinedCue([RGBCue(), nn.Conv2d(3, 4, 1)])  # type: ignore[list-item]


def test_two_networks_from_text_and_from_python() -> None:
    sharpener = Sharpener.from_pretrained("fast,best", cue="learned+0.5*learned", window=3, passes=1)
    parts = [LearnedCue(load_cue(CueConfig(weights=name)).network) for name in ("fast", "best")]  # type: ignore[arg-type]
    made = Sharpener(JoinedCue(parts, [1, 0.5]), window=3, passes=1)
    with torch.inference_mode():
        assert torch.equal(sharpener(PHOTO, SCORES), made.eval()(PHOTO, SCORES))
    again = Sharpener.from_config(sharpener.config)
    assert again.config == sharpener.config
    with torch.inference_mode():
        assert torch.equal(sharpener(PHOTO, SCORES), again(PHOTO, SCORES))


SAVED = {
    "learned+rgb": lambda: JoinedCue([LearnedCue(EmbeddingNet(dim=4, width=4)), RGBCue()], [1, 0.3]),
    "trunk": lambda: JoinedCue([RGBCue(), LearnedCue(TrunkEmbedding("torchvision.resnet18", dim=4).eval())]),
    "two networks": lambda: JoinedCue([LearnedCue(EmbeddingNet(dim=n, width=4), norm=2) for n in (4, 6)], [0.7, 2]),
    "rgb+soft": lambda: JoinedCue([RGBCue(2), SoftSegmentationCue()], [0.5, 3]),
    "learned weights": lambda: JoinedCue(
        [LearnedCue(EmbeddingNet(dim=4, width=4)), RGBCue()], [1, 0.3], learn_weights=True
    ),
}  # fmt: skip


@pytest.mark.parametrize(
    ("case", "dtype"),
    [
        *((case, torch.float32) for case in SAVED if case != "trunk"),
        pytest.param("trunk", torch.float32, marks=pytest.mark.slow),  # makes a network of torchvision
        ("learned+rgb", torch.bfloat16),
        ("two networks", torch.bfloat16),
    ],
)
def test_a_folder_loads_the_same_to_the_bit(case: str, dtype: torch.dtype, tmp_path: Path) -> None:
    torch.manual_seed(0)
    sharpener = Sharpener(SAVED[case](), window=3, passes=2).eval()
    sharpener.cue.to(dtype)
    sharpener.save_pretrained(tmp_path / "saved")
    loaded = Sharpener.from_pretrained(tmp_path / "saved")
    with torch.inference_mode():
        found, expected = loaded(PHOTO, SCORES), sharpener(PHOTO, SCORES)
    assert torch.equal(found, expected) or case == "learned weights"
    torch.testing.assert_close(found, expected)
    assert describe_cue(loaded.cue) == describe_cue(sharpener.cue)
    card = (tmp_path / "saved" / "README.md").read_text()
    assert f"| cue | {describe_cue(sharpener.cue)} |" in card
    assert f"| what is compared | {sharpener.cue.summary} |" in card


def test_other_weights_and_further_parts_for_a_saved_cue(tmp_path: Path) -> None:
    alone = Sharpener(LearnedCue(EmbeddingNet(dim=4, width=4)), hardness=3.0).eval()
    alone.save_pretrained(tmp_path / "alone")
    joined = Sharpener.from_pretrained(tmp_path / "alone", cue="learned+rgb")
    assert float(joined.hardness) == 3
    assert torch.equal(joined.cue(PHOTO), torch.cat([alone.cue(PHOTO), PHOTO], 1))
    joined.save_pretrained(tmp_path / "joined")
    softer = Sharpener.from_pretrained(tmp_path / "joined", cue="learned+0.25*rgb")
    assert torch.equal(softer.cue(PHOTO), torch.cat([alone.cue(PHOTO), PHOTO / 4], 1))
    for cue in ("rgb+learned", "rgb", "learned+learned"):
        with pytest.raises(InputError, match=r"were saved with 'learned\+rgb'; leave the cue out"):
            Sharpener.from_pretrained(tmp_path / "joined", cue=cue)


def test_a_network_in_half_precision_stands_beside_exact_colours() -> None:
    net = EmbeddingNet(dim=4, width=4).eval()
    cue = JoinedCue([LearnedCue(net), RGBCue()])
    sharpener = Sharpener(cue, window=3, passes=1).eval()
    cue.to(torch.bfloat16)
    with torch.inference_mode():
        features = sharpener.features(PHOTO)
        assert features.dtype == torch.float32
        assert torch.equal(features[:, 4:], PHOTO)
        assert torch.equal(features[:, :4], net(PHOTO.bfloat16()).float())
    assert sharpener.config.texts()["precision"] == "bfloat16"
    assert Sharpener(JoinedCue([RGBCue(), RGBCue()])).double().features(PHOTO).dtype == torch.float32
    assert sharpener.double().features(PHOTO).dtype == torch.float64


@pytest.mark.slow  # segments
@pytest.mark.parametrize("text", ["learned+0.5*rgb", "rgb:norm=2+soft"])
def test_tiles_give_the_whole_exactly(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.tiles.tile_side", lambda *_: 40)
    photo = torch.rand(3, 150, 170, generator=torch.Generator().manual_seed(1))
    for grid in ((19, 22), (150, 170)):
        scores = torch.randn(3, *grid, generator=torch.Generator().manual_seed(2))
        sharpener = Sharpener(load_cue(CueConfig.of(text)), window=3, passes=2).eval()
        with torch.inference_mode():
            whole = sharpener(photo[None], scores[None])[0]
        torch.testing.assert_close(
            sharpen_tiled(photo[None], scores[None], sharpener, memory="4GB")[0], whole, rtol=0, atol=1e-5
        )


def test_gradients_reach_networks_and_learned_weights() -> None:
    cue = JoinedCue([learned(), RGBCue()], [1, 0.5], learn_weights=True).double()
    image = IMAGE.double().requires_grad_()
    cue.weights(cue(image), 3, 1.0).sum().backward()
    assert cue.log_weights is not None
    assert cue.log_weights.grad is not None
    assert (cue.log_weights.grad < 0).all()
    assert image.grad is not None
    fixed = JoinedCue([learned(), RGBCue()])
    assert set(fixed.state_dict()) == {"parts.0.network.weight", "parts.0.network.bias"}
    assert set(cue.state_dict()) == {*fixed.state_dict(), "log_weights"}
    made = JoinedCue([RGBCue(), RGBCue()], [1, 0.3], learn_weights=True)
    assert [weight for weight, _ in Sharpener(made).config.cue.parts] == pytest.approx([1, 0.3], rel=1e-6)


def test_copies_state_dicts_and_threads_agree() -> None:
    sharpener = Sharpener(SAVED["learned+rgb"](), window=3, passes=2).eval()
    twin = copy.deepcopy(sharpener)
    assert twin.config == sharpener.config
    other = Sharpener(SAVED["learned+rgb"](), window=3, passes=2).eval()
    other.load_state_dict(sharpener.state_dict())
    found: list[Tensor] = []

    def work() -> None:
        with torch.inference_mode():
            found.append(sharpener(PHOTO, SCORES))

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with torch.inference_mode():
        assert all(torch.equal(result, found[0]) for result in (*found, twin(PHOTO, SCORES), other(PHOTO, SCORES)))
    assert len(found) == 2


@needs_tracing
@pytest.mark.slow  # traces
def test_torch_export_takes_it() -> None:
    sharpener = Sharpener(SAVED["learned+rgb"](), window=3, passes=2).eval()
    program = torch.export.export(sharpener, (PHOTO, SCORES)).module()
    with torch.inference_mode():
        torch.testing.assert_close(program(PHOTO, SCORES), sharpener(PHOTO, SCORES))


def test_the_config_of_a_sharpener_holds_it() -> None:
    config = SharpenerConfig(cue="learned+0.5*rgb")
    assert SharpenerConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    sharpener = Sharpener.from_config(config)
    assert (float(sharpener.hardness), sharpener.passes) == (1.5, 4)
    assert isinstance(sharpener.cue, Cue)
