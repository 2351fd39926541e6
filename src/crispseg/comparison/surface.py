"""Gains of the learned cue by window, hardness and passes."""

from typing import Any

from rich.progress import Progress

from crispseg.comparison.rows import TableChoices, learned_cue
from crispseg.data import LabelledPredictions
from crispseg.inference.sharpener import Sharpener
from crispseg.tuning.filter_search import tune

_WINDOWS = (5, 7, 9, 11, 15)
_HARDNESS = (2, 3, 4, 5, 8, 12)
_PASSES = (1, 2, 4, 7, 12, 18, 25)


def surface(
    data: LabelledPredictions, choices: TableChoices, *, every: int, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Measure the gains on every n-th image for each window, hardness and number of passes."""
    result = tune(
        data,
        Sharpener(learned_cue(choices.weights), guard=None).eval().to(choices.device),
        {"window": _WINDOWS, "hardness": _HARDNESS, "passes": _PASSES, "score_weight": (0,)},
        every=every,
        progress=progress,
    )
    lines = []
    for point in result.after:
        miou, trimap = result.gain(point)
        setting = {"window": point.windows[0].size, "dilation": 1, "hardness": point.hardness, "passes": point.passes}
        lines.append({**setting, "miou": miou, "trimap_4": trimap})
    return lines
