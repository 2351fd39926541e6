"""Images, true labels and the results of several methods, side by side (figure 4 of the paper)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from matplotlib.figure import Figure
from rich.progress import Progress
from torch import Tensor

from crispseg.data import LabelledPredictions
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError, naming
from crispseg.figures.boundary import add_frame, magnify
from crispseg.figures.page import CAPTION, GAP, TEXT_WIDTH, Place, add_caption, add_panel, house_style, new_figure
from crispseg.inference import DenseCRF, Sharpener
from crispseg.inference.one_image import fitted_boundary, sharpen_one
from crispseg.pictures.before_after import most_changed
from crispseg.pictures.colours import label_colours

_VOID = 225
"""Grey level (of 255) of void pixels; 128 is already the colour of a class in the default palette."""


@dataclass(frozen=True)
class Compared:
    """An image and its labels by several methods."""

    image: Tensor
    """(3, H, W) uint8."""
    labels: Mapping[str, Tensor]
    """(H, W) labels by caption, including "baseline" and "ours"; `IGNORE_INDEX` is void."""
    palette: tuple[int, ...] | None = None
    """Red, green and blue of each label; None for default colours, which also follow a short palette."""


def compare_images(
    data: LabelledPredictions,
    indices: Sequence[int],
    sharpener: Sharpener,
    *,
    crf: DenseCRF | None = None,
    progress: Progress | None = None,
) -> list[Compared]:
    """Return true, baseline and sharpened labels of some images; with a CRF, also the labels after the CRF.

    Args:
        data: Images with true labels and predictions.
        indices: Indices of the images to use.
        sharpener: Sharpener of the column "ours".
        crf: CRF to apply to the baseline and to the sharpened scores; None leaves out both columns.
        progress: Progress bar to update.

    Raises:
        InputError: If a file cannot be read, or its size does not fit.
    """
    compared = []
    for index in progress.track(indices, description="sharpening") if progress else indices:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            result = sharpen_one(sample.image, prediction, sharpener, boundary, keep_scores=crf is not None)
            labels = {"truth": sample.labels, "baseline": result.before, "ours": result.after}
            if crf is not None and result.scores is not None:
                # Sharpened scores are not sharpened again.
                for caption, scores in (("CRF", prediction.scores), ("ours + CRF", result.scores)):
                    said = replace(prediction, given=scores)
                    labels[caption] = sharpen_one(sample.image, said, None, crf=crf).after
        compared.append(Compared(sample.image, labels, prediction.palette))
    return compared


@house_style()
def draw_comparison(compared: Sequence[Compared]) -> Figure:
    """Draw a row for every image, with the part where ours differs most from the baseline magnified below.

    Args:
        compared: Images to draw, all with the same captions.

    Raises:
        InputError: If there is no image.
    """
    if not compared:
        raise InputError("no image to draw; expected at least one")
    captions = ["image", *compared[0].labels]
    width = (TEXT_WIDTH - (len(captions) - 1) * GAP) / len(captions)
    heights = [width * item.image.shape[-2] / item.image.shape[-1] for item in compared]
    figure = new_figure(TEXT_WIDTH, CAPTION + sum(2 * height + 3 * GAP for height in heights) - 2 * GAP)
    for column, caption in enumerate(captions):
        add_caption(figure, Place(column * (width + GAP), CAPTION, width, 0), caption)
    top = CAPTION
    for item, height in zip(compared, heights, strict=True):
        _draw_rows(figure, item, Place(0, top, width, height))
        top += 2 * height + 3 * GAP
    return figure


def _draw_rows(figure: Figure, item: Compared, first: Place) -> None:
    """Draw the panels of one image from the first place on, with the magnified part below each."""
    part = most_changed(item.labels["baseline"], item.labels["ours"])
    colours = label_colours(item.palette, max(_highest(labels) for labels in item.labels.values()))
    pictures = [item.image, *(paint(labels, colours) for labels in item.labels.values())]
    for column, pixels in enumerate(pictures):
        place = first._replace(left=column * (first.width + GAP))
        add_frame(add_panel(figure, place, pixels), part)
        magnify(add_panel(figure, place._replace(top=first.top + first.height + GAP), pixels), part)


def _highest(labels: Tensor) -> int:
    return int(labels.masked_fill(labels == IGNORE_INDEX, 0).max())


def paint(labels: Tensor, colours: Tensor) -> Tensor:
    """Return (H, W) labels as a (3, H, W) uint8 picture, with void in grey.

    Example:
        >>> paint(torch.tensor([[0, 1, -1]]), torch.tensor([[1, 2, 3], [4, 5, 6]]))[:, 0].T.tolist()
        [[1, 2, 3], [4, 5, 6], [225, 225, 225]]
    """
    void = labels == IGNORE_INDEX
    painted = colours[labels.masked_fill(void, 0)].to(torch.uint8)
    painted[void] = _VOID
    return painted.permute(2, 0, 1)
