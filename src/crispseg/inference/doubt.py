"""Whether scores are in doubt over regions, as a network's are, or along boundaries alone, as true labels made coarse.

Scores that are sure of everything but the place of boundaries need a gentler filter, which mixes only pixels that are
much alike. So all differences of pixels count more, by a factor for each image: the contrast. Such scores also say
between which pixels a boundary lies, so they are upsampled with less regard to the image, or none. Labels are never in
doubt, which says nothing of them: they are filtered like the scores of a network.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.checks import is_recorded
from crispseg.data.box import cut
from crispseg.data.pixels import Pixels
from crispseg.grid import Line
from crispseg.inference.nodata import valid_there
from crispseg.inference.shares import Shares
from crispseg.ops.interpolation import sources
from crispseg.scores import Scores

_STEP = 8
"""Pixels of the image between two samples, in rows and columns."""

_SIDE = 6
"""Samples along a side of a block, one at every sample. A block is in doubt as far as all its samples are: a boundary
leaves it sure."""

_ENOUGH = 0.003
"""The mean doubt from which scores count as a network's. Those of ESPNetv2 have 0.2 % and more, usually above 0.4 %;
true labels at 1/8 have none, at 1/16 usually less than 0.1 %."""

_LEAST_SURE, _MOST_SURE = 2.0, 3.0
"""The factors for scores without doubt that are 16 pixels apart, or more, and 8 pixels, or fewer. The closer they are,
the better they know where a boundary is."""

_BILINEAR = 2.0
"""The contrast from which joint upsampling does not look at the image."""

_SOME = 0.01
"""The doubt from which a sample is unsure. Scores without such a sample are labels: nothing tells what is in doubt."""

_NO_DATA = 2.0
"""Stands for the doubt of pixels without data."""

_AT_ONCE = 512
"""Rows and columns of scores that are read at a time."""


def contrast_of(scores: Tensor, kind: Scores, lines: tuple[Line, Line]) -> Tensor:
    """Return the factor, from 1 to 3, by which differences of pixels count more in the filter: (N, 1, 1, 1).

    Args:
        scores: (N, C, h, w) scores of mutually exclusive classes, float32 or wider.
        kind: Their kind.
        lines: How the rows and columns of the image map to them.
    """
    rows, columns = (_sampled(line, scores.device) for line in lines)
    return _contrast(_doubt(scores.detach().index_select(-2, rows).index_select(-1, columns), kind), lines)


def contrast_of_pixels(scores: Pixels, kind: Scores, lines: tuple[Line, Line]) -> Tensor:
    """Return what `contrast_of` returns for (C, h, w) scores that are read in parts, without pixels that lack data."""
    rows, columns = (_sampled(line) for line in lines)
    doubt = torch.zeros(1, 1, len(rows), len(columns))
    for box in cut(scores.size, _AT_ONCE):
        down, across = _within(rows, box.top, box.bottom), _within(columns, box.left, box.right)
        if not len(down) or not len(across):
            continue
        y, x = rows[down, None] - box.top, columns[across] - box.left
        found = _doubt(scores.read(box)[None, :, y, x].float(), kind)
        valid = valid_there(scores, box)
        doubt[..., down[:, None], across] = (found if valid is None else found.where(valid[y, x], _NO_DATA)).cpu()
    return _contrast(doubt, lines)


def for_filter(maps: Tensor, contrast: Tensor | None) -> Tensor:
    """Return maps as the filter compares their pixels: times the (N, 1, 1, 1) contrast, of which None stands for 1."""
    return maps if contrast is None or _is_one(contrast) else maps * contrast


def for_upsampling(features: Tensor, contrast: Tensor | None) -> Tensor:
    """Return features as joint upsampling compares them: as they are for a contrast of 1, and all 0 from 2 on.

    Where all features are 0, joint upsampling is bilinear.
    """
    if contrast is None or _is_one(contrast):
        return features
    return features * ((_BILINEAR - contrast) / (_BILINEAR - 1)).clamp(min=0).to(features.dtype)


def _is_one(contrast: Tensor) -> bool:
    """Return whether no contrast differs from 1, as far as that can be told without waiting for a GPU."""
    return not is_recorded(contrast) and contrast.device.type == "cpu" and bool((contrast == 1).all())


def _within(places: Tensor, first: int, end: int) -> Tensor:
    """Return the indices of places from first to end."""
    return ((places >= first) & (places < end)).nonzero()[:, 0]


def _sampled(line: Line, device: torch.device | None = None) -> Tensor:
    """Return the scores nearest to every eighth pixel of the image, and to the last one once or twice."""
    found = sources(0, line.resized, line, device)
    # Two samples or more: a program that is exported could not have one, then more.
    pixels = (_STEP * torch.arange(line.resized // _STEP + 2, device=device)).clamp(max=line.resized - 1)
    return torch.where(found.share > 0.5, found.behind, found.before).index_select(0, pixels)


def _doubt(sampled: Tensor, kind: Scores) -> Tensor:
    """Return (N, 1, h, w): what is missing from the largest probability to 1."""
    shares = Shares.of(sampled, kind)
    return 1 - (shares.choices() / shares.whole).amax(1, keepdim=True)


def _contrast(doubt: Tensor, lines: tuple[Line, Line]) -> Tensor:
    """Return (N, 1, 1, 1) factors for (N, 1, h, w) doubt, which is above 1 where there is no data."""
    blocks = -F.max_pool2d(-doubt, _SIDE, stride=1, padding=_SIDE // 2)
    known, axes = (blocks <= 1).to(doubt.dtype), (1, 2, 3)
    mean = (blocks * known).sum(axes, keepdim=True) / known.sum(axes, keepdim=True).clamp(min=1)
    factor = 1 + (_for_sure(lines).to(mean) - 1) * (1 - mean / _ENOUGH).clamp(min=0, max=1)
    unsure = ((doubt > _SOME) & (doubt <= 1)).to(doubt.dtype).amax(axes, keepdim=True)
    return torch.where(unsure > 0, factor, torch.ones_like(factor))


def _for_sure(lines: tuple[Line, Line]) -> Tensor:
    """Return the factor for scores without doubt, as a tensor, since an exported program learns their size in a run."""
    pixels = torch.stack([torch.scalar_tensor(line.pixels) / torch.scalar_tensor(line.steps) for line in lines]).amax()
    return (_MOST_SURE + 1 - pixels / 8).clamp(_LEAST_SURE, _MOST_SURE)
