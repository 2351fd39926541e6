"""How gently to treat scores: by where they are in doubt, and by how many labels an image has.

A network is in doubt over regions; true labels made coarse are along boundaries alone.

Scores that are sure of everything but the place of boundaries need a gentler filter, which mixes only pixels that are
much alike. So all differences of pixels count more, by a factor for each image: the contrast. Such scores also say
between which pixels a boundary lies, so they are upsampled with less regard to the image, or none. If they are close
together, they do not lose thin things either, so less of the guard acts. Labels are never in doubt, which says nothing
of them: they are filtered like the scores of a network.

An image of few labels is usually a photograph of objects. There, far pixels with alike scores are of one object, and
regional levels mend what the network confused. A scene of many labels has different things that look and score alike,
such as road and pavement, so regional levels do not act there.
"""

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.box import cut
from crispseg.data.pixels import Pixels
from crispseg.grid import Line
from crispseg.inference.gentleness import Gentleness
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

_CLOSE = 8.0
"""Pixels of the image between two scores that know well where a boundary is."""

_COARSE = 12.0
"""Pixels of the image between two scores that may have lost thin things, so that all of the guard acts."""

_SCENE = 5.0
"""The number of labels from which regional levels do not act; with one label fewer, they act in full. Photographs of
PASCAL VOC have up to 3.8, streets of CamVid 4.9 and more."""

_LEAST, _MOST = 2.0, 3.0
"""The contrast of scores without doubt that are twice as far from each other, and of those that are close."""

_SOME = 0.01
"""The doubt from which a sample is unsure. Scores without such a sample are labels: nothing tells what is in doubt."""

_NO_DATA = 2.0
"""Stands for the doubt of pixels without data."""

_AT_ONCE = 512
"""Rows and columns of scores that are read at a time."""


def gentleness_of(scores: Tensor, kind: Scores, lines: tuple[Line, Line]) -> Gentleness:
    """Return how gently the scores of each image are treated.

    Args:
        scores: (N, C, h, w) scores of mutually exclusive classes, float32 or wider.
        kind: Their kind.
        lines: How the rows and columns of the image map to them.
    """
    rows, columns = (_sampled(line, scores.device) for line in lines)
    chances = _chances(scores.detach().index_select(-2, rows).index_select(-1, columns), kind)
    return _gentleness(_doubt(chances), _likeliest(chances).mean((-2, -1), keepdim=True), lines)


def gentleness_of_pixels(scores: Pixels, kind: Scores, lines: tuple[Line, Line]) -> Gentleness:
    """Return what `gentleness_of` returns for (C, h, w) scores read in parts, without pixels that lack data."""
    rows, columns = (_sampled(line) for line in lines)
    doubt = torch.full((1, 1, len(rows), len(columns)), _NO_DATA)
    total: Tensor | float = 0.0
    for box in cut(scores.size, _AT_ONCE):
        down, across = _within(rows, box.top, box.bottom), _within(columns, box.left, box.right)
        if not len(down) or not len(across):
            continue
        y, x = rows[down, None] - box.top, columns[across] - box.left
        chances, valid = _chances(scores.read(box)[None, :, y, x].float(), kind), valid_there(scores, box)
        known = torch.ones_like(chances[0, 0], dtype=torch.bool) if valid is None else valid[y, x]
        doubt[..., down[:, None], across] = _doubt(chances).where(known, _NO_DATA).cpu()
        total = total + _likeliest(chances).where(known, 0).sum((-2, -1), keepdim=True).cpu()
    return _gentleness(doubt, total / (doubt <= 1).sum().clamp(min=1), lines)


def _within(places: Tensor, first: int, end: int) -> Tensor:
    """Return the indices of places from first to end."""
    return ((places >= first) & (places < end)).nonzero()[:, 0]


def _sampled(line: Line, device: torch.device | None = None) -> Tensor:
    """Return the scores nearest to every eighth pixel of the image, and to the last one once or twice."""
    found = sources(0, line.resized, line, device)
    # Two samples or more: a program that is exported could not have one, then more.
    pixels = (_STEP * torch.arange(line.resized // _STEP + 2, device=device)).clamp(max=line.resized - 1)
    return torch.where(found.share > 0.5, found.behind, found.before).index_select(0, pixels)


def _chances(sampled: Tensor, kind: Scores) -> Tensor:
    """Return the (N, L, h, w) probabilities of mutually exclusive labels."""
    shares = Shares.of(sampled, kind)
    return shares.choices() / shares.whole


def _doubt(chances: Tensor) -> Tensor:
    """Return (N, 1, h, w): what is missing from the largest probability to 1."""
    return 1 - chances.amax(1, keepdim=True)


def _likeliest(chances: Tensor) -> Tensor:
    """Return (N, L, h, w): 1 for the likeliest label, 0 for the others."""
    return torch.zeros_like(chances).scatter(1, chances.argmax(1, keepdim=True), 1.0)


def _gentleness(doubt: Tensor, frequencies: Tensor, lines: tuple[Line, Line]) -> Gentleness:
    """Return how gently to treat scores.

    Args:
        doubt: (N, 1, h, w) doubt, above 1 where there is no data.
        frequencies: (N, L, 1, 1) parts of the image in which each label is the likeliest.
        lines: How the rows and columns of the image map to the scores.
    """
    sure = _sureness(doubt)
    # Tensors, since a program that is exported learns these sizes only when it runs.
    rows, columns = (torch.scalar_tensor(line.pixels) / torch.scalar_tensor(line.steps) for line in lines)
    pixels = torch.maximum(rows, columns).to(sure)
    factor = (_MOST + 1 - pixels / _CLOSE).clamp(_LEAST, _MOST)
    return Gentleness(
        contrast=1 + (factor - 1) * sure,
        guarding=1 - (1 - pixels / _COARSE).clamp(min=0) * sure,
        regional=(_SCENE - _labels_of(frequencies)).clamp(0, 1),
    )


def _labels_of(frequencies: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): how many labels an image has; those that are rare count in part.

    It is the number of equally frequent labels that would have the same entropy.
    """
    logs = frequencies.clamp(min=torch.finfo(frequencies.dtype).tiny).log()
    return (-(frequencies * logs).sum(1, keepdim=True)).exp()


def _sureness(doubt: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): 1 for scores without doubt but along boundaries, down to 0 for those of a network."""
    blocks = -F.max_pool2d(-doubt, _SIDE, stride=1, padding=_SIDE // 2)
    known, axes = (blocks <= 1).to(doubt.dtype), (1, 2, 3)
    mean = (blocks * known).sum(axes, keepdim=True) / known.sum(axes, keepdim=True).clamp(min=1)
    sure = (1 - mean / _ENOUGH).clamp(min=0, max=1)
    unsure = ((doubt > _SOME) & (doubt <= 1)).to(doubt.dtype).amax(axes, keepdim=True)
    return torch.where(unsure > 0, sure, torch.zeros_like(sure))
