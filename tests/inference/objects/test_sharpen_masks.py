"""Masks of objects: what they may be, where they change, and that a part of the image is enough to compute them."""

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from crispseg import Grid, InputError, Sharpener, sharpen_masks
from crispseg.cues import RGBCue
from crispseg.inference.objects import MASK_OPTIONS
from crispseg.inference.objects.cell_means import holds_means
from crispseg.inference.objects.open_masks import SOFTER, SURER
from crispseg.inference.objects.sharpening import sharpener_of_mask
from crispseg.ops import local_filter
from crispseg.scores import Scores

SIZE = (72, 96)
SOFT: Scores = "multilabel_probabilities"


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener.from_pretrained(window="5@4,5@2,5", passes=2, hardness=2.0)


def image() -> Tensor:
    """Return a (3, H, W) uint8 image of noise with a bright rectangle: rows 20 to 50, columns 30 to 70."""
    pixels = torch.randint(0, 60, (3, *SIZE), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    pixels[:, 20:50, 30:70] += 150
    return pixels


def disc(rows: int, columns: int) -> Tensor:
    """Return a soft (rows, columns) mask that falls from 1 to 0 slowly."""
    down, across = torch.linspace(-1, 1, rows)[:, None], torch.linspace(-1, 1, columns)
    return (1.3 - 1.3 * (down.square() + across.square()).sqrt()).clamp(0, 1)


def test_a_blurry_mask_takes_the_shape_of_the_object_in_the_image() -> None:
    truth = torch.zeros(SIZE, dtype=torch.bool)
    truth[20:50, 30:70] = True
    blurry = torch.nn.functional.avg_pool2d(truth[None].float(), 15, 1, 7).roll((3, 3), (1, 2))
    before = blurry > 0.5
    crisp = torch.as_tensor(sharpen_masks(image(), blurry, scores=SOFT))
    assert crisp.dtype == torch.bool
    assert int((crisp ^ truth).sum()) < 0.8 * int((before ^ truth).sum())


def test_the_part_that_is_computed_gives_what_the_whole_image_gives(sharpener: Sharpener) -> None:
    """The definition, in the whole image: pixels that are sure, or change sides in spite of the image, keep values."""
    cells, place = disc(9, 9), [20.0, 14.0, 56.0, 50.0]
    before = torch.zeros(SIZE)
    before[14:50, 20:56] = torch.nn.functional.interpolate(cells[None, None], size=(36, 36), mode="bilinear")[0, 0]
    free, values, blind = (before - 0.5).abs() < 0.4, before.clone(), before.clone()
    with torch.inference_mode():
        features = sharpener.features(image()[None])
        for level in sharpener.levels:
            weights = sharpener.cue.weights(features, level.window, SOFTER * sharpener.hardness)
            for _ in range(level.passes):
                values = torch.where(free, local_filter(values[None, None], weights, level.window)[0, 0], values)
                alike = local_filter(blind[None, None], torch.ones_like(weights), level.window)[0, 0]
                blind = torch.where(free, alike, blind)
    refused = ((values > 0.5) & (before <= 0.5) & (values - blind <= 1e-3)) | (
        (values <= 0.5) & (before > 0.5) & (blind - values <= 1e-3)
    )
    crisp = torch.as_tensor(sharpen_masks(image(), cells[None], [place], scores=SOFT, sharpener=sharpener, soft=True))
    torch.testing.assert_close(crisp[0], torch.where(refused, before, values), rtol=1e-4, atol=1e-5)
    assert refused.any()
    assert (crisp[0] - before).abs().max() > 0.1  # it did something


def test_the_hardness_follows_what_a_mask_is_like() -> None:
    """A mask of a network is moved most, one of 0 and 1 less, and an averaged one by a small window alone."""
    truth = torch.zeros(1, *SIZE)
    truth[:, 13:50, 11:67] = 1
    averaged = torch.nn.functional.avg_pool2d(truth, 8)
    sharpener, grid = Sharpener(RGBCue(), window="5@4,5", passes=(3, 2), hardness=4.0), Grid("stretched")
    natures = {
        "network": disc(9, 12)[None],
        "confident network": averaged.clamp(0.02, 0.98),  # changes from cell to cell, but is nowhere quite sure
        "bool": averaged > 0.5,
        "averaged": averaged,
    }
    found = {
        name: sharpener_of_mask(sharpener, mask, 0, SIZE, scores=None if name == "bool" else SOFT, grid=grid)
        for name, mask in natures.items()
    }
    assert {name: float(one.hardness) for name, one in found.items()} == {
        "network": 4 * SOFTER, "confident network": 4 * SOFTER, "bool": 4, "averaged": 4 * SURER
    }  # fmt: skip
    assert [str(found[name].window) for name in natures] == ["5@4,5", "5@4,5", "5@4,5", "5"]


def test_masks_of_0_and_1_are_moved_as_far_as_a_networks_if_a_band_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    mask, hard = torch.zeros(1, *SIZE, dtype=torch.bool), Sharpener(RGBCue(), window=5, passes=3, hardness=40.0)
    mask[0, 17:52, 27:72] = True
    crisp = sharpen_masks(image(), mask, sharpener=hard, band=5)
    monkeypatch.setattr("crispseg.inference.objects.open_masks.SOFTER", 1)
    soft = sharpen_masks(image(), mask, sharpener=hard.with_options(hardness=40.0 * SOFTER), band=5)
    assert torch.equal(torch.as_tensor(crisp), torch.as_tensor(soft))
    assert not torch.equal(
        torch.as_tensor(crisp), torch.as_tensor(sharpen_masks(image(), mask, sharpener=hard, band=5))
    )


@pytest.mark.parametrize("is_hard", [False, True])
def test_without_evidence_in_the_image_the_upsampled_mask_stays(is_hard: bool) -> None:
    """An image of one colour says nothing of boundaries: a filter alone would round corners."""
    blind = Sharpener(RGBCue(), window="5@4,5@2,5", passes=4).eval()
    cells = torch.zeros(9, 12)
    cells[3:6, 3:8] = 1
    cells = cells if is_hard else torch.nn.functional.avg_pool2d(cells[None], 3, 1, 1)[0]
    before = torch.nn.functional.interpolate(cells[None, None], size=SIZE, mode="bilinear")[0] > 0.5
    given = cells > 0.5 if is_hard else cells
    flat = torch.full((3, *SIZE), 90, dtype=torch.uint8)
    kind = None if is_hard else SOFT
    assert torch.equal(torch.as_tensor(sharpen_masks(flat, given[None], scores=kind, sharpener=blind)), before)


def test_a_mask_that_would_fill_its_cells_worse_stays() -> None:
    """A bar whose upsampled mask has its corners rounded less than the filter would."""
    truth = torch.zeros(1, *SIZE)
    truth[:, 24:33, 8:88] = 1
    cells = torch.nn.functional.avg_pool2d(truth, 8)
    before = torch.nn.functional.interpolate(cells[None], size=SIZE, mode="bilinear")[0] > 0.5
    assert holds_means(cells[0], (8, 8))
    many = Sharpener(RGBCue(), window=5, passes=40).eval()
    assert torch.equal(torch.as_tensor(sharpen_masks(image(), cells, scores=SOFT, sharpener=many)), before)


def test_masks_do_not_affect_each_other(sharpener: Sharpener) -> None:
    cells = torch.stack([disc(9, 9), disc(9, 9).flip(0) * 0.9, torch.zeros(9, 9), disc(9, 9).T * 0.8])
    boxes = torch.tensor([[4.0, 4, 40, 40], [20, 20, 90, 70], [0, 0, 30, 30], [50.5, 3.25, 70, 20]])
    together = sharpen_masks(image(), cells, boxes, scores=SOFT, sharpener=sharpener, soft=True)
    for n in (3, 0):
        alone = sharpen_masks(image(), cells[n : n + 1], boxes[n : n + 1], scores=SOFT, sharpener=sharpener, soft=True)
        torch.testing.assert_close(torch.as_tensor(together)[n], torch.as_tensor(alone)[0], rtol=1e-4, atol=1e-5)
    assert not torch.as_tensor(together)[2].any()


def test_a_mask_changes_only_near_its_boundary() -> None:
    mask = torch.zeros(1, *SIZE, dtype=torch.bool)
    mask[0, 16:54, 26:74] = True  # four pixels too large
    near = torch.as_tensor(sharpen_masks(image(), mask))
    far = torch.as_tensor(sharpen_masks(image(), mask, band=6))
    assert near[0, 18:52, 28:72].all()
    assert int(far.sum()) < int(near.sum())
    assert far[0, 24:46, 34:66].all()
    assert not far[0, :8].any()


def test_a_mask_made_by_averaging_fills_its_cells_as_before() -> None:
    """On a grey image, where colours tell nothing, the corner of a square comes back from the parts of its cells."""
    truth = torch.zeros(1, 64, 64)
    truth[:, 13:50, 11:47] = 1
    cells = torch.nn.functional.avg_pool2d(truth, 8)
    crisp = torch.as_tensor(sharpen_masks(torch.full((3, 64, 64), 90, dtype=torch.uint8), cells, scores=SOFT)).float()
    bilinear = torch.nn.functional.interpolate(cells[None], size=(64, 64), mode="bilinear")[0] > 0.5
    assert (crisp - truth).abs().sum() < (bilinear.float() - truth).abs().sum()
    means = torch.nn.functional.avg_pool2d(crisp, 8)
    assert (means - cells).abs().mean() < 0.02


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(np.zeros((0, 28, 28), np.float32), id="array"),
        pytest.param(torch.zeros(0, 1, 28, 28), id="tensor with a channel"),
        pytest.param([], id="list"),
    ],
)
def test_no_masks_give_no_masks_of_the_right_shape(given: object) -> None:
    crisp = sharpen_masks(image(), given, np.zeros((0, 4)), scores=SOFT)
    assert tuple(crisp.shape) == ((0, 1, *SIZE) if isinstance(given, Tensor) else (0, *SIZE))


