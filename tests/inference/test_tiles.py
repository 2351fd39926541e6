"""Tiled equals untiled, within the memory that was given."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from crispseg import Grid, InputError, Sharpener, Window
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.data.box import Box, cut
from crispseg.data.pixels import TensorPixels, read_resized
from crispseg.inference import parts, tiles
from crispseg.inference.memory import bytes_per_pixel, parse_memory, tile_side
from crispseg.inference.parts import halo
from crispseg.inference.tiles import sharpen_tiled, sharpen_tiles
from crispseg.inference.upsampling import resize
from crispseg.models import EmbeddingNet
from crispseg.process_memory import resident_bytes
from tests.grids import grids

CUES: dict[str, Callable[[], Cue]] = {
    "learned": lambda: LearnedCue(EmbeddingNet(8, width=8)),
    "rgb": RGBCue,
    "soft": SoftSegmentationCue,
}


def inputs(size: tuple[int, int], scores_size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, *size, generator=generator), 3 * torch.randn(1, 5, *scores_size, generator=generator)


def tiled(sharpener: Sharpener, image: Tensor, scores: Tensor, side: int, monkeypatch: pytest.MonkeyPatch) -> Tensor:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: side)
    monkeypatch.setattr(parts, "STRIP", 23)
    return sharpen_tiled(image, scores, sharpener, memory="16GiB")


@pytest.mark.parametrize(
    "cue",
    [pytest.param(cue, marks=[pytest.mark.slow] if cue == "soft" else []) for cue in CUES],  # solves for its maps
)
@pytest.mark.parametrize("side", [13, 32, 500])
@pytest.mark.parametrize("kind", ["logits", "probabilities", "multilabel"])
@torch.inference_mode()
def test_tiled_equals_untiled(cue: str, side: int, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    sharpener = Sharpener(CUES[cue](), window=Window(3, 2), hardness=1.5, passes=3, scores=kind)  # type: ignore[arg-type]
    image, scores = inputs((83, 69), (11, 9))
    scores = scores if kind != "probabilities" else scores.softmax(1)
    torch.testing.assert_close(
        tiled(sharpener, image, scores, side, monkeypatch), sharpener(image, scores), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("cue", CUES)
@pytest.mark.parametrize(("size", "kind"), [((83, 69), "logits"), ((11, 9), "multilabel_probabilities")])
@torch.inference_mode()
def test_several_windows_and_the_score_weight_in_tiles(
    cue: str, size: tuple[int, int], kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    options = {"window": "3@4,5@2,3", "passes": (2, 1, 3), "score_weight": 0.6, "guard": 0.3, "scores": kind}
    sharpener = Sharpener(CUES[cue](), hardness=1.5, **options)  # type: ignore[arg-type]
    assert halo(sharpener, sharpener.grid.lines((83, 69), size)) == 2 * 4 + 1 * 4 + 3 * 1
    image, scores = inputs((83, 69), size)
    scores = scores if kind == "logits" else scores.sigmoid()
    torch.testing.assert_close(
        tiled(sharpener, image, scores, 17, monkeypatch), sharpener(image, scores), rtol=1e-4, atol=1e-4
    )


LYING = {
    "centres": ("logits", (11, 9)),
    "corners": ("logits", (11, 9)),
    "stride=8": ("logits", (11, 9)),
    "stride=8,3.5": ("probabilities", (11, 9)),
    "stretched": ("logits", (9, 9)),
    "letterbox": ("logits", (16, 16)),
    "padded": ("probabilities", (16, 16)),
    "box=-10,-20,75.5,90": ("logits", (11, 9)),
    "box=30,41.5,60,70": ("multilabel", (7, 7)),
}
"""A kind of scores, and rows and columns, by how they lie on 83x69 pixels."""


@pytest.mark.parametrize("grid", LYING)
@pytest.mark.parametrize(("upsampling", "side"), [("joint", 13), ("bilinear", 32)])
@torch.inference_mode()
def test_tiled_equals_untiled_however_scores_lie(
    grid: str, upsampling: str, side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, size = LYING[grid]
    options = {"scores": kind, "upsampling": upsampling, "grid": grid}
    sharpener = Sharpener(RGBCue(), window=Window(3, 2), hardness=1.5, passes=3, **options)  # type: ignore[arg-type]
    image, scores = inputs((83, 69), size)
    scores = scores if kind != "probabilities" else scores.softmax(1)
    torch.testing.assert_close(
        tiled(sharpener, image, scores, side, monkeypatch), sharpener(image, scores), rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("side", [1, 5])
@torch.inference_mode()
def test_tiles_smaller_than_half_a_score_find_what_lies_beside_them(side: int, monkeypatch: pytest.MonkeyPatch) -> None:
    sharpener = Sharpener(RGBCue(), window=Window(1), hardness=1.5, passes=1)
    image, scores = inputs((16, 24), (1, 2))
    torch.testing.assert_close(tiled(sharpener, image, scores, side, monkeypatch), sharpener(image, scores))


@pytest.mark.parametrize("less", ["reach", "step", "halo", "halo of the guard"])
@torch.inference_mode()
def test_every_pixel_of_the_margin_is_needed(less: str, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.manual_seed(0)
    guard = 0.3 if less == "halo of the guard" else None  # which reaches one pixel farther than the filter
    sharpener = Sharpener(LearnedCue(EmbeddingNet(8, width=8)), window=Window(3), hardness=0.1, passes=3, guard=guard)
    image, scores = inputs((83, 69), (83, 69))
    if guard:  # a stripe is whole, or thin, because of a pixel four pixels away
        scores = F.avg_pool2d(F.pad(scores, [3] * 4), 7, 1) * 10
    if less.startswith("halo"):
        monkeypatch.setattr(parts, "halo", lambda *given: halo(*given) - 1)
    else:
        setattr(sharpener.cue, less, {"reach": 12, "step": 1}[less])
    with pytest.raises(AssertionError):
        torch.testing.assert_close(
            tiled(sharpener, image, scores, 13, monkeypatch), sharpener(image, scores), rtol=1e-5, atol=1e-5
        )


def test_the_reach_of_the_embedding_is_that_of_its_gradient() -> None:
    torch.manual_seed(0)
    network = EmbeddingNet(4, width=8).double()
    seen = 0
    for row in range(48, 48 + network.step):
        image = torch.rand(1, 3, 104, 104, dtype=torch.float64, requires_grad=True)
        network(image)[0, :, row, row].sum().backward()
        assert image.grad is not None
        seen = max(seen, int((image.grad.abs().sum((0, 1)).nonzero() - row).abs().max()))
    assert seen == network.reach
    assert EmbeddingNet(4, width=8, pool="3x3").reach is None


@torch.inference_mode()
def test_features_from_elsewhere_are_read_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tiles, "tile_side", lambda *_: 17)
    sharpener = Sharpener(ContourCue(), window=Window(5), passes=2)
    image, scores = inputs((40, 52), (10, 13))
    boundary = torch.rand(1, 1, 40, 52)
    expected = sharpener(image, scores, features=boundary)
    pixels = (TensorPixels(part[0]) for part in (image, scores, boundary))
    for tile in sharpen_tiles(next(pixels), next(pixels), sharpener, memory="16GiB", features=next(pixels)):
        rows, columns = tile.box.slices
        torch.testing.assert_close(tile.scores, expected[0, :, rows, columns], rtol=1e-4, atol=1e-4)


@given(
    st.tuples(st.integers(1, 30), st.integers(1, 30)),
    st.tuples(st.integers(1, 40), st.integers(1, 40)),
    st.integers(1, 20),
    grids(),
)
@settings(max_examples=100, deadline=None)
def test_parts_of_a_resized_map_are_those_of_the_whole(
    size: tuple[int, int], resized: tuple[int, int], side: int, grid: Grid
) -> None:
    value = torch.randn(2, *size, generator=torch.Generator().manual_seed(0))
    whole, lines = resize(value[None], resized, grid)[0], grid.lines(resized, size)
    for box in cut(resized, side):
        rows, columns = box.slices
        torch.testing.assert_close(read_resized(TensorPixels(value), lines, box), whole[:, rows, columns])


def test_boxes_cover_an_image_once() -> None:
    covered = torch.zeros(23, 31)
    for box in cut((23, 31), 7):
        rows, columns = box.slices
        covered[rows, columns] += 1
    assert covered.eq(1).all()
    assert Box(5, 6, 9, 9).starting_at(4) == Box(4, 4, 9, 9)


@pytest.mark.parametrize(
    ("text", "size"), [("2GiB", 2**31), ("800 MB", 8 * 10**8), ("1.5g", 15 * 10**8), (4096, 4096), ("64KiB", 65536)]
)
def test_memory_is_read(text: str | int, size: int) -> None:
    assert parse_memory(text) == size


@pytest.mark.parametrize("text", ["", "much", "-2GiB", "0", "2 GiB of it", "2XB"])
def test_memory_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="expected a size such as 2GiB"):
        parse_memory(text)


@pytest.mark.parametrize("size", [(120, 160), (8, 2000)])
def test_a_margin_outside_the_image_takes_no_memory(size: tuple[int, int]) -> None:
    """A small image was refused in 1 GiB, though it takes a few MiB."""
    sharpener = Sharpener.from_pretrained()
    each = bytes_per_pixel(sharpener, 21)
    memory = resident_bytes() + 240 * 2**20  # 112 of them are held back for libraries
    assert tile_side(sharpener, each, size, memory, 550) == max(size)


def test_too_little_memory_is_refused_with_what_is_needed() -> None:
    sharpener = Sharpener.from_pretrained()
    each = bytes_per_pixel(sharpener, 11)
    with pytest.raises(InputError, match=r"119 pixels around it; expected .* GiB or more"):
        tile_side(sharpener, each, (1000, 1000), 2**20, 119)
    few, many = (tile_side(sharpener, each, (10**4, 10**4), gib * 2**30, 119) for gib in (4, 8))
    assert few < many


class Unbounded(Cue):
    """Says nothing of its reach."""

    default_hardness, default_passes, channels = 1.0, 1, 1

    def forward(self, image: Tensor) -> Tensor:
        return image.mean(1, keepdim=True) - image.mean()

    def distance(self, features: Tensor, window: Window) -> Tensor:
        return RGBCue().distance(features, window)


@torch.inference_mode()
def test_a_cue_that_sees_the_whole_image_is_asked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    sharpener = Sharpener(Unbounded(), window=Window(3), passes=2)
    image, scores = inputs((40, 52), (10, 13))
    torch.testing.assert_close(tiled(sharpener, image, scores, 16, monkeypatch), sharpener(image, scores))
    assert LearnedCue(nn.Conv2d(3, 4, 1)).reach is None


@pytest.mark.parametrize(("cue", "of_labels"), [(Unbounded, False), (RGBCue, False), (RGBCue, True)])
def test_more_neighbours_and_scores_that_are_compared_take_memory(cue: type[Cue], *, of_labels: bool) -> None:
    options: list[dict[str, Any]] = [
        {"window": 3, "score_weight": 0},
        {"window": "3,9", "score_weight": 0},
        {"window": "3,9", "score_weight": 0.5},
    ]
    few, many, comparing = (bytes_per_pixel(Sharpener(cue(), **given), 16, of_labels=of_labels) for given in options)
    stored = of_labels or cue is Unbounded  # the kernel for embeddings makes weights where they are used
    assert few < many < comparing if stored else few == many < comparing


_PEAK = """
import torch
from crispseg import Sharpener
from crispseg.data.pixels import TensorPixels
from crispseg.inference.tiles import sharpen_tiles
from crispseg.process_memory import peak_bytes, resident_bytes
image = torch.randint(0, 256, (3, 900, 1100), dtype=torch.uint8)
scores = torch.randn(11, 113, 138)
sharpener = Sharpener.from_pretrained(**OPTIONS)
memory = resident_bytes() + 360 * 2**20
count = sum(1 for _ in sharpen_tiles(TensorPixels(image), TensorPixels(scores), sharpener, memory=memory))
print(count, memory, peak_bytes())
"""


@pytest.mark.parametrize("options", ["window=9, passes=4", "window='5@2,5', passes=2, score_weight=0.5"])
def test_the_peak_stays_within_the_memory(options: str) -> None:
    code = f"OPTIONS = dict({options})\n{_PEAK}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=Path.cwd())
    count, memory, peak = map(int, done.stdout.split())
    assert count > 1
    assert peak <= memory
