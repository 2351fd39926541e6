"""The guard keeps thin objects by the abundance of labels, and stays a smooth function of the scores."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, Window
from crispseg.config_values import Passes
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import evaluate
from crispseg.inference.guard import filter_spread, radii_of
from crispseg.inference.shares import Shares
from crispseg.scores import Scores
from crispseg.window import Level, Windows, levels_of
from tests.real_data import DATA, needs


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, 24, 32, generator=generator), 3 * torch.randn(1, 4, 24, 32, generator=generator)


def sharpened(
    scores: Tensor, image: Tensor, guard: float | None, kind: str = "logits", *, hardness: float = 0.1, passes: int = 3
) -> Tensor:
    options: dict[str, Any] = {"window": 9, "passes": passes, "score_weight": 0, "cue_weight": 2, "scores": kind}
    crisp: Tensor = Sharpener(RGBCue(), hardness=hardness, guard=guard, **options)(image, scores)
    return crisp


def pole_and_wall() -> tuple[Tensor, Tensor, Tensor]:
    """Image, probabilities of three classes, and their labels: a thin pole on even ground, and a wall 2 pixels off."""
    labels = torch.zeros(40, 60, dtype=torch.long)
    labels[5:35, 12:14] = 1
    labels[:, 42:] = 2
    image = torch.full((1, 3, 40, 60), 0.5)
    image[..., 40:] = 0.9
    image[:, :, 5:35, 12:14] = 0.6  # hardly another colour than the ground
    scores = torch.nn.functional.one_hot(labels, 3).permute(2, 0, 1)[None].float()
    return image, 0.2 + 0.4 * scores, labels


def test_a_thin_label_is_kept_and_a_boundary_still_moves() -> None:
    image, scores, labels = pole_and_wall()
    options: dict[str, Any] = {"window": 9, "passes": 3, "hardness": 8.0, "score_weight": 0, "scores": "probabilities"}
    free, kept = (Sharpener(RGBCue(), guard=guard, **options)(image, scores).argmax(1)[0] for guard in (None, 0.5))
    pole, corrected = labels == 1, torch.zeros_like(labels, dtype=torch.bool)
    corrected[:, 40:42] = True
    assert not (free == 1).any()
    assert (kept == 1)[pole].all()
    assert (free == 2)[corrected].all()
    assert (kept == 2)[corrected].all()


def diamond(y: int, x: int, height: int, width: int) -> list[tuple[int, int]]:
    """The pixels of an image that are at most two steps from one."""
    near = [(y + i, x + j) for i in range(-2, 3) for j in range(-2, 3) if abs(i) + abs(j) <= 2]
    return [(i, j) for i, j in near if 0 <= i < height and 0 <= j < width]


def thin_by_hand(labels: Tensor) -> Tensor:
    """Whether each pixel lies in no diamond of one label."""
    thin = torch.ones_like(labels, dtype=torch.bool)
    for y in range(labels.shape[0]):
        for x in range(labels.shape[1]):
            pixels = diamond(y, x, *labels.shape)
            if len({int(labels[at]) for at in pixels}) == 1:
                for at in pixels:
                    thin[at] = False
    return thin


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("guard", [0.2, 0.35, 0.5])
def test_it_keeps_thin_parts_and_divides_by_the_abundance_of_each_label(guard: float, kind: str) -> None:
    image, scores = batch()
    scores = torch.nn.functional.avg_pool2d(torch.nn.functional.pad(scores, [3] * 4), 7, 1) * 8
    scores = scores if kind == "logits" else scores.softmax(1)
    before = scores.softmax(1) if kind == "logits" else scores
    free, kept = (sharpened(scores, image, each, kind, passes=18) for each in (None, guard))
    after = free.exp() if kind == "logits" else free
    thin = thin_by_hand(before[0].argmax(0))
    assert 0.1 < thin.float().mean() < 0.9
    after = torch.where(thin, 0.6 * after + 0.4 * before, after)
    radii = radii_of([Level(Window(9), 18)])
    assert radii == [11, 8]
    expected = torch.zeros_like(after)
    for y in range(24):
        for x in range(32):
            share, abundance = after[0, :, y, x], torch.ones(4)
            for r in radii:
                near = before[0, :, max(y - r, 0) : y + r + 1, max(x - r, 0) : x + r + 1].sum((1, 2))
                abundance = abundance * ((near + share) / ((2 * r + 1) ** 2 + 1)) ** 0.5
            abundance = torch.maximum(abundance, share / 8)
            expected[0, :, y, x] = (share / abundance**guard) ** (1 / (1 - guard))
    expected *= after.sum(1, keepdim=True) / expected.sum(1, keepdim=True)
    torch.testing.assert_close(kept.exp() if kind == "logits" else kept, expected)
    assert (kept.argmax(1) != free.argmax(1)).any()


@pytest.mark.parametrize("kind", ["multilabel", "multilabel_probabilities", "logits", "probabilities"])
def test_masks_are_guarded_one_by_one(kind: str) -> None:
    image, scores = batch()
    scores = scores if kind.startswith("multilabel") else scores[:, :1]
    scores = (scores - 2).sigmoid() if kind.endswith("probabilities") else scores - 2  # "yes" is rare
    even = 0.5 if kind.endswith("probabilities") else 0
    kept, free = (sharpened(scores, image, guard, kind, hardness=8) for guard in (0.45, None))
    lost = (scores > even) & (free <= even)
    assert ((kept > even) & lost).any()
    assert not ((kept <= even) & (free > even) & (scores > even)).any()
    for mask in range(scores.shape[1]):
        alone = sharpened(scores[:, mask : mask + 1], image, 0.45, kind, hardness=8)
        torch.testing.assert_close(alone, kept[:, mask : mask + 1])


@pytest.mark.parametrize("kind", ["logits", "probabilities", "multilabel"])
def test_equal_scores_all_over_stay_as_they_are(kind: str) -> None:
    image, _ = batch()
    scores = torch.tensor([0.1, 0.7, 0.2])[:, None, None].expand(1, 3, 24, 32).contiguous()
    scores = scores if kind == "probabilities" else scores.log()
    torch.testing.assert_close(sharpened(scores, image, 0.5, kind), scores, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("guard", [0.2, 0.5])
def test_shares_of_a_pixel_keep_their_sum_however_unlikely_they_are(guard: float) -> None:
    image, scores = batch()
    scores[:, 0] -= 120  # beyond the float32 numbers that hold probabilities
    log = sharpened(scores, image, guard)
    assert log.isfinite().all()
    assert log[:, 0].max() < -90
    torch.testing.assert_close(log.exp().sum(1), torch.ones(1, 24, 32))


def test_a_gradient_goes_through_it() -> None:
    generator = torch.Generator().manual_seed(0)
    image = torch.rand(1, 3, 6, 7, generator=generator).double()
    scores = torch.randn(1, 3, 6, 7, generator=generator).double().requires_grad_()
    sharpener = Sharpener(RGBCue(), hardness=2.0, window="3@2,3", passes=2, guard=0.4, score_weight=0.5)

    def crisp(value: Tensor) -> Tensor:
        return sharpener.filtered(Shares.of(value, "logits"), image).scores()

    assert torch.autograd.gradcheck(crisp, scores)


@pytest.mark.parametrize(
    ("windows", "passes", "radius"),
    [("9", 25, 13), ("5@2", 25, 14), ("3", 1, 1), ("1", 5, 0), ("5@4,5@2,5", (6, 4, 4), 15), ("9,9", (20, 5), 13)],
)
def test_it_looks_as_far_as_the_filter_carries(windows: str, passes: Passes, radius: int) -> None:
    levels = levels_of(Windows.of(windows), passes)
    assert filter_spread(levels) == max(radii_of(levels)) == radius
    assert filter_spread(levels) <= sum(level.reach for level in levels)


@pytest.mark.parametrize("guard", [0, -0.5, 0.6, float("nan"), True])
def test_a_guard_outside_its_range_is_refused(guard: float) -> None:
    with pytest.raises(InputError, match=r"guard is .*above 0 and up to 0.5.*None"):
        Sharpener(RGBCue(), guard=guard)


@pytest.mark.slow  # evaluates photographs
@needs("predictions", "espnetv2_camvid_val")
def test_poles_of_a_street_lose_less_and_boundaries_gain(tmp_path: Path) -> None:
    root = DATA / "camvid"
    for folder in ("val", "valannot"):
        (tmp_path / folder).mkdir()
        for path in sorted((root / folder).iterdir())[::20]:
            (tmp_path / folder / path.name).symlink_to(path)
    (tmp_path / "scores").mkdir()
    for path in (tmp_path / "val").iterdir():
        name = f"{path.stem}.npz"
        (tmp_path / "scores" / name).symlink_to(DATA / "predictions" / "espnetv2_camvid_val" / name)
    data = LabelledPredictions(
        LabelledFolder(tmp_path / "val", tmp_path / "valannot", void=11),
        tmp_path / "scores",
        num_classes=11,
        grid="stretched",
        scores="logits",
    )
    free, kept = (evaluate(data, Sharpener.from_pretrained(guard=guard)) for guard in (None, 0.5))
    pole = 2
    losses = [each.losing_classes.get(pole, 0) for each in (free, kept)]
    assert losses[1] > losses[0]
    assert kept.gains["trimap_4"].value > free.gains["trimap_4"].value


@pytest.mark.parametrize("kind", ["probabilities", "multilabel_probabilities"])
@pytest.mark.parametrize("beyond", [0.0, 1e-4])
def test_a_mask_without_doubt_keeps_its_inside(kind: Scores, beyond: float) -> None:
    # Bilinear interpolation rounds some 1 to more, and the shares of the rest of them must not sum to less than 0.
    mask = torch.zeros(1, 1, 19, 17)
    mask[..., 4:, 2:15] = 1 + beyond
    mask[..., :2, :] = -beyond
    image = torch.rand(1, 3, 150, 131, generator=torch.Generator().manual_seed(0))
    crisp = Sharpener(RGBCue(), window=Window(5, 4), passes=4, scores=kind, upsampling="bilinear")(image, mask)
    assert crisp[..., 75:, 40:90].min() > 0.9
    assert crisp[..., :8, :].max() < 0.1
    assert crisp.max() <= 1 + 1e-6
    assert crisp.min() >= 0
