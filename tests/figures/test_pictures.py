"""Figures of images: what they show is what they were given."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from crispseg import Window
from crispseg.cues import LearnedCue, RGBCue
from crispseg.data import IGNORE_INDEX, LabelledFolder, LabelledPredictions
from crispseg.errors import InputError
from crispseg.figures import compare_images, compute_masks, draw_boundary, draw_comparison, draw_embedding
from crispseg.figures.comparison import paint
from crispseg.figures.contours import contour_lines
from crispseg.inference import DenseCRF, Sharpener
from crispseg.inference.one_image import sharpen_one
from crispseg.ops import local_filter
from crispseg.pictures.before_after import most_changed
from crispseg.pictures.colours import principal_components
from tests.fakes import write_scored_folder
from tests.marks import needs_pydensecrf


@pytest.fixture
def data(tmp_path: Path) -> LabelledPredictions:
    scores = write_scored_folder(tmp_path) / "scores"
    folder = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=11)
    return LabelledPredictions(folder, scores, num_classes=3, scores="logits")


def halves(*, height: int = 24, width: int = 32) -> torch.Tensor:
    """An image that is dark on the left and bright on the right."""
    image = torch.full((3, height, width), 40, dtype=torch.uint8)
    image[..., width // 2 :] = 200
    return image


def test_contours_run_along_every_edge_between_two_labels() -> None:
    labels = torch.randint(0, 3, (9, 7), generator=torch.Generator().manual_seed(0))
    covered = set()
    for (x0, y0), (x1, y1) in contour_lines(labels).tolist():
        assert (x0 == x1) != (y0 == y1)
        for step in range(int(max(x1 - x0, y1 - y0))):
            covered.add((x0, y0 + step, "upright") if x0 == x1 else (x0 + step, y0, "lying"))
    expected = set()
    for row in range(9):
        for column in range(7):
            if column < 6 and labels[row, column] != labels[row, column + 1]:
                expected.add((column + 0.5, row - 0.5, "upright"))
            if row < 8 and labels[row, column] != labels[row + 1, column]:
                expected.add((column - 0.5, row + 0.5, "lying"))
    assert covered == expected


def test_the_boundary_figure_magnifies_what_changed_or_what_is_asked_for() -> None:
    before = torch.zeros(24, 32, dtype=torch.long)
    after = before.clone()
    after[19:22, 3:6] = 2
    whole, detail = draw_boundary(halves(), before, after).axes[-2:]
    top, left, rows, columns = most_changed(before, after)
    assert detail.get_xlim() == (left - 0.5, left + columns - 0.5)
    assert detail.get_ylim() == (top + rows - 0.5, top - 0.5)
    assert whole.get_xlim() == (-0.5, 31.5)
    assert len(detail.collections[-1].get_paths()) == 4  # the square that changed
    (asked,) = draw_boundary(halves(), before, after, middle=(31, 10)).axes[-1:]
    assert asked.get_xlim() == (23.5, 31.5)
    assert asked.get_ylim() == (12.5, 6.5)
    with pytest.raises(InputError, match="pixel 32,0 lies outside the image; expected x below 32 and y below 24"):
        draw_boundary(halves(), before, after, middle=(32, 0))


def test_one_pass_gives_the_weights_of_the_window() -> None:
    torch.manual_seed(0)
    image, window = torch.randint(0, 256, (3, 9, 11), dtype=torch.uint8), Window(3, dilation=2)
    cue = LearnedCue(nn.Conv2d(3, 4, 1)).eval()
    masks = compute_masks(image, cue, window, pixels=[(5, 4), (0, 8)], hardness=0.7)
    with torch.no_grad():
        embedding = cue(image[None] / 255)[0]
    for (x, y), mask in zip(masks.pixels, masks.learned, strict=True):
        expected = torch.zeros(9, 11)
        for row, column in window.offsets:
            if 0 <= y + row < 9 and 0 <= x + column < 11:
                difference = embedding[:, y, x] - embedding[:, y + row, x + column]
                expected[y + row, x + column] = torch.exp(-0.7 * difference.abs().sum())
        torch.testing.assert_close(mask, expected)


def test_several_passes_give_what_every_pixel_contributes() -> None:
    image, window, cue = torch.randint(0, 5, (3, 6, 7), dtype=torch.uint8), Window(3), RGBCue()
    masks = compute_masks(image, cue, window, pixels=[(2, 3)], passes=3)
    weights = cue.weights(image[None] / 255, window, cue.default_hardness)
    expected = torch.zeros(6, 7)
    for row in range(6):
        for column in range(7):
            impulse = torch.zeros(1, 1, 6, 7)
            impulse[0, 0, row, column] = 1
            expected[row, column] = local_filter(impulse, weights, window, passes=3)[0, 0, 3, 2]
    torch.testing.assert_close(masks.learned[0], expected / expected.max())
    torch.testing.assert_close(masks.learned, masks.colour)


def test_pixels_are_chosen_near_the_boundary_and_apart() -> None:
    masks = compute_masks(halves(height=60), RGBCue(), Window(5), count=3, apart=9)
    assert len(masks.pixels) == 3
    assert all(abs(x - 15.5) < 3 for x, _ in masks.pixels)
    rows = sorted(y for _, y in masks.pixels)
    assert min(np.diff(rows)) > 9
    assert rows[0] >= 4
    assert compute_masks(halves(height=3, width=4), RGBCue(), Window(5), count=4, apart=9).pixels == ((1, 1),)


def test_principal_components_are_those_of_a_singular_value_decomposition() -> None:
    embedding = torch.randn(6, 8, 9, generator=torch.Generator().manual_seed(1)) * torch.arange(1, 7)[:, None, None]
    drawn = principal_components(embedding).flatten(1).double()
    values = embedding.flatten(1).double()
    _, _, rows = torch.linalg.svd(values - values.mean(1, keepdim=True), full_matrices=False)
    for ours, expected in zip(drawn, rows[:3], strict=True):
        assert (
            abs(float(torch.corrcoef(torch.stack([ours, expected]))[0, 1])) > 0.98
        )  # a hundredth at both ends is clipped
    assert (drawn.amin(1) == 0).all()
    assert (drawn.amax(1) == 255).all()
    two = principal_components(embedding[:2])
    assert (two[2] == 128).all()
    assert two[0].unique().numel() > 9


def test_the_embedding_figure_has_a_row_for_every_pixel() -> None:
    image = halves()
    masks = compute_masks(image, RGBCue(), Window(5), pixels=[(16, 10), (0, 0), (31, 23)])
    figure = draw_embedding(image, masks, 5)
    assert len(figure.axes) == 2 + 4 * 3
    panel = figure.axes[2 + 2 * 3]  # the learned mask of the first pixel
    assert panel.get_xlim() == (13.5, 18.5)
    np.testing.assert_allclose(np.asarray(panel.images[0].get_array()), masks.learned[0].numpy())
    for patch in (4, 1):
        with pytest.raises(InputError, match=f"patch is {patch} pixels; expected an odd number"):
            draw_embedding(image, masks, patch)


def test_the_comparison_shows_truth_baseline_and_ours(data: LabelledPredictions) -> None:
    sharpener = Sharpener(RGBCue(), window=Window(5), passes=3)
    compared = compare_images(data, [0, 2], sharpener)
    assert [list(item.labels) for item in compared] == [["truth", "baseline", "ours"]] * 2
    sample, prediction = data[2]
    assert torch.equal(compared[1].labels["truth"], sample.labels)
    sharp = sharpener(sample.image[None], prediction.scores[None])
    assert torch.equal(compared[1].labels["ours"], sharp[0].argmax(0))
    figure = draw_comparison(compared)
    assert len(figure.axes) == 2 * 2 * 4
    assert [text.get_text() for text in figure.texts] == ["image", "truth", "baseline", "ours"]
    shown = np.asarray(figure.axes[2].images[0].get_array())
    assert (shown[:2] == 225).all()  # void
    assert (shown[2:] != 225).all()
    with pytest.raises(InputError, match="no image to draw"):
        draw_comparison([])


@needs_pydensecrf
def test_a_crf_follows_the_baseline_and_ours(data: LabelledPredictions) -> None:
    sharpener, crf = Sharpener(RGBCue(), window=Window(5), hardness=8, passes=9), DenseCRF(0.5, 20, 60, 0, 1)
    (item,) = compare_images(data, [1], sharpener, crf=crf)
    assert list(item.labels) == ["truth", "baseline", "ours", "CRF", "ours + CRF"]
    sample, prediction = data[1]
    for caption, before in (("CRF", None), ("ours + CRF", sharpener)):
        assert torch.equal(item.labels[caption], sharpen_one(sample.image, prediction, before, crf=crf).after)
    assert not torch.equal(item.labels["CRF"], item.labels["ours + CRF"])


def test_labels_are_painted_in_their_colours() -> None:
    labels = torch.tensor([[2, IGNORE_INDEX], [0, 1]])
    painted = paint(labels, torch.arange(9).reshape(3, 3))
    assert painted.permute(1, 2, 0).tolist() == [[[6, 7, 8], [225] * 3], [[0, 1, 2], [3, 4, 5]]]
