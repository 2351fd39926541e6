"""How the gains of the learned cue depend on window and passes."""

from typing import Any

from rich.progress import Progress

from crispseg.comparison.rows import Choices, learned_cue
from crispseg.data import LabelledPredictions
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tune import tune
from crispseg.window import Window

_WINDOWS = (5, 7, 9, 11, 15)
_HARDNESS = (2, 3, 4, 5, 8, 12)
_PASSES = (1, 2, 4, 7, 12, 18, 25)


def surface(
    data: LabelledPredictions, choices: Choices, *, tune_every: int, progress: Progress | None = None
) -> list[dict[str, Any]]:
    """Gains on the tuning images for each window and number of passes, at the hardness that suits them best."""
    result = tune(
        data,
        Sharpener(learned_cue(choices.weights)).eval().to(choices.device),
        windows=[Window(size) for size in _WINDOWS],
        hardness=_HARDNESS,
        iterations=_PASSES,
        every=tune_every,
        progress=progress,
    )
    lines = []
    for size in _WINDOWS:
        for passes in _PASSES:
            points = [point for point in result.after if (point.window.size, point.iterations) == (size, passes)]
            best = max(points, key=result.value)
            miou, trimap = result.gain(best)
            lines.append({"window": size, "dilation": 1, "hardness": best.hardness, "passes": passes,
                          "miou": miou, "trimap_4": trimap})  # fmt: skip
    return lines