def test_boxes_over_the_border_outside_and_of_no_area(sharpener: Sharpener) -> None:
    boxes = [[-20.0, -10.0, 30.0, 30.0], [80.0, 60.0, 120.0, 90.0], [200.0, 10.0, 220.0, 30.0], [5.0, 5.0, 5.0, 9.0]]
    crisp = sharpen_masks(image(), np.ones((4, 28, 28), bool), boxes, sharpener=sharpener)
    assert isinstance(crisp, np.ndarray)
    assert crisp.any((1, 2)).tolist() == [True, True, False, False]
    assert crisp[0, :20, :20].all()
    assert crisp[1, 70:, 90:].all()
    assert not crisp[0, 40:].any()
    one = np.zeros((1, *SIZE), bool)
    one[0, 30, 40] = True
    assert sharpen_masks(image(), one, sharpener=sharpener).shape == one.shape  # a single pixel
    assert not np.asarray(sharpen_masks(image(), ~one & False, sharpener=sharpener)).any()


def test_masks_come_back_as_they_were_given(sharpener: Sharpener) -> None:
    soft = disc(18, 24)
    logits = soft.logit(1e-3)
    as_array = sharpen_masks(image().permute(1, 2, 0).numpy(), soft.numpy()[None], scores=SOFT, sharpener=sharpener)
    assert isinstance(as_array, np.ndarray)
    of_logits = sharpen_masks(image(), logits[None, None].half(), scores="multilabel", sharpener=sharpener, soft=True)
    assert (of_logits.shape, of_logits.dtype) == ((1, 1, *SIZE), torch.float16)
    assert (np.asarray(of_logits[0, 0] > 0) == as_array[0]).mean() > 0.999
    picture = Image.fromarray(image().permute(1, 2, 0).numpy())
    drawn = Image.fromarray((soft > 0.5).numpy())
    bytes_ = (soft[None] > 0.5).numpy().astype(np.uint8) * 255
    pairs = [sharpen_masks(picture, masks, sharpener=sharpener) for masks in ([drawn], bytes_, bytes_ // 255)]
    assert all(np.array_equal(pairs[0], other) for other in pairs[1:])


def test_masks_of_logits_may_each_be_within_0_and_1_if_others_are_not() -> None:
    logits = np.stack([disc(18, 24).numpy(), disc(18, 24).numpy() - 0.5])
    assert np.asarray(sharpen_masks(image(), logits, scores="multilabel")).shape == (2, *SIZE)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_logits_in_half_precision_keep_their_values_where_masks_are_sure(dtype: torch.dtype) -> None:
    logits = torch.where(disc(18, 24) > 0.5, 11.0, -11.0)[None].to(dtype)
    crisp = torch.as_tensor(sharpen_masks(image(), logits, scores="multilabel", soft=True))
    assert crisp.dtype == dtype
    assert float(crisp.max()) == pytest.approx(11, abs=0.1)
    assert float(crisp.min()) == pytest.approx(-11, abs=0.1)


@pytest.mark.parametrize("sure", [12.0, 17.2, 25.0])
def test_sure_logits_keep_their_values_on_both_sides(sure: float) -> None:
    logits = torch.where(disc(18, 24) > 0.5, sure, -sure)[None]
    crisp = torch.as_tensor(sharpen_masks(image(), logits, scores="multilabel", soft=True))
    assert crisp.dtype == torch.float32
    assert float(crisp.max()) == pytest.approx(sure, abs=1e-3)
    assert float(crisp.min()) == pytest.approx(-sure, abs=1e-3)


def test_a_letterboxed_mask_lies_where_its_image_was(sharpener: Sharpener) -> None:
    mask = np.zeros((1, 32, 32), bool)  # an image of 96×72 becomes 32×24, with 4 rows above and below
    mask[0, 4:16, :16] = True
    crisp = np.asarray(sharpen_masks(image(), mask, grid="letterbox", sharpener=sharpener))
    assert crisp[0, :30, :42].all()
    assert not crisp[0, 42:].any()


def test_overlaps_go_to_the_highest_confidence(sharpener: Sharpener) -> None:
    masks = np.zeros((2, *SIZE), bool)
    masks[0, 10:40, 10:60], masks[1, 20:60, 30:90] = True, True
    kept = np.asarray(sharpen_masks(image(), masks, sharpener=sharpener))
    resolved = np.asarray(
        sharpen_masks(image(), masks, sharpener=sharpener, overlaps="resolve", confidences=[0.2, 0.9])
    )
    both = kept.all(0)
    assert both.any()
    assert not resolved.all(0).any()
    assert np.array_equal(resolved[1], kept[1])
    assert np.array_equal(resolved[0], kept[0] & ~both)


@pytest.mark.parametrize(
    ("masks", "boxes", "options", "facts"),
    [
        (np.zeros((1, 9, 12), np.float32), None, {}, ("no given kind", "multilabel_probabilities", "logits")),
        (np.zeros((1, 9, 12), np.float32), None, {"scores": "logits"}, ("'logits'", "'multilabel'")),
        (np.full((1, 9, 12), 7.0), None, {"scores": SOFT}, ("7", "[0, 1]")),
        (disc(9, 12).numpy()[None], None, {"scores": "multilabel"}, ("range from 0 to", f"{SOFT!r}", "below 0")),
        ([np.eye(9, 12), np.zeros((3, 4))], None, {"scores": "multilabel"}, ("all 0 or 1", f"{SOFT!r}")),
        (np.arange(108, dtype=np.uint8).reshape(1, 9, 12), None, {}, ("uint8", "0 and 255", "masks / 255")),
        (np.zeros((9, 12), bool), None, {}, ("(9, 12)", "masks[None]")),
        (np.zeros((*SIZE, 2), bool), None, {}, ("objects last", ".transpose(2, 0, 1)")),
        (np.zeros((*SIZE, 2), bool), None, {"grid": "stretched"}, ("objects last",)),
        (np.arange(108).reshape(9, 12), None, {}, ("label map", "crispseg.sharpen_array")),
        ([{"segmentation": np.zeros((9, 12), bool)}], None, {}, ("dictionaries", '[each["segmentation"] for each')),
        (np.zeros((1, 9, 12, 3), bool), None, {}, ("(1, 9, 12, 3)", "(N, h, w)")),
        ([np.zeros((9, 12), bool), np.zeros((9, 12), np.float32)], None, {}, ("mask 1 is float32", "one dtype")),
        (np.zeros((1, 9, 9), bool), None, {}, ("aspect", "letterbox")),
        (np.zeros((2, 9, 12), bool), [[0, 0, 9, 9]], {}, ("2 masks but 1 boxes",)),
        (np.zeros((1, 9, 12), bool), [[30, 0, 9, 9]], {}, ("box 0", "xyxy")),
        (np.zeros((1, 9, 12), bool), [[0, 0, float("nan"), 9]], {}, ("box 0", "finite")),
        (np.zeros((1, *SIZE), bool), [[0, 0, 9, 9]], {}, ("mask 0", "leave boxes out")),
        (np.zeros((2, 24, 32), bool), [[0, 0, 9, 9], [5, 5, 30, 9]], {}, ("masks are 24x32", "leave boxes out")),
        (np.zeros((1, 9, 12), bool), [[0.1, 0, 0.9, 1]], {}, ("from 0 to 1", "boxes * [96, 72, 96, 72]")),
        (np.zeros((1, 9, 12), bool), None, {"overlaps": "resolve"}, ("without confidences",)),
        (np.zeros((1, 9, 12), bool), None, {"overlaps": "resolve", "confidences": [1, 2]}, ("(2,)", "1 masks")),
        (np.zeros((1, 9, 12), bool), None, {"confidences": [1]}, ("confidences are given", "'resolve'")),
        (np.zeros((1, 9, 12), bool), [[0, 0, 9, 9]], {"grid": "letterbox"}, ("grid is letterbox beside boxes",)),
        (np.ma.masked_equal(np.eye(9, 12)[None] > 0, 1), None, {}, ("masks: ", "9 values are masked", ".filled(")),
        (np.zeros((1, 9, 12), bool), None, {"device": "abacus"}, ("'abacus' cannot be used here",)),
        (np.zeros((1, 9, 12), bool), None, {"band": -1}, ("band is -1",)),
        (np.zeros((1, 9, 12), bool), None, {"band": "4"}, ("band is '4'",)),
        (np.zeros((1, 9, 12), bool), None, {"overlaps": "drop"}, ("'drop'", "'resolve'")),
    ],
)
def test_wrong_masks_are_refused_with_a_remedy(
    masks: object, boxes: object, options: dict[str, object], facts: tuple[str, ...]
) -> None:
    with pytest.raises(InputError) as error:
        sharpen_masks(image(), masks, boxes, **options)  # type: ignore[arg-type]
    assert all(fact in str(error.value) for fact in facts)
    assert "\n" not in str(error.value)


def test_the_default_sharpener_is_less_soft_than_that_of_classes() -> None:
    assert Sharpener.from_pretrained(**MASK_OPTIONS).hardness > Sharpener.from_pretrained().hardness
    with pytest.raises(InputError, match="device"):
        sharpen_masks(image(), np.zeros((1, *SIZE), bool), sharpener=Sharpener.from_pretrained(), device="cpu")
