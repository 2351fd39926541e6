"""Reliability of a cue: distances of pairs with the same and with different labels, and their share by distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.progress import Progress
from torch import Tensor

from crispseg.cues import Cue
from crispseg.data import LabelledImages
from crispseg.data.checked import CheckedLabels
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError, naming
from crispseg.figures.page import COLUMN_WIDTH, GREY, OKABE_ITO, Place, add_axes, house_style, new_figure
from crispseg.inference.one_image import features_of, fitted_boundary
from crispseg.inference.sharpener import Sharpener
from crispseg.ops import local_parity
from crispseg.value_checks import check_count, check_positive
from crispseg.window import Window, WindowLike

MARGINS = (0.5, 2.0)
"""The margins near and far, with the defaults of `crispseg.ops.embedding_loss`."""


@dataclass(frozen=True)
class DistanceCounts:
    """Numbers of pairs of neighbours by distance; each pair counts once."""

    farthest: float
    """End of the last bin, which also holds all pairs beyond it."""
    same: Tensor
    """(bins,) int64: pairs with the same label."""
    different: Tensor
    """(bins,) int64: pairs with different labels."""

    @property
    def edges(self) -> Tensor:
        """(bins + 1,) edges of the bins, as distances."""
        return torch.linspace(0, self.farthest, len(self.same) + 1)

    @property
    def different_share(self) -> Tensor:
        """(bins,) share of the pairs in each bin that have different labels; NaN for a bin without pairs."""
        return self.different / (self.same + self.different)


@torch.inference_mode()
def count_distances(
    data: LabelledImages,
    cue: Cue,
    window: WindowLike,
    *,
    farthest: float,
    bins: int = 80,
    boundaries: Sequence[Path | None] | None = None,
    every: int = 1,
    progress: Progress | None = None,
) -> DistanceCounts:
    """Count the pairs of all windows of labelled images, by distance and by equality of labels.

    Args:
        data: Images with true labels.
        cue: Cue that computes the distances, run on its own device.
        window: Window whose neighbours make pairs with its centre.
        farthest: End of the last bin.
        bins: Number of bins.
        boundaries: Boundary map of each image, for a contour cue.
        every: Use every n-th image.
        progress: Progress bar to update.

    Raises:
        InputError: If a number is out of range, a file cannot be read, a size does not fit, or no pair has two known
            labels.
    """
    window = Window.of(window)
    check_positive("farthest", farthest)
    check_count("bins", bins)
    check_count("every", every)
    checked, paths = CheckedLabels(data, None), list(data.named_paths.values())
    counts = torch.zeros(2, bins, dtype=torch.int64)
    indices = range(0, len(data), every)
    for index in progress.track(indices, description="counting") if progress else indices:
        sample = checked[index]
        with naming(paths[index]):
            features = _features(cue, sample.image, None if boundaries is None else boundaries[index])
        counts += _count(cue.distance(features, window), sample.labels, window, farthest, bins).cpu()
    if not counts.any():
        raise InputError(
            f"the labels of {len(indices)} images have no pair in window {window}; expected pairs of known labels: "
            "check which label is void"
        )
    return DistanceCounts(farthest, same=counts[0], different=counts[1])


def _features(cue: Cue, image: Tensor, boundary: Path | None) -> Tensor:
    sharpener = Sharpener(cue)
    given = features_of(fitted_boundary(boundary, image), sharpener)
    if given is not None:
        return given
    device = next((parameter.device for parameter in cue.parameters()), torch.device("cpu"))
    return sharpener.features(image[None].to(device))


def _count(distance: Tensor, labels: Tensor, window: Window, farthest: float, bins: int) -> Tensor:
    """Return (2, bins) int64: pairs with the same label, and pairs with different labels."""
    parity, valid = local_parity(labels[None].to(distance.device), window, ignore_index=IGNORE_INDEX)
    later = slice(window.centre + 1, None)  # neighbours before the centre give the same pairs
    distance, parity, valid = (value[:, later] for value in (distance, parity, valid))
    bin_ = (distance[valid] * (bins / farthest)).long().clamp(max=bins - 1)
    return torch.bincount(bin_ + bins * ~parity[valid], minlength=2 * bins).reshape(2, bins)


@house_style()
def draw_reliability(
    counts: DistanceCounts, *, margins: tuple[float, float] | None = None, cue: str = "learned"
) -> Figure:
    """Draw the histograms of both kinds of pairs, and below them the share of pairs with different labels.

    Args:
        counts: Counts of pairs to draw.
        margins: The margins near and far of the loss, for a learned cue: pairs with the same label should be nearer
            than the first, pairs with different labels farther than the second. None for other cues.
        cue: Name of the cue, for the axis.
    """
    figure = new_figure(COLUMN_WIDTH, 2.75)
    histogram = add_axes(figure, Place(0.45, 0.2, COLUMN_WIDTH - 0.6, 1.1))
    curve = add_axes(figure, Place(0.45, 1.4, COLUMN_WIDTH - 0.6, 0.95))
    edges = counts.edges.numpy()
    words = (("same label", counts.same, OKABE_ITO[0]), ("different labels", counts.different, OKABE_ITO[1]))
    for line, (word, values, colour) in enumerate(words):
        share = 100 * values / values.sum().clamp(min=1)
        histogram.stairs(share.numpy(), edges, color=colour, fill=True, alpha=0.25)
        histogram.stairs(share.numpy(), edges, color=colour)
        text, height = f"{word}, {_short(int(values.sum()))} pairs", 0.97 - 0.13 * line
        label = histogram.text(0.98, height, text, color=colour, ha="right", va="top", transform=histogram.transAxes)
        label.set_bbox({"facecolor": "white", "edgecolor": "none", "pad": 1})
    histogram.set(ylabel="% of pairs", xlim=(0, counts.farthest), ylim=(0, None))
    histogram.tick_params(labelbottom=False)
    histogram.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    middle = (edges[1:] + edges[:-1]) / 2
    curve.plot(middle, 100 * counts.different_share.numpy(), color=OKABE_ITO[6])
    curve.set(ylabel="% different", ylim=(0, 100), xlim=(0, counts.farthest), xlabel=f"distance ({cue})")
    curve.xaxis.set_major_formatter(lambda value, _: f"≥{value:g}" if value >= counts.farthest else f"{value:g}")
    for margin, word in zip(margins or (), ("near", "far"), strict=False):
        for axes in (histogram, curve):
            axes.axvline(margin, color=GREY, linewidth=0.6, linestyle=(0, (4, 3)))
        place = (margin, 1.02)
        histogram.text(*place, f"{word} {margin:g}", color=GREY, ha="center", transform=histogram.get_xaxis_transform())
    return figure


def _short(count: int) -> str:
    """Return a count in three digits, such as 12.3 M."""
    for unit, word in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:.3g}{word}"
    return str(count)
