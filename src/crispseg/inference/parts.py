"""The filter on a part of an image: every window on the pixels alone that the part depends on."""

from torch import Tensor

from crispseg.data.box import Box
from crispseg.inference.batch import check_filtered
from crispseg.inference.guard import guard_reach, radii_of
from crispseg.inference.label_maps import padded
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener


def filtered_part(
    sharpener: Sharpener, shares: Shares, features: Tensor, part: Box, valid: Tensor | None = None
) -> Shares:
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
    after = shares.cropped(*part.slices).with_values(_filtered(sharpener, shares, features, part))
    if sharpener.guard is None:
        return after
    reach = max(*radii_of(sharpener.levels), guard_reach(sharpener.guard, shares.thin_reach))
    around = part.grown(reach, size)  # in which the guard counts
    before, valid = shares.cropped(*around.slices), None if valid is None else valid[around.slices]
    guarded = sharpener.guarded(before, before.with_values(padded(after.values, part, around)), valid)
    return guarded.cropped(*part.within(around).slices)


def _filtered(sharpener: Sharpener, shares: Shares, features: Tensor, part: Box) -> Tensor:
    """Return the values of a part after all windows."""
    size, levels = (features.shape[-2], features.shape[-1]), sharpener.levels
    values, (features, scores), here = shares.values, sharpener.compared(features, shares), Box(0, 0, *size)
    for done, level in enumerate(levels, start=1):
        values = sharpener.filtered_by(level, values, features, shares.whole, scores)
        needed = part.grown(sum(later.window.radius * later.passes for later in levels[done:]), size)
        rows, columns = needed.within(here).slices
        values, features = values[..., rows, columns], features[..., rows, columns]
        scores, here = None if scores is None else scores[..., rows, columns], needed
    check_filtered(values, sharpener.cue, features)
    return values
