"""Scores of all classes are made in one pass from the filtered shares of a few."""

import pytest
import torch

from crispseg import Grid
from crispseg.inference.merging import AsIs, Resize
from crispseg.inference.shares import Shares
from crispseg.inference.upsampling import BilinearResize, JointResize
from crispseg.ops.interpolation import Axis, at_scores
from crispseg.scores import Scores
from tests.inference.test_merging import SIZE, scene


@pytest.mark.parametrize("kind", ["logits", "probabilities"])
@pytest.mark.parametrize("resized", ["as is", "bilinear", "joint"])
def test_scores_are_those_of_the_shares_of_all_classes(kind: Scores, resized: str) -> None:
    """In a part of the image, too, with pixels that have no rest of their own, or far less than the filter brings."""
    coarser = 1 if resized == "as is" else 4
    scores = scene(coarser=coarser)[1]
    scores = scores.softmax(1) if kind == "probabilities" else scores
    shares = Shares.of(scores, kind).merging(0.01)
    assert shares.merged is not None
    for column, small in ((2, 0), (5, 1e-36)):
        shares.merged.source[..., column] *= torch.where(shares.merged.kept.left, small, 1)[0, :, None]
    features, lines = torch.rand(1, 3, *SIZE), Grid().lines(SIZE, (SIZE[0] // coarser, SIZE[1] // coarser))
    resize: dict[str, Resize] = {
        "as is": AsIs(),
        "bilinear": BilinearResize(lines, Grid()),
        "joint": JointResize(
            at_scores(features, (12, 16), Grid()), features, (Axis.of(lines[0]), Axis.of(lines[1])), 2.0, 1
        ),
    }
    merged = shares.merged._replace(source=shares.merged.source)
    few = resize[resized](shares.values)
    rest = resize[resized](merged.source * merged.kept.left[..., None, None]).sum(1, keepdim=True)
    shares = shares._replace(values=few.flip(-1), merged=merged._replace(rest=rest, resized=resize[resized]))
    for part in (shares, shares.cropped(slice(3, 40), slice(0, 60)).cropped(slice(1, 30), slice(2, 51))):
        every = part.expanded().values.double() / part.whole
        expected = every.clamp(0, 1) if kind == "probabilities" else every.log()
        torch.testing.assert_close(part.scores().double(), expected, rtol=1e-5, atol=1e-5)
        assert part.scores().isfinite().all()
