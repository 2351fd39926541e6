"""How gently to treat scores: by where they are in doubt, by how many labels an image has, and whether these are thin.

A network is in doubt over regions; true labels made coarse are along boundaries alone.

Scores that are sure of everything but the place of boundaries need a gentler filter, which mixes only pixels that are
much alike. So all differences of pixels count more, by a factor for each image: the contrast. Such scores also say
between which pixels a boundary lies, so they are upsampled with less regard to the image, or none. If they are close
together, they do not lose thin things either, so less of the guard acts. Labels are never in doubt, which says nothing
of them: they are filtered like the scores of a network.

An image of few labels is usually a photograph of objects. There, far pixels with alike scores are of one object, and
regional levels mend what the network confused. A scene of many labels has different things that look and score alike,
such as road and pavement, so regional levels do not act there.

In an image of thin things alone, such as vessels or cracks, every window lies mostly beside them. There the filter is
gentler as well, and no regional level acts. In a faint image, differences count more, as if it were not faint.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from crispseg.data.box import cut
from crispseg.data.pixels import Pixels
from crispseg.grid import Line
from crispseg.inference.configured import ConfiguredModule
from crispseg.inference.faintness import faintness, faintness_of_pixels
from crispseg.inference.gentleness import Gentleness
from crispseg.inference.nodata import valid_there
from crispseg.inference.shares import Shares
from crispseg.inference.thinness import CONTRAST, CONTRAST_ALONE, SAMPLED, thinness
from crispseg.ops.interpolation import sources
from crispseg.scores import MULTILABEL, Scores

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

_WIDENED, _FAR_APART = 0.5, 4.0
"""By how much less the guard acts where scores show thin things too wide, and pixels between two scores that do."""

_SOME = 0.01
"""The doubt from which a sample is unsure. Scores without such a sample are labels: nothing tells what is in doubt."""

_NO_DATA = 2.0
"""Stands for the doubt of pixels without data."""

_AT_ONCE = 512
"""Rows and columns of scores that are read at a time."""


class _Samples(NamedTuple):
    """Scores at samples of the image: their doubt and their labels."""

    doubt: Tensor
    """(N, 1, h, w): what is missing from the largest probability to 1; above 1 where there is no data."""
    labels: Tensor
    """(N, 1, h, w) likeliest labels; for labels that may overlap (N, C, h, w), 1 where there is one."""
    counts: Tensor
    """(N, L, 1, 1): how many samples have each label; 0 for labels that may overlap."""

    @classmethod
    def of(cls, scores: Tensor, kind: Scores, known: Tensor | None = None) -> "_Samples":
        """Return the samples of (N, C, h, w) scores, of which those that are not known count nowhere."""
        shares = Shares.of(scores, kind)
        chances = shares.choices() / shares.whole
        best, labels = chances.max(1)
        if kind in MULTILABEL:
            return cls(1 - best.amax(1, keepdim=True), labels, torch.zeros_like(chances[:, :, 0, :1, :1]))
        labels = labels.unsqueeze(1)
        each = torch.zeros_like(chances).scatter(1, labels, 1.0)
        counted = each if known is None else each.where(known, 0)
        return cls(1 - best.unsqueeze(1), labels, counted.sum((-2, -1), keepdim=True))


def gentleness_of(image: Tensor, scores: Tensor, kind: Scores, lines: tuple[Line, Line]) -> Gentleness:
    """Return how gently the scores of each image are treated.

    Args:
        image: (N, 3, H, W) images.
        scores: (N, C, h, w) scores, float32 or wider.
        kind: Their kind.
        lines: How the rows and columns of the image map to them.
    """
    rows, columns = (_sampled(line, scores.device) for line in lines)
    samples = _Samples.of(scores.detach().index_select(-2, rows).index_select(-1, columns), kind)
    return _gentleness(samples, kind, lines, _unrepeated(rows, columns, _size(lines)), faintness(image.detach()))


def gentleness_of_pixels(image: Pixels, scores: Pixels, kind: Scores, lines: tuple[Line, Line]) -> Gentleness:
    """Return what `gentleness_of` returns for an image and its scores read in parts, without pixels that lack data."""
    rows, columns = (_sampled(line) for line in lines)
    doubt = torch.full((1, 1, len(rows), len(columns)), _NO_DATA)
    overlapping = scores.channels if kind in MULTILABEL else 1
    labels, counts = torch.zeros(1, overlapping, len(rows), len(columns), dtype=torch.int64), torch.zeros(1, 1, 1, 1)
    for box in cut(scores.size, _AT_ONCE):
        down, across = _within(rows, box.top, box.bottom), _within(columns, box.left, box.right)
        if not len(down) or not len(across):
            continue
        y, x = rows[down, None] - box.top, columns[across] - box.left
        valid, there = valid_there(scores, box), (..., down[:, None], across)
        known = torch.ones(len(down), len(across), dtype=torch.bool) if valid is None else valid[y, x]
        part = _Samples.of(scores.read(box)[None, :, y, x].float(), kind, known)
        doubt[there], labels[there] = part.doubt.where(known, _NO_DATA).cpu(), part.labels.cpu()
        counts = counts + part.counts.cpu()
    once = _unrepeated(rows, columns, _size(lines))
    return _gentleness(_Samples(doubt, labels, counts), kind, lines, once, faintness_of_pixels(image))


def contrast_of_labels(image: Pixels, labels: Tensor, sharpener: ConfiguredModule) -> float:
    """Return the contrast for the (h, w) label map of an image: above 1 if its labels are thin, or it is faint."""
    if not sharpener.finds_gentleness:
        return 1.0
    size = image.size
    rows, columns = (_sampled(line) for line in sharpener.grid.lines(size, (labels.shape[-2], labels.shape[-1])))
    samples = labels.cpu()[rows[:, None], columns][None, None]
    there, counts = torch.unique(samples, return_counts=True)
    thin = thinness(samples, there[counts.argmax()], _unrepeated(rows, columns, size))
    return max(1 + (CONTRAST - 1) * float(thin), float(faintness_of_pixels(image)))


def _size(lines: tuple[Line, Line]) -> tuple[int, int]:
    return lines[0].resized, lines[1].resized


def _within(places: Tensor, first: int, end: int) -> Tensor:
    """Return the indices of places from first to end."""
    return ((places >= first) & (places < end)).nonzero()[:, 0]


def _sampled(line: Line, device: torch.device | None = None) -> Tensor:
    """Return the scores nearest to every eighth pixel of the image, and to the last one once or twice."""
    found = sources(0, line.resized, line, device)
    # Two samples or more: a program that is exported could not have one, then more.
    pixels = (SAMPLED * torch.arange(line.resized // SAMPLED + 2, device=device)).clamp(max=line.resized - 1)
    return torch.where(found.share > 0.5, found.behind, found.before).index_select(0, pixels)


def _unrepeated(rows: Tensor, columns: Tensor, size: tuple[int, int]) -> Tensor:
    """Return a mask (rows, columns) of the samples at every eighth pixel, without those repeated at the last one.

    Args:
        rows: One for each row of samples.
        columns: One for each column.
        size: Height and width of the image in pixels; a program that is exported learns them only when it runs.
    """
    down, across = (
        SAMPLED * torch.arange(each.shape[0], device=each.device) < length
        for each, length in zip((rows, columns), size, strict=True)
    )
    return down[:, None] & across


def _gentleness(samples: _Samples, kind: Scores, lines: tuple[Line, Line], once: Tensor, faint: Tensor) -> Gentleness:
    """Return how gently to treat scores.

    Args:
        samples: What they say.
        kind: Their kind.
        lines: How the rows and columns of the image map to them.
        once: Mask (h, w) without the samples that repeat others.
        faint: By how much differences count more since the image is faint. What is thin is faint as well, so the
            larger factor counts.
    """
    doubt, labels, counts = samples
    overlap = kind in MULTILABEL  # nothing tells how sure they are of what is not there
    unsure = ((doubt > _SOME) & (doubt <= 1)).to(doubt.dtype).amax((1, 2, 3), keepdim=True)
    sure = torch.zeros_like(unsure) if overlap else _sureness(doubt) * unsure
    thin = thinness(labels, counts.argmax(1, keepdim=True), (doubt <= 1) & once).to(doubt)
    # Tensors, since a program that is exported learns these sizes only when it runs.
    rows, columns = (torch.scalar_tensor(line.pixels) / torch.scalar_tensor(line.steps) for line in lines)
    pixels = torch.maximum(rows, columns).to(sure)
    factor = (_MOST + 1 - pixels / _CLOSE).clamp(_LEAST, _MOST)
    for_thin = 1 + ((CONTRAST_ALONE if overlap else CONTRAST) - 1) * thin
    return Gentleness(
        contrast=(1 + (factor - 1) * sure) * torch.maximum(for_thin, faint.to(for_thin)),
        guarding=1 - (1 - pixels / _COARSE).clamp(min=0) * sure - _less(pixels) * thin * (unsure - sure),
        regional=(_SCENE - _labels_of(counts)).clamp(0, 1) * (1 - thin),
    )


def _less(pixels: Tensor) -> Tensor:
    """Return how much less of the guard acts on a network's scores of thin things, which coarse ones show too wide."""
    return _WIDENED * ((pixels - 1) / (_FAR_APART - 1)).clamp(0, 1)


def _labels_of(counts: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): how many labels an image has; those that are rare count in part.

    It is the number of equally frequent labels that would have the same entropy.
    """
    frequencies = counts / counts.sum(1, keepdim=True).clamp(min=1)
    logs = frequencies.clamp(min=torch.finfo(frequencies.dtype).tiny).log()
    return (-(frequencies * logs).sum(1, keepdim=True)).exp()


def _sureness(doubt: Tensor) -> Tensor:
    """Return (N, 1, 1, 1): 1 for scores without doubt but along boundaries, down to 0 for those of a network."""
    blocks = -F.max_pool2d(-doubt, _SIDE, stride=1, padding=_SIDE // 2)
    known, axes = (blocks <= 1).to(doubt.dtype), (1, 2, 3)
    mean = (blocks * known).sum(axes, keepdim=True) / known.sum(axes, keepdim=True).clamp(min=1)
    return (1 - mean / _ENOUGH).clamp(min=0, max=1)
