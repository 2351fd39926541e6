"""Masks of an embedding around single pixels, beside masks of colours (figure 2 of the paper)."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from torch import Tensor

from crispseg.checks import check_pixel
from crispseg.cues import RGBCue
from crispseg.cues.cue import EmbeddingCue
from crispseg.data.intensity import to_floats
from crispseg.defaults import MASKED_PIXELS
from crispseg.errors import InputError
from crispseg.figures.page import (
    CAPTION,
    GAP,
    OKABE_ITO,
    TEXT_WIDTH,
    Place,
    add_caption,
    add_panel,
    house_style,
    new_figure,
)
from crispseg.inference.contributions import contributions
from crispseg.nn import LocalFilter
from crispseg.pictures.colours import principal_components
from crispseg.value_checks import check_count
from crispseg.window import WindowsLike

_LINE = 0.07
"""Height of a number, as a share of the height of the image."""

_FAR = 10.0
"""Hardness times distance beyond which all distances count as equally far: a weight of exp(-10)."""


@dataclass(frozen=True)
class Masks:
    """The masks of some pixels: which other pixels belong with each."""

    pixels: tuple[tuple[int, int], ...]
    """x, y of each pixel."""
    components: Tensor
    """(3, H, W) uint8: the principal components of the embedding as red, green and blue."""
    learned: Tensor
    """(pixels, H, W): contribution of every pixel to the filtered score of each given pixel, with weights from the
    embedding; the largest is 1."""
    colour: Tensor
    """(pixels, H, W): the same with weights from colours."""


@torch.no_grad()
def compute_masks(
    image: Tensor,
    cue: EmbeddingCue,
    window: WindowsLike,
    *,
    pixels: Sequence[tuple[int, int]] = (),
    count: int = MASKED_PIXELS,
    hardness: float | None = None,
    passes: int | tuple[int, ...] = 1,
    apart: int = 41,
) -> Masks:
    """Compute the masks of pixels by a cue, and by colours at their default hardness.

    Args:
        image: (3, H, W) uint8, or floating point in [0, 1].
        cue: Cue that computes the embedding, run on its own device.
        window: Window of neighbours, or several from coarse to fine.
        pixels: x, y of each pixel; if empty, `count` pixels are chosen where the cue divides the window best.
        count: Number of pixels to choose.
        hardness: λ; None for the default of the cue.
        passes: Passes of the filter with each window. One pass gives the weights of the window (eq. 3).
        apart: Chosen pixels differ by more than this in x or in y.

    Raises:
        InputError: If a pixel lies outside the image, or a count is below 1.
    """
    filter = LocalFilter(window, passes=passes)
    check_count("count", count)
    for pixel in pixels:
        check_pixel(pixel, image)
    device = next((parameter.device for parameter in cue.parameters()), torch.device("cpu"))
    rgb = to_floats(image[None].to(device))
    embedding = cue(rgb)
    chosen_hardness = cue.default_hardness if hardness is None else hardness
    finest = cue.distance(embedding, filter.window[-1])
    chosen = tuple(pixels) or _choose(finest[0].clamp(max=_FAR / chosen_hardness), count, apart)
    colours = RGBCue()
    weights = partial(cue.weights, embedding, hardness=chosen_hardness)
    by_colour = partial(colours.weights, rgb, hardness=colours.default_hardness)
    return Masks(
        pixels=chosen,
        components=principal_components(embedding[0]),
        learned=contributions(filter, weights, rgb, chosen),
        colour=contributions(filter, by_colour, rgb, chosen),
    )


def _choose(distance: Tensor, count: int, apart: int) -> tuple[tuple[int, int], ...]:
    """Return x, y of the pixels whose distances vary most, not near each other nor, if possible, near the border."""
    divided = distance.var(0, correction=0).cpu()
    height, width = divided.shape
    rows, columns = min(apart // 2, (height - 1) // 2), min(apart // 2, (width - 1) // 2)
    inside = torch.full_like(divided, -torch.inf)
    inside[rows : height - rows, columns : width - columns] = divided[rows : height - rows, columns : width - columns]
    chosen: list[tuple[int, int]] = []
    while len(chosen) < count and inside.isfinite().any():
        y, x = divmod(int(inside.argmax()), width)
        chosen.append((x, y))
        inside[max(y - apart, 0) : y + apart + 1, max(x - apart, 0) : x + apart + 1] = -torch.inf
    return tuple(chosen)


@house_style()
def draw_embedding(image: Tensor, masks: Masks, patch: int) -> Figure:
    """Draw the image and its embedding on the left, and a row for every pixel: patch, embedding and both masks.

    Args:
        image: (3, H, W) uint8, or floating point in [0, 1].
        masks: Masks of the image.
        patch: Side of the patches in pixels, odd.

    Raises:
        InputError: If `patch` is even or below 3.
    """
    if patch < 3 or patch % 2 == 0:
        raise InputError(f"patch is {patch} pixels; expected an odd number of 3 or more")
    rows, aspect = len(masks.pixels), image.shape[-1] / image.shape[-2]
    # The two pictures on the left have the same total height as the rows on the right.
    side = (TEXT_WIDTH - 4 * GAP - aspect * ((rows - 2) * GAP) / 2) / (4 + aspect * rows / 2)
    high = (rows * side + (rows - 2) * GAP) / 2
    figure = new_figure(TEXT_WIDTH, CAPTION + rows * side + (rows - 1) * GAP)
    for index, pixels in enumerate((image, masks.components)):
        whole = add_panel(figure, Place(0, CAPTION + index * (high + GAP), aspect * high, high), pixels)
        for number, pixel in enumerate(masks.pixels, start=1):
            _mark_patch(whole, pixel, patch, str(number))
    add_caption(figure, Place(0, CAPTION, aspect * high, high), "image and embedding")
    for column, caption in enumerate(("patch", "embedding", "learned mask", "colour mask")):
        place = Place(aspect * high + GAP + column * (side + GAP), CAPTION, side, side)
        add_caption(figure, place, caption)
        for row, (x, y) in enumerate(masks.pixels):
            shown = (image, masks.components, masks.learned[row], masks.colour[row])[column]
            panel = add_panel(figure, place._replace(top=CAPTION + row * (side + GAP)), shown)
            panel.set_facecolor("lightgrey")  # beyond the image
            panel.set(xlim=(x - patch / 2, x + patch / 2), ylim=(y + patch / 2, y - patch / 2))
            _mark_centre(panel, x, y)
            if column == 0:
                _outlined(panel, (0.05, 0.94), str(row + 1), transform=panel.transAxes, ha="left", va="top")
    return figure


def _mark_patch(axes: Axes, pixel: tuple[int, int], patch: int, number: str) -> None:
    x, y = pixel
    for colour, width in (("black", 1.6), ("white", 0.8)):
        axes.add_patch(
            Rectangle(
                (x - patch / 2, y - patch / 2), patch, patch, fill=False, edgecolor=colour, lw=width, clip_on=True
            )
        )
    below = y - patch / 2 < _LINE * max(axes.get_ylim())  # no room for the number above
    place = (x - patch / 2, y + patch / 2 + 2) if below else (x - patch / 2, y - patch / 2 - 2)
    _outlined(axes, place, number, ha="left", va="top" if below else "bottom")


def _mark_centre(axes: Axes, x: int, y: int) -> None:
    axes.plot(x, y, "o", markersize=4, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.6)
    axes.plot(x, y, "o", markersize=4, markerfacecolor="none", markeredgecolor=OKABE_ITO[4], markeredgewidth=0.8)


def _outlined(axes: Axes, place: tuple[float, float], text: str, **options: Any) -> None:  # noqa: ANN401 - matplotlib's
    """Write white text with a black outline, readable on any picture."""
    outline = [withStroke(linewidth=1.6, foreground="black")]
    axes.text(*place, text, color="white", path_effects=outline, clip_on=True, **options)
