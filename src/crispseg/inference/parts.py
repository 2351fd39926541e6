"""Parts of an image, each sharpened on the pixels that it depends on, and on no others."""

from torch import Tensor

from crispseg.cues.cue import EmbeddingCue
from crispseg.data.box import Box
from crispseg.data.pixels import PartOfPixels, Pixels, TensorPixels, padded, read_resized
from crispseg.grid import Line
from crispseg.inference.checks import check_filtered, check_scores
from crispseg.inference.gentleness import Gentleness, for_upsampling
from crispseg.inference.guard import guard_reach, radii_of
from crispseg.inference.memory import STRIP
from crispseg.inference.nodata import kept_apart, read_valid_resized, valid_pixels, valid_there
from crispseg.inference.padding import UnpaddedPixels
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.upsampling import JointResize, uncovered
from crispseg.ops.interpolation import Axis, sources
from crispseg.precision import at_least_float32


class Parts:
    """An image and its scores, of which one part after another is sharpened.

    Args:
        sharpener: The sharpener.
        image: The image.
        scores: Its scores, or a channel of labels.
        features: The features of the image to use instead of those of the cue. If the cue needs the whole image at
            once, they are computed here, else for every part.
    """

    def __init__(self, sharpener: Sharpener, image: Pixels, scores: Pixels, features: Pixels | None = None) -> None:
        self.sharpener, self.image = sharpener, image
        self.scores = UnpaddedPixels(scores, sharpener.grid, image.size)
        self.lines = sharpener.grid.lines(image.size, scores.size)
        if features is None and sharpener.cue.reach is None:
            features = TensorPixels(features_of_box(sharpener, image, Box(0, 0, *image.size)))
        self._features = features
        self._is_joint = sharpener.upsamples_jointly(scores.size, image.size)
        self._back = self.lines[0].back(), self.lines[1].back()

    @property
    def margin(self) -> int:
        """How many pixels around a part are computed with it."""
        cue = self.sharpener.cue
        looked_at = 0 if self._features is not None else (cue.reach or 0) + cue.step
        # The centres of coarse pixels may lie outside the part that is upsampled from them.
        centres = max(-(-line.pixels // line.steps) for line in self.lines) + 1 if self._is_joint else 0
        return halo(self.sharpener, self.lines) + centres + looked_at

    def valid(self, box: Box) -> Tensor | None:
        """Return a (*box.size) bool mask of the pixels with data, or None if all pixels always have data."""
        return valid_pixels(self.image, self.scores, self.lines, box)

    def sharpened(self, box: Box, gentleness: Gentleness | None) -> Tensor:
        """Return the (C, *box.size) sharpened scores of a part on the CPU, given the gentleness of all scores."""
        inner, compared = self.compared(box)
        valid = self.valid(inner)
        features = kept_apart(compared.read(inner)[None], valid)
        gentleness = None if gentleness is None else gentleness.to(features.device)
        shares = self._upsampled(inner, compared, gentleness)
        shares = shares._replace(gentleness=gentleness, thin_reach=self.sharpener.thin_reach(self.lines))
        return _filtered(self.sharpener, shares, features, box.within(inner), valid).scores()[0].cpu()

    def compared(self, box: Box) -> tuple[Box, PartOfPixels]:
        """Return a box grown by the reach of the filter, and the features of its pixels."""
        inner = around = box.grown(halo(self.sharpener, self.lines), self.image.size)
        if self._is_joint:  # with the centres of the coarse pixels that it is upsampled from
            around = Box.enclosing([inner, _sources_of(_sources_of(inner, self.lines), self._back)])
        if self._features is None:
            features = features_of_box(self.sharpener, self.image, around, STRIP)
        else:
            features = self._features.read(around).to(self.sharpener.device)
        return inner, PartOfPixels(features, around, self.image.size)

    def _upsampled(self, box: Box, features: PartOfPixels, gentleness: Gentleness | None) -> Shares:
        """Return the shares of a part of the image; the features must cover its surroundings too."""
        sharpener, scores, near = self.sharpener, self.scores, features.read(box)[None]
        if isinstance(sharpener.cue, EmbeddingCue) and self._is_joint:
            coarse = _sources_of(box, self.lines)
            shares = _shares(sharpener, scores.read(coarse), near)
            centres = for_upsampling(read_resized(features, self._back, coarse)[None], gentleness)
            centres, near = kept_apart(centres, valid_there(scores, coarse)), for_upsampling(near, gentleness)
            axes = Axis.of(self.lines[0], box.top, coarse.top), Axis.of(self.lines[1], box.left, coarse.left)
            resize = JointResize(centres, near, axes, sharpener.hardness, sharpener.cue.norm)
            shares = shares.merging(sharpener.negligible).upsampled(resize)
        else:
            shares = _shares(sharpener, read_valid_resized(scores, self.lines, box), near)
            shares = shares.merging(sharpener.negligible)
        return shares.without(uncovered(self.lines, sharpener.grid, near.device, box))


def features_of_box(sharpener: Sharpener, image: Pixels, box: Box, strip: int | None = None) -> Tensor:
    """Return the (D, *box.size) features of a part of the image, which depend on the surrounding pixels.

    Args:
        sharpener: The sharpener.
        image: The image.
        box: The part.
        strip: The rows to compute at a time, so that the network takes little memory; None for all.
    """
    if strip is not None and strip < box.size[0]:
        whole: Tensor | None = None
        for top in range(box.top, box.bottom, strip):
            part = box._replace(top=top, bottom=min(top + strip, box.bottom))
            found = features_of_box(sharpener, image, part)
            whole = found.new_empty(len(found), *box.size) if whole is None else whole
            whole[(..., *part.within(box).slices)] = found
        assert whole is not None
        return whole
    outer = box.grown(sharpener.cue.reach or 0, image.size).starting_at(sharpener.cue.step)
    rows, columns = box.within(outer).slices
    return sharpener.features(image.read(outer)[None].to(sharpener.device))[0, :, rows, columns]


def halo(sharpener: Sharpener, lines: tuple[Line, Line]) -> int:
    """Return how many pixels around a part its sharpened scores depend on, beyond those that the cue looks at."""
    return max(sharpener.filter.reach, guard_reach(sharpener.guard, sharpener.thin_reach(lines)))


def _sources_of(box: Box, lines: tuple[Line, Line]) -> Box:
    """Return the box of the source pixels of a part of a resized map."""
    rows, columns = sources(box.top, box.bottom, lines[0]), sources(box.left, box.right, lines[1])
    return Box.between(rows.bounds, columns.bounds)


def _shares(sharpener: Sharpener, scores: Tensor, features: Tensor) -> Shares:
    """Check (C, h, w) scores and return their shares on the device of the features."""
    check_scores(scores, sharpener.scores)
    wide = scores[None].to(features.device, at_least_float32(features))
    return Shares.of(wide, sharpener.scores)


def _filtered(sharpener: Sharpener, shares: Shares, features: Tensor, part: Box, valid: Tensor | None = None) -> Shares:
    """Return `sharpener.filtered(…)` of a part.

    A window needs a margin for itself and those after it. So most margins are left behind by the first windows, which
    reach far, and the others filter little more than the part.

    Args:
        sharpener: The sharpener.
        shares: Shares before the filter, of the part and the pixels around it that it depends on.
        features: (1, D, H, W) features of the same pixels.
        part: The part, in these pixels.
        valid: (H, W) bool mask of the pixels with data; None if all have.
    """
    size = features.shape[-2], features.shape[-1]
    after = shares.cropped(*part.slices).with_values(_filtered_values(sharpener, shares, features, part))
    if sharpener.guard is None:
        return after
    reach = max(*radii_of(sharpener.levels), guard_reach(sharpener.guard, shares.thin_reach))
    around = part.grown(reach, size)  # in which the guard counts
    before, valid = shares.cropped(*around.slices), None if valid is None else valid[around.slices]
    guarded = sharpener.guarded(before, before.with_values(padded(after.values, part, around)), valid)
    return guarded.cropped(*part.within(around).slices)


def _filtered_values(sharpener: Sharpener, shares: Shares, features: Tensor, part: Box) -> Tensor:
    """Return the values of a part after all windows."""
    size, levels = (features.shape[-2], features.shape[-1]), sharpener.levels
    values, (features, scores), here = shares.values, sharpener.compared(features, shares), Box(0, 0, *size)
    for done, level in enumerate(levels, start=1):
        values = sharpener.filtered_by(level, shares, values, features, scores)
        needed = part.grown(sum(later.window.radius * later.passes for later in levels[done:]), size)
        rows, columns = needed.within(here).slices
        values, features = values[..., rows, columns], features[..., rows, columns]
        scores, here = None if scores is None else scores[..., rows, columns], needed
    check_filtered(values, sharpener.cue, features)
    return values
