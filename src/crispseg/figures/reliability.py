"""How far pixels of one label and of two lie apart by a cue, and how often two labels stand behind a distance."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from rich.progress import Progress
from torch import Tensor

from crispseg.checks import check_count, check_positive
from crispseg.cues import Cue
from crispseg.data import LabelledImages
from crispseg.data.checked import CheckedLabels
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError, naming
from crispseg.figures.page import COLUMN_WIDTH, GREY, OKABE_ITO, Place, add_axes, house_style, new_figure
from crispseg.inference.one_image import features_of, fitted_boundary
from crispseg.inference.sharpener import Sharpener
from crispseg.ops import local_parity
from crispseg.window import Window, WindowLike

MARGINS = (0.5, 2.0)
"""Near and far, those of `crispseg.ops.embedding_loss` by default."""


@dataclass(frozen=True)
class DistanceCounts:
    """Pairs of neighbours by their distance, each pair once."""

    farthest: float
    """Where the last bin ends; it holds the pairs beyond too."""
    same: Tensor
    """(bins,) int64: pairs of one label."""
    different: Tensor
    """(bins,) int64: pairs of two labels."""

    @property
    def edges(self) -> Tensor:
        """(bins + 1,) distances between the bins."""
        return torch.linspace(0, self.farthest, len(self.same) + 1)

    @property
    def different_share(self) -> Tensor:
        """(bins,) share of the pairs at that distance that have two labels; NaN where there is no pair."""
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
    """Count the pairs of all windows of labelled images by distance and labels.

    Args:
        data: Images and their true labels.
        cue: Gives the distances, on its own device.
        window: Which pixels make pairs.
        farthest: Where the last bin ends.
        bins: How many.
        boundaries: The boundary map of each image, for a contour cue.
        every: Take every n-th image.
        progress: Shows how far it is.

    Raises:
        InputError: If a number makes no sense, a file cannot be read or does not fit, or the labels make no pair.
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
            f"the labels of {len(indices)} images make no pair in window {window}; expected labels that are known"
        )
    return DistanceCounts(farthest, same=counts[0], different=counts[1])


def _features(cue: Cue, image: Tensor, boundary: Path | None) -> Tensor:
    sharpener = Sharpener(cue)
    given = features_of(fitted_boundary(boundary, image), sharpener)
    if given is not None:
        return given
    device = next((parameter.device for parameter in cue.parameters()), torch.device("cpu"))
    features: Tensor = cue(image[None].to(device).float() / 255)
    return features


def _count(distance: Tensor, labels: Tensor, window: Window, farthest: float, bins: int) -> Tensor:
    """(2, bins): pairs of one label, pairs of two."""
    parity, valid = local_parity(labels[None].to(distance.device), window, ignore_index=IGNORE_INDEX)
    later = slice(window.centre + 1, None)  # the neighbours before the centre make the same pairs
    distance, parity, valid = (value[:, later] for value in (distance, parity, valid))
    bin_ = (distance[valid] * (bins / farthest)).long().clamp(max=bins - 1)
    return torch.bincount(bin_ + bins * ~parity[valid], minlength=2 * bins).reshape(2, bins)


@house_style()
def draw_reliability(
    counts: DistanceCounts, *, margins: tuple[float, float] | None = None, cue: str = "learned"
) -> Figure:
    """Draw the histograms of both kinds of pairs, and below them the share of pairs of two labels.

    Args:
        counts: What to draw.
        margins: Distances that the loss wanted: pairs of one label nearer, pairs of two farther; None for a cue that
            has not learned.
        cue: Its name, for the axis.
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
    histogram.set(ylabel="% of its pairs", xlim=(0, counts.farthest), ylim=(0, None))
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
    """A count in three digits, such as 12.3 M."""
    for unit, word in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if count >= unit:
            return f"{count / unit:.3g}{word}"
    return str(count)
