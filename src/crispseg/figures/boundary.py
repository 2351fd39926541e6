"""One image before and after sharpening, with the part that changed most magnified (figure 1 of the paper)."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from crispseg.checks import check_pixel
from crispseg.figures.contours import add_contours
from crispseg.figures.page import (
    CAPTION,
    GAP,
    TEXT_WIDTH,
    Place,
    add_caption,
    add_panel,
    house_style,
    new_figure,
)
from crispseg.pictures.before_after import most_changed
from crispseg.pictures.colours import label_colours, overlay


@house_style()
def draw_boundary(
    image: Tensor,
    before: Tensor,
    after: Tensor,
    palette: tuple[int, ...] | None = None,
    *,
    middle: tuple[int, int] | None = None,
) -> Figure:
    """Draw the image, the labels before and the labels after, with the part that changed most magnified below.

    Args:
        image: (3, H, W) uint8.
        before: (H, W) labels.
        after: (H, W) labels.
        palette: Red, green and blue of each label; None for default colours, which also follow a short palette.
        middle: x, y of the centre of the part to magnify; None for the part that changed most.

    Raises:
        InputError: If `middle` lies outside the image.
    """
    colours = label_colours(palette, int(max(before.max(), after.max())))
    part = most_changed(before, after)
    if middle is not None:
        check_pixel(middle, image)
        part = _around(middle, part, image)
    width = (TEXT_WIDTH - 2 * GAP) / 3
    height = width * image.shape[-2] / image.shape[-1]
    figure = new_figure(TEXT_WIDTH, CAPTION + 2 * height + GAP)
    for column, (caption, labels) in enumerate((("image", None), ("before", before), ("after", after))):
        pixels = image if labels is None else overlay(image, labels, colours)
        place = Place(column * (width + GAP), CAPTION, width, height)
        whole = add_panel(figure, place, pixels)
        detail = add_panel(figure, place._replace(top=CAPTION + height + GAP), pixels)
        add_caption(figure, place, caption)
        if labels is not None:
            add_contours(whole, labels, 0.25)
            add_contours(detail, labels, 0.6)
        add_frame(whole, part)
        magnify(detail, part)
    return figure


def _around(middle: tuple[int, int], part: tuple[int, int, int, int], image: Tensor) -> tuple[int, int, int, int]:
    """Return a part of the same size around a pixel, moved to lie within the image."""
    _, _, rows, columns = part
    top = min(max(middle[1] - rows // 2, 0), image.shape[-2] - rows)
    left = min(max(middle[0] - columns // 2, 0), image.shape[-1] - columns)
    return top, left, rows, columns


def magnify(axes: Axes, part: tuple[int, int, int, int]) -> None:
    """Show only a part of the picture in a panel, given its top, left, height and width."""
    top, left, rows, columns = part
    axes.set(xlim=(left - 0.5, left + columns - 0.5), ylim=(top + rows - 0.5, top - 0.5))


def add_frame(axes: Axes, part: tuple[int, int, int, int]) -> None:
    """Draw a frame around the part of a picture that is magnified elsewhere."""
    top, left, rows, columns = part
    for colour, width in (("black", 1.6), ("white", 0.8)):
        axes.add_patch(Rectangle((left - 0.5, top - 0.5), columns, rows, fill=False, edgecolor=colour, lw=width))
