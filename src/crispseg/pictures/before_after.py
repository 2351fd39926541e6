"""Draw what sharpening changed: the image, the labels before and after, and the part that changed most, enlarged."""

import numpy as np
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from crispseg.data.intensity import to_bytes
from crispseg.pictures.colours import label_colours, overlay

_GAP = 6
_CAPTION = 22
_ZOOM = 4
_SMALLEST_PANEL = 320


def before_after(image: Tensor, before: Tensor, after: Tensor, palette: tuple[int, ...] | None = None) -> Image.Image:
    """Draw image, before and after in a row, and below each an enlarged view of the part that changed most.

    Args:
        image: (3, H, W) uint8, or floating point in [0, 1].
        before: (H, W) labels before sharpening.
        after: (H, W) labels after sharpening.
        palette: Red, green and blue of each label; None or one that is too short stands for a default palette.
    """
    colours = label_colours(palette, int(max(before.max(), after.max())))
    image = to_bytes(image)
    panels = [image, overlay(image, before, colours), overlay(image, after, colours)]
    top, left, height, width = most_changed(before, after)
    details = [panel[:, top : top + height, left : left + width] for panel in panels]
    size = _panel_size(image.shape[-1], image.shape[-2])
    rows = [
        [_frame(panel, size, Image.Resampling.LANCZOS) for panel in panels],
        [_frame(detail, size, Image.Resampling.NEAREST) for detail in details],
    ]
    sheet = _sheet(rows, ["image", "before", "after"])
    box = [left * size[0] / image.shape[-1], top * size[1] / image.shape[-2]]
    box += [(left + width) * size[0] / image.shape[-1] - 1, (top + height) * size[1] / image.shape[-2] - 1]
    draw = ImageDraw.Draw(sheet)
    for column in range(3):
        shift = column * (size[0] + _GAP)
        draw.rectangle((box[0] + shift, box[1] + _CAPTION, box[2] + shift, box[3] + _CAPTION), outline="white", width=2)
    return sheet


def most_changed(before: Tensor, after: Tensor) -> tuple[int, int, int, int]:
    """Return top, left, height and width of the part with the most changed pixels; its sides are a quarter as long.

    Example:
        >>> import torch
        >>> before = torch.zeros(8, 8, dtype=torch.long)
        >>> after = before.clone()
        >>> after[6, 1] = 1
        >>> top, left, height, width = most_changed(before, after)
        >>> top <= 6 < top + height and left <= 1 < left + width
        True
    """
    height, width = (max(side // _ZOOM, 1) for side in before.shape)
    return *fullest_part(before != after, height, width), height, width


def fullest_part(mask: Tensor, height: int, width: int) -> tuple[int, int]:
    """Return top and left of the part of a height and width that holds the most pixels of a mask."""
    # An integral image: the count in a part is the sum at two of its corners minus the sum at the other two.
    above = F.pad(mask.long().cumsum(0).cumsum(1), (1, 0, 1, 0))
    count = above[height:, width:] - above[:-height, width:] - above[height:, :-width] + above[:-height, :-width]
    top, left = divmod(int(count.argmax()), count.shape[1])
    return top, left


def _panel_size(width: int, height: int) -> tuple[int, int]:
    factor = max(1.0, _SMALLEST_PANEL / max(width, height))
    return round(width * factor), round(height * factor)


def _frame(pixels: Tensor, size: tuple[int, int], resampling: Image.Resampling) -> Image.Image:
    return Image.fromarray(np.ascontiguousarray(pixels.permute(1, 2, 0).numpy())).resize(size, resampling)


def _sheet(rows: list[list[Image.Image]], captions: list[str]) -> Image.Image:
    width, height = rows[0][0].size
    columns = len(captions)
    size = (columns * width + (columns - 1) * _GAP, _CAPTION + len(rows) * height + (len(rows) - 1) * _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(size=14)
    for column, caption in enumerate(captions):
        draw.text((column * (width + _GAP) + 4, 2), caption, fill="black", font=font)
        for row, panels in enumerate(rows):
            sheet.paste(panels[column], (column * (width + _GAP), _CAPTION + row * (height + _GAP)))
    return sheet
