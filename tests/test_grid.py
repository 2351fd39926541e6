"""How scores lie on their image: said in one way, honoured to the pixel, asked about where sizes do not explain it."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from crispseg import Grid, InputError, Sharpener, Window
from crispseg.cues import RGBCue
from crispseg.inference.upsampling import resize
from crispseg.ops.interpolation import at_scores, resample
from tests.grids import grids
from tests.ops import brute_force

SIDES = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(grids())
def test_a_grid_is_what_its_text_says(grid: Grid) -> None:
    assert Grid.of(str(grid)) == Grid.of(grid) == grid


@pytest.mark.parametrize(
    "text",
    [
        *("center", "centres=1", "stride", "stride=0", "stride=-8", "stride=8,9", "stride=nan", "stride=1e-9"),
        *("box=1,2", "box=4,0,4,9", "box=0,9,9,0", "box=0,0,inf,1", "box=a,b,c,d", "stretched,corners", "Corners"),
    ],
)
def test_what_is_no_grid_is_refused_with_the_choices(text: str) -> None:
    with pytest.raises(InputError, match="grid is") as refused:
        Grid.of(text)
    assert repr(text)[1:-1].split("=")[0] in str(refused.value)


@given(SIDES, SIDES)
@settings(max_examples=200, deadline=None)
def test_centres_and_corners_are_those_of_pytorch(size: tuple[int, int], scores: tuple[int, int]) -> None:
    value = torch.rand(1, 2, *scores, generator=torch.Generator().manual_seed(0))
    centres = F.interpolate(value, size=size, mode="bilinear", align_corners=False)
    assert torch.equal(resample(value, size, Grid()), centres)
    if min(scores) > 1:
        corners = F.interpolate(value, size=size, mode="bilinear", align_corners=True)
        torch.testing.assert_close(resize(value, size, Grid("corners")), corners)


@given(SIDES, st.tuples(st.integers(1, 6), st.integers(1, 6)), grids())
@settings(max_examples=60, deadline=None)
def test_every_pixel_and_every_score_lies_where_the_words_put_it(
    size: tuple[int, int], scores: tuple[int, int], grid: Grid
) -> None:
    generator = torch.Generator().manual_seed(0)
    value, image = torch.rand(1, 2, *scores, generator=generator), torch.rand(1, 2, *size, generator=generator)
    (top, down), (left, across) = brute_force.spans(str(grid), scores, size)
    pixels = [[brute_force.bilinear(value[0], (y - top) / down, (x - left) / across) for x in range(size[1])]
              for y in range(size[0])]  # fmt: skip
    found = resample(value, size, grid)[0].permute(1, 2, 0).double()
    torch.testing.assert_close(found, torch.stack([torch.stack(row) for row in pixels]), rtol=1e-3, atol=1e-3)
    centres = [[brute_force.bilinear(image[0], top + r * down, left + c * across) for c in range(scores[1])]
               for r in range(scores[0])]  # fmt: skip
    found = at_scores(image, scores, grid)[0].permute(1, 2, 0).double()
    torch.testing.assert_close(found, torch.stack([torch.stack(row) for row in centres]), rtol=1e-3, atol=1e-3)


@given(st.integers(1, 64), st.integers(1, 2000), st.integers(1, 2000), st.booleans(), st.booleans())
def test_rounding_to_whole_scores_is_explained(stride: int, height: int, width: int, up: bool, across: bool) -> None:
    rows, columns = (
        -(-side // stride) if ceiled else max(side // stride, 1) for side, ceiled in ((height, up), (width, across))
    )
    Grid().check("scores", (height, width), (rows, columns))
    Grid("corners").check("scores", (height, width), ((height - 1) // stride + 1, (width - 1) // stride + 1))
    Grid("stride", (stride,)).check("scores", (height, width), ((height - 1) // stride + 1, -(-width // stride)))


@pytest.mark.parametrize(
    ("size", "scores"), [((610, 640), (80, 80)), ((360, 480), (256, 256)), ((48, 64), (8, 6)), ((100, 100), (48, 50))]
)
@pytest.mark.parametrize("word", ["centres", "corners"])
def test_what_rounding_does_not_explain_is_asked_about(
    size: tuple[int, int], scores: tuple[int, int], word: str
) -> None:
    with pytest.raises(InputError, match="another aspect") as refused:
        Grid(word).check("scores", size, scores)
    said = str(refused.value)
    assert f"image is {size[0]}x{size[1]} but its scores are {scores[0]}x{scores[1]}" in said
    for choice in ("grid", "--grid", "stretched", "letterbox", "padded", "box="):
        assert choice in said


def test_a_stride_and_a_box_that_do_not_fit_are_refused() -> None:
    for scores in ((45, 60), (46, 62), (45, 120)):
        if scores != (45, 60):
            with pytest.raises(InputError, match="expected 45x60 or one more"):
                Grid.of("stride=8").check("scores", (360, 480), scores)
    with pytest.raises(InputError, match="outside the image"):
        Grid.of("box=480,0,500,20").check("scores", (360, 480), (4, 4))


def sharpener(**options: object) -> Sharpener:
    return Sharpener(RGBCue(), window=Window(3), hardness=20.0, passes=2, **options)  # type: ignore[arg-type]


def scene() -> Tensor:
    return torch.rand(1, 3, 61, 64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("upsampling", ["joint", "bilinear"])
@pytest.mark.parametrize(
    ("grid", "place"),
    [
        ("letterbox", lambda scores: F.pad(scores, (0, 0, 2, 2), value=99.0)),
        ("padded", lambda scores: F.pad(scores, (0, 0, 0, 4), value=99.0)),
        ("box=0,-16,64,80", lambda scores: F.pad(scores, (0, 0, 4, 4), value=99.0)),
    ],
)
@torch.inference_mode()
def test_padding_changes_nothing(upsampling: str, grid: str, place: Callable[[Tensor], Tensor]) -> None:
    image = scene()[..., :60, :] if grid != "box=0,-16,64,80" else torch.rand(1, 3, 64, 64)
    scores = torch.randn(1, 3, image.shape[-2] // 4, 16)
    if grid == "letterbox":
        image, scores = image[..., :48, :], scores[..., :12, :]
    direct = sharpener(upsampling=upsampling)(image, scores)
    placed = sharpener(upsampling=upsampling, grid=grid)(image, place(scores))
    # Only pixels nearer to the edge than half a score see the padding, where nearest scores stood before.
    torch.testing.assert_close(placed[..., 6:-6, 6:-6], direct[..., 6:-6, 6:-6], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", ["logits", "probabilities", "multilabel"])
@pytest.mark.parametrize("upsampling", ["joint", "bilinear"])
@torch.inference_mode()
def test_beside_a_box_the_probability_is_0(kind: str, upsampling: str) -> None:
    image, channels = scene(), 2 if kind == "multilabel" else 1
    mask = torch.full((1, channels, 7, 7), 0.9 if kind == "probabilities" else 4.0)
    near = Sharpener(RGBCue(), window=Window(1), passes=1, scores=kind, upsampling=upsampling)  # type: ignore[arg-type]
    crisp = near(image, mask, grid="box=10,20.5,40,50")
    likely = crisp > (0.5 if kind == "probabilities" else 0)
    expected = torch.zeros(61, 64, dtype=torch.bool)
    expected[20:50, 10:40] = True
    assert torch.equal(likely, expected.expand_as(likely))
    assert crisp.min() <= (0 if kind == "probabilities" else -80)


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_classes_that_exclude_each_other_need_scores_everywhere(kind: str) -> None:
    scores = torch.randn(1, 2, 7, 7)
    scores = scores if kind == "logits" else scores.softmax(1)
    with pytest.raises(InputError, match="without scores") as refused:
        sharpener(scores=kind)(scene(), scores, grid="box=10,20,40,50")
    assert "crop" in str(refused.value)
    sharpener(scores=kind)(scene(), scores, grid="box=0.25,-9,64,61")
