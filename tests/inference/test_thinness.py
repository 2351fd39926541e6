"""Images of thin things alone, such as vessels and cracks, are filtered more gently."""

import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg import Sharpener, sharpen_masks
from crispseg.data.pixels import TensorPixels
from crispseg.grid import Grid
from crispseg.inference.finding_gentleness import gentleness_of, gentleness_of_pixels
from crispseg.inference.label_maps import sharpen_label_map
from crispseg.inference.thinness import is_thin
from tests.fakes import PHOTO
from tests.inference.test_nodata import Holed

SIZE = (160, 200)


def vessels() -> tuple[Tensor, Tensor]:
    """Return a (3, H, W) image of faint lines on a noisy ground, and their (H, W) mask."""
    rows, columns = torch.arange(SIZE[0])[:, None], torch.arange(SIZE[1])
    lines = [(rows - 40 * n - 20 - 8 * torch.sin(columns / 9 + n)).abs() < 3 for n in range(4)]
    mask = torch.stack(lines).any(0)
    noise = 0.05 * torch.randn(3, *SIZE, generator=torch.Generator().manual_seed(0))
    return (0.5 - 0.05 * mask + noise).clamp(0, 1), mask


def network(mask: Tensor, cell: int) -> Tensor:
    """Return (1, 2, h, w) probabilities of a mask as a network might give them, blurred and unsure."""
    noise = torch.randn(1, 1, SIZE[0] // 10, SIZE[1] // 10, generator=torch.Generator().manual_seed(1))
    likely = F.avg_pool2d(mask[None, None].float(), cell)
    logits = torch.logit(likely.clamp(0.03, 0.97)) + F.interpolate(noise, likely.shape[-2:], mode="bicubic")
    return torch.cat([-logits, logits], 1).mul(0.5).softmax(1)


def iou(found: Tensor, mask: Tensor) -> float:
    return float((found & mask).sum() / (found | mask).sum())


def lines_of(scores: Tensor) -> tuple:  # type: ignore[type-arg]
    return Grid().lines(SIZE, (scores.shape[-2], scores.shape[-1]))


@pytest.mark.parametrize("cell", [1, 2, 4])
def test_vessels_are_kept(cell: int) -> None:
    image, mask = vessels()
    scores = network(mask, cell)
    sharpener = Sharpener.from_pretrained(scores="probabilities")
    before = F.interpolate(scores, SIZE, mode="bilinear")[0].argmax(0) == 1
    with torch.inference_mode():
        after = sharpener(image[None], scores)[0].argmax(0) == 1
        alone = sharpener.expecting("multilabel_probabilities")(image[None], scores[:, 1:])[0, 0] > 0.5
    for found in (after, alone):
        assert iou(found, mask) > iou(before, mask) - 0.05
    labels = scores[0].argmax(0)
    nearest = F.interpolate(labels[None, None].float(), SIZE, mode="nearest-exact")[0, 0] == 1
    assert iou(sharpen_label_map(image, labels, sharpener) == 1, mask) > iou(nearest, mask) - 0.05
    crisp = sharpen_masks(image, scores[:, 1], scores="multilabel_probabilities")
    assert iou(crisp[0], mask) > iou(before, mask) - 0.05


@pytest.mark.parametrize(("kind", "contrast"), [("probabilities", 3.5), ("multilabel_probabilities", 5.0)])
def test_thin_things_count_more_and_things_that_are_wide_do_not(kind: str, contrast: float) -> None:
    scores = network(vessels()[1], 2)
    wide = network(torch.arange(SIZE[1]).expand(SIZE) > 90, 2)
    both = torch.cat([scores, wide])[:, -1 if kind.startswith("multi") else 0 :]
    found = gentleness_of(PHOTO, both, kind, lines_of(both))  # type: ignore[arg-type]
    assert found.contrast.flatten().tolist() == [contrast, 1]
    assert found.regional.flatten().tolist() == [0, 1]
    torch.testing.assert_close(found.guarding.flatten(), torch.tensor([1 - 0.5 * (2 - 1) / (4 - 1), 1]))


@pytest.mark.parametrize("kind", ["probabilities", "multilabel_probabilities"])
def test_parts_of_the_scores_say_the_same(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.inference.finding_gentleness._AT_ONCE", 37)
    scores = network(vessels()[1], 2)
    scores[..., 60:] = network(torch.arange(SIZE[1]).expand(SIZE) > 150, 2)[..., 60:]
    whole = gentleness_of(PHOTO, scores, kind, lines_of(scores))  # type: ignore[arg-type]
    parts = gentleness_of_pixels(TensorPixels(PHOTO[0]), TensorPixels(scores[0]), kind, lines_of(scores))  # type: ignore[arg-type]
    torch.testing.assert_close(parts, whole)


def test_what_has_no_data_says_nothing() -> None:
    scores = network(vessels()[1], 1)[0]
    scores[:, :, 96:] = torch.tensor([0.1, 0.9])[:, None, None]
    half = gentleness_of_pixels(
        TensorPixels(PHOTO[0]), TensorPixels(scores[..., :96]), "probabilities", Grid().lines((160, 96), (160, 96))
    )
    found = gentleness_of_pixels(
        TensorPixels(PHOTO[0]),
        Holed(scores, torch.arange(SIZE[1]).expand(SIZE) < 96),
        "probabilities",
        lines_of(scores),
    )
    assert half.contrast == 3.5
    torch.testing.assert_close(found.contrast, half.contrast)
    assert (
        gentleness_of_pixels(TensorPixels(PHOTO[0]), TensorPixels(scores), "probabilities", lines_of(scores)).contrast
        == 1
    )


def test_small_masks_are_not_thin() -> None:
    mask = vessels()[1]
    assert is_thin(mask, (0, 0))
    assert not is_thin(mask[:40, :40], (0, 0)), "too short"
    square = torch.zeros(SIZE, dtype=torch.bool)
    square[30:130, 40:140] = True
    assert not is_thin(square, (0, 0))
    assert is_thin(mask[3:, 5:], (3, 5)), "the pixels of the image decide"
