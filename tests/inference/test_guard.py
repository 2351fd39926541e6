"""A guard keeps thin things, refuses nothing that the image speaks for, and changes nothing else."""

from pathlib import Path

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Sharpener, Window
from crispseg.config import Passes
from crispseg.cues import RGBCue
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.evaluation import evaluate
from crispseg.inference.guard import spread
from crispseg.window import Level, Windows, levels_of
from tests.real_data import DATA, needs


def batch() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(1, 3, 24, 32, generator=generator), 3 * torch.randn(1, 4, 24, 32, generator=generator)


def sharpened(scores: Tensor, image: Tensor, guard: float | None, kind: str = "logits") -> Tensor:
    crisp: Tensor = Sharpener(RGBCue(), hardness=0.1, passes=3, guard=guard, scores=kind)(image, scores)  # type: ignore[arg-type]
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
    free, kept = (
        Sharpener(RGBCue(), hardness=8.0, passes=3, guard=guard, scores="probabilities")(image, scores).argmax(1)[0]
        for guard in (None, 0.7)
    )
    pole, corrected = labels == 1, torch.zeros_like(labels, dtype=torch.bool)
    corrected[:, 40:42] = True
    assert not (free == 1).any()
    assert (kept == 1)[pole].all()
    assert (free == 2)[corrected].all()
    assert (kept == 2)[corrected].all()


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("guard", [0.3, 0.7, 1.0])
def test_it_refuses_what_the_formula_refuses(guard: float, kind: str) -> None:
    image, scores = batch()
    scores = scores if kind == "logits" else scores.softmax(1)
    before = scores.softmax(1) if kind == "logits" else scores
    free, kept = sharpened(scores, image, None, kind), sharpened(scores, image, guard, kind)
    after = free.exp() if kind == "logits" else free
    radius = spread([Level(Window(9), 3)])
    refused = torch.zeros(24, 32, dtype=torch.bool)
    for y in range(24):
        for x in range(32):
            near = before[0, :, max(y - radius, 0) : y + radius + 1, max(x - radius, 0) : x + radius + 1].sum((1, 2))
            old, new = int(before[0, :, y, x].argmax()), int(after[0, :, y, x].argmax())
            lift = after[0, :, y, x] / near**guard
            refused[y, x] = bool(lift[new] < lift[old])
    assert refused.any()
    assert not refused.all()
    label = before.argmax(1)
    assert (kept.argmax(1) == label)[refused[None]].all()
    as_before = scores.log_softmax(1) if kind == "logits" else scores
    torch.testing.assert_close(kept[..., refused], as_before[..., refused])
    assert torch.equal(kept[..., ~refused], free[..., ~refused])


@pytest.mark.parametrize("kind", ["multilabel", "logits"])
def test_masks_are_guarded_one_by_one(kind: str) -> None:
    image, scores = batch()
    scores = (scores if kind == "multilabel" else scores[:, :1]) - 2  # "yes" is rare
    kept, free = (sharpened(scores, image, guard, kind) for guard in (0.9, None))
    lost = (scores > 0) & (free <= 0)
    assert ((kept > 0) & lost).any()
    stays = (kept > 0) == (free > 0)
    assert torch.equal(kept[stays], free[stays])
    torch.testing.assert_close(kept[~stays], scores[~stays])
    for mask in range(scores.shape[1]):
        alone = sharpened(scores[:, mask : mask + 1], image, 0.9, kind)
        torch.testing.assert_close(alone, kept[:, mask : mask + 1])


@pytest.mark.parametrize(
    ("windows", "passes", "radius"),
    [("9", 25, 13), ("5@2", 25, 14), ("3", 1, 1), ("1", 5, 0), ("5@4,5@2,5", (6, 4, 4), 15), ("9,9", (20, 5), 13)],
)
def test_it_looks_as_far_as_the_filter_carries(windows: str, passes: Passes, radius: int) -> None:
    levels = levels_of(Windows.of(windows), passes)
    assert spread(levels) == radius
    assert spread(levels) <= sum(level.reach for level in levels)


@pytest.mark.parametrize("guard", [0, -0.5, 1.1, float("nan"), True])
def test_a_guard_outside_its_range_is_refused(guard: float) -> None:
    with pytest.raises(InputError, match=r"guard is .*above 0 and up to 1.*None"):
        Sharpener(RGBCue(), guard=guard)


@pytest.mark.slow  # evaluates photographs
@needs("predictions", "espnetv2_camvid_val")
def test_poles_of_a_street_lose_half_as_much_and_the_mean_loses_nothing(tmp_path: Path) -> None:
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
    free, kept = (evaluate(data, Sharpener.from_pretrained(guard=guard)) for guard in (None, 0.7))
    pole = 2
    assert free.losing_classes[pole] < -2
    assert kept.losing_classes.get(pole, 0) > free.losing_classes[pole] / 2
    assert kept.gains["miou"].value > free.gains["miou"].value
    assert kept.gains["trimap_4"].value > free.gains["trimap_4"].value
