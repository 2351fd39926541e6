"""Pictures of a result for the page, no larger than a screen."""

import base64
import html
import io
import math
import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from PIL import Image, ImageDraw
from torch import Tensor

from crispseg.app.session import PixelMasks
from crispseg.data.class_names import name_of
from crispseg.data.image import as_picture
from crispseg.data.intensity import Intensities, to_bytes
from crispseg.inference.one_image import Sharpened
from crispseg.pictures.colours import overlay
from crispseg.window import Window

_LONGEST = 1280
"""Pixels of the longest side of a picture: what a page shows; a click on it still finds its pixel."""

Part = tuple[int, int, int, int]
"""Top, left, height and width of a part of an image."""

_SHORTEST = 480
"""Pixels that the longest side of a picture has at least: smaller ones the page would not enlarge."""

_SMALLEST_PATCH = 41
_LARGEST_PATCH = 401
"""Pixels to the side of the square around a pixel, however wide the window is."""

_ENTRIES = 24
"""Labels that a legend shows at most, those with the most pixels."""

_RING = 7
"""Radius of the ring around a pixel, in pixels of the picture."""

_CHANGED = (232, 62, 140)
_UNCHANGED = 0.35
"""Contrast that is left of the image where nothing changed."""


@dataclass(frozen=True)
class Scale:
    """From pixels of an image to pixels of the picture that is shown of it.

    Args:
        height: Of the image.
        width: Of the image.

    Example:
        >>> Scale(2560, 1280).shown
        (640, 1280)
        >>> Scale(2560, 1280).pixel((639, 3))
        (1279, 7)
        >>> Scale(100, 120).shown
        (480, 400)
    """

    height: int
    width: int

    @property
    def image(self) -> tuple[int, int]:
        """Return width and height of the image."""
        return self.width, self.height

    @property
    def shown(self) -> tuple[int, int]:
        """Return width and height of the picture."""
        longest = max(self.height, self.width)
        factor = _LONGEST / longest if longest > _LONGEST else math.ceil(_SHORTEST / longest)
        return max(round(self.width * factor), 1), max(round(self.height * factor), 1)

    def pixel(self, clicked: tuple[int, int]) -> tuple[int, int]:
        """Return the x, y of the image that is nearest to the middle of an x, y of the picture."""
        places = zip(clicked, self.shown, self.image, strict=True)
        x, y = (min(max((2 * at + 1) * side // (2 * shown), 0), side - 1) for at, shown, side in places)
        return x, y


def picture(pixels: Tensor) -> Image.Image:
    """Return (3, H, W) uint8 as a picture that is no larger than a screen, and large enough to look at."""
    image = as_picture(pixels)
    shown = Scale(pixels.shape[-2], pixels.shape[-1]).shown
    return image if image.size == shown else image.resize(shown, Image.Resampling.BOX)  # enlarged, pixels stay squares


def tinted(image: Tensor, labels: Tensor, colours: Tensor) -> Tensor:
    """Return the (3, H, W) image tinted by the colours of its labels, uint8; black tints nothing."""
    plain = (colours == 0).all(1)[labels]
    return torch.where(plain, to_bytes(image), overlay(image, labels, colours))


def labels_picture(tinted: Tensor, part: Part) -> Image.Image:
    """Return a picture of a tinted (3, H, W) image, with a frame around a part of it."""
    shown = picture(tinted)
    across, down = (own / whole for own, whole in zip(shown.size, (tinted.shape[2], tinted.shape[1]), strict=True))
    top, left, height, width = part
    box = (left * across, top * down, (left + width) * across - 1, (top + height) * down - 1)
    pen = ImageDraw.Draw(shown)
    for colour, thick, out in (("black", 4, 1), ("white", 2, 0)):
        pen.rectangle((box[0] - out, box[1] - out, box[2] + out, box[3] + out), outline=colour, width=thick)
    return shown


def crops(before: Tensor, after: Tensor, part: Part) -> str:
    """Return HTML of a part of two tinted (3, H, W) images, enlarged, one beside the other."""
    top, left, height, width = part
    figures = "".join(
        f'<figure><img src="{_data_url(tinted[:, top : top + height, left : left + width])}" '
        f'alt="{caption}: the part that changed most"><figcaption>{caption}</figcaption></figure>'
        for caption, tinted in (("Before", before), ("After", after))
    )
    return f'<div class="crops">{figures}</div>'


def legend(result: Sharpened, colours: Tensor, names: Sequence[str]) -> str:
    """Return HTML of the labels of a result: colour, name or number, and the share of the pixels after sharpening."""
    labels, counts = torch.unique(torch.cat([result.before.flatten(), result.after.flatten()]), return_counts=True)
    largest = sorted(zip(counts.tolist(), labels.tolist(), strict=True), reverse=True)
    shown = sorted(label for _, label in largest[:_ENTRIES])
    after = torch.bincount(result.after.flatten(), minlength=int(labels.max()) + 1)
    entries = [_entry(label, colours[label], names, 100 * int(after[label]) / result.after.numel()) for label in shown]
    if len(largest) > _ENTRIES:
        entries.append(f"<li>and {len(largest) - _ENTRIES} more</li>")
    return f'<ul class="legend" aria-label="Labels">{"".join(entries)}</ul>'


def _entry(label: int, colour: Tensor, names: Sequence[str], share: float) -> str:
    red, green, blue = (int(value) for value in colour.tolist())
    chip = f'style="background:rgb({red},{green},{blue})"' if any((red, green, blue)) else 'class="plain"'
    told = "&lt;0.1" if 0 < share < 0.1 else f"{share:.1f}"
    return f"<li><i {chip}></i>{html.escape(name_of(names, label))} <small>{told} %</small></li>"


def changed_pixels(image: Tensor, result: Sharpened) -> Image.Image:
    """Return a picture of the pixels whose label changed, over the (3, H, W) image in pale grey."""
    grey = (to_bytes(image).sum(0, dtype=torch.float32) * (_UNCHANGED / 3) + 255 * (1 - _UNCHANGED)).to(torch.uint8)
    marked = torch.tensor(_CHANGED, dtype=torch.uint8)[:, None, None]
    return picture(torch.where(result.before != result.after, marked, grey))


def write_picture(shown: Image.Image, folder: Path) -> Path:
    """Write a picture for the page, quickly rather than compactly, as it is looked at once; return its path."""
    handle, name = tempfile.mkstemp(suffix=".png", dir=folder)
    with os.fdopen(handle, "wb") as file:
        shown.save(file, format="PNG", compress_level=1)
    return Path(name)


def marked(shown: Image.Image, scale: Scale, pixel: tuple[int, int] | None) -> Image.Image:
    """Return a picture with a ring around the place of an x, y of its image."""
    if pixel is None:
        return shown
    x, y = ((at + 0.5) * side / whole for at, side, whole in zip(pixel, shown.size, scale.image, strict=True))
    ringed = shown.copy()
    pen = ImageDraw.Draw(ringed)
    for colour, width in (("black", 4), ("white", 2)):
        pen.ellipse((x - _RING, y - _RING, x + _RING, y + _RING), outline=colour, width=width)
    return ringed


def pixel_tiles(image: Tensor, embedding: Tensor, masks: PixelMasks) -> str:
    """Return HTML of the square around a pixel: image, embedding, mask of one pass, and mask of all passes.

    Args:
        image: (3, H, W) uint8.
        embedding: (3, H, W) uint8.
        masks: Of a pixel. Its first window is outlined; the square is twice as wide or more, up to 401 pixels. Pixels
            that the first pass takes far from each other are drawn larger, to be seen.
    """
    window, passes = masks.config.windows[0], sum(level.passes for level in masks.config.levels)
    side = min(max(4 * window.radius + 1, _SMALLEST_PATCH), _LARGEST_PATCH)
    tiles = (
        ("image", image),
        ("embedding: pixels of like colours mix", embedding),
        (_weights("one pass", masks.one_pass), _grey(_with_larger_dots(masks.one_pass, window.dilation))),
        (_weights(f"all {passes} passes", masks.all_passes), _grey(masks.all_passes)),
    )
    drawn = (_tile(caption, _patch(pixels, masks.pixel, side), masks.pixel, window) for caption, pixels in tiles)
    return f'<div class="tiles">{"".join(drawn)}</div>'


def _weights(what: str, mask: Tensor) -> str:
    """Return the caption of an (H, W) mask whose most is 1: how much of the average its brightest pixel is."""
    return f"{what}: black adds nothing, white {_percent(mask)} % of the average"


def _percent(mask: Tensor) -> str:
    """Return the share of the brightest pixel with two digits.

    Example:
        >>> _percent(torch.ones(1, 1)), _percent(torch.ones(7, 8))
        ('100', '1.8')
    """
    return f"{float(f'{100 / float(mask.sum()):.2g}'):g}"


def _with_larger_dots(mask: Tensor, dilation: int) -> Tensor:
    """Return an (H, W) mask whose dots, `dilation` pixels apart, fill half of the distance between them."""
    reach = dilation // 4
    return F.max_pool2d(mask[None], 2 * reach + 1, stride=1, padding=reach)[0]


def _grey(mask: Tensor) -> Tensor:
    """Return (H, W) in [0, 1] as (3, H, W) uint8."""
    return (255 * mask.clamp(0, 1)).round().to(torch.uint8).expand(3, -1, -1)


def _patch(pixels: Tensor, pixel: tuple[int, int], side: int) -> Tensor:
    """Return (3, side, side) around x, y; light grey beyond the image."""
    (x, y), reach = pixel, side // 2
    padded = F.pad(pixels, (reach, reach, reach, reach), value=211)
    return padded[:, y : y + side, x : x + side]


def _tile(caption: str, patch: Tensor, pixel: tuple[int, int], window: Window) -> str:
    """Return a patch as an inline picture, with the window and its middle outlined."""
    side, wide = patch.shape[-1], 2 * window.radius + 1
    start = (side - wide) / 2
    described = html.escape(f"{caption} around pixel {pixel[0]}, {pixel[1]}")
    marks = "".join(
        f'<rect x="{at:g}" y="{at:g}" width="{length}" height="{length}" class="{kind}"/>'
        for kind in ("under", "over")
        for at, length in ((start, wide), ((side - 1) / 2, 1))
    )
    return (
        f'<figure><svg viewBox="0 0 {side} {side}" role="img" aria-label="{described}">'
        f'<image href="{_data_url(patch)}" width="{side}" height="{side}"/>{marks}</svg>'
        f"<figcaption>{html.escape(caption)}</figcaption></figure>"
    )


def _data_url(pixels: Tensor) -> str:
    content = io.BytesIO()
    as_picture(pixels).save(content, format="PNG")
    return "data:image/png;base64," + base64.b64encode(content.getvalue()).decode()


def summary(result: Sharpened, size: tuple[int, int], held: str) -> str:
    """Return one line of HTML on a result: the share of changed pixels, time, size, and what the prediction holds."""
    changed = result.before != result.after
    count = int(changed.sum())
    share = 100 * count / changed.numel()
    height, width = size
    return (
        f'<p role="status"><b>{share:.2f} %</b> of the pixels changed ({count:,} of {math.prod(size):,}) · '
        f"{_time(result.seconds)} · {width} × {height} pixels, {held}</p>"
    )


def range_note(values: Intensities | None) -> str:
    """Return HTML that says which values of an image are black and white, if they were estimated."""
    if values is None or not values.estimated:
        return ""
    return (
        f'<p class="hint">The values {values.low:.6g} and {values.high:.6g} of the image, its 2nd and 98th percentile, '
        "are taken as black and white. Others can be set by --range of crispseg sharpen.</p>"
    )


def _time(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
