"""Coarse-to-fine search for the parameters of the dense CRF on labelled images, as in DeepLab v1."""

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache, partial

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.data import LabelledPredictions, Prediction
from crispseg.data.intensity import to_bytes
from crispseg.defaults import CRF_GRID, CRF_ROUNDS, OBJECTIVES
from crispseg.errors import InputError, naming
from crispseg.evaluation import void_band_of
from crispseg.evaluation.kept_counts import Counts, KeptCounts, as_tensors, counted, counts_of, key_of
from crispseg.inference.crf import DenseCRF, check_exclusive
from crispseg.inference.one_image import fitted_boundary, sharpened_scores
from crispseg.inference.shares import to_probabilities
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import Accuracy, Truth
from crispseg.tuning.result import MEASURED, Tuning, totals_of
from crispseg.value_checks import check_choice, check_count, check_not_negative


@dataclass(frozen=True)
class CRFGrid:
    """Values to try for each parameter of `DenseCRF`; a parameter with a single value is fixed.

    The defaults are the ends and the middle of the ranges that DeepLab v1 searched (arXiv 1412.7062, sec. 5.3), with
    the spatial Gaussian fixed as in that paper.

    Raises:
        InputError: If a parameter has no value, or a value out of range.
    """

    bilateral_weight: Sequence[float] = CRF_GRID["bilateral_weight"]
    bilateral_xy: Sequence[float] = CRF_GRID["bilateral_xy"]
    bilateral_rgb: Sequence[float] = CRF_GRID["bilateral_rgb"]
    spatial_weight: Sequence[float] = CRF_GRID["spatial_weight"]
    spatial_xy: Sequence[float] = CRF_GRID["spatial_xy"]

    def __post_init__(self) -> None:
        for field in fields(self):
            if not getattr(self, field.name):
                raise InputError(f"{field.name} is empty; expected at least one value to try")
        self.settings(iterations=1)

    def settings(self, iterations: int) -> list[DenseCRF]:
        """Return a `DenseCRF` for every combination of the values."""
        combinations = itertools.product(
            self.bilateral_weight, self.bilateral_xy, self.bilateral_rgb, self.spatial_weight, self.spatial_xy
        )
        return [DenseCRF(*combination, iterations) for combination in combinations]

    def around(self, best: DenseCRF, scale: float) -> "CRFGrid":
        """Return a grid of at most three values per parameter: the best value and one step to either side.

        Args:
            best: The parameters in the middle of the new grid.
            scale: The step, as a share of the mean step of this grid.

        Example:
            >>> CRFGrid().around(DenseCRF(5, 75, 10, 3, 3), 0.5).bilateral_weight
            (3.75, 5, 6.25)
        """
        around = {}
        for field in fields(self):
            tried, middle = sorted(set(getattr(self, field.name))), getattr(best, field.name)
            step = scale * (tried[-1] - tried[0]) / max(len(tried) - 1, 1)
            candidates = (middle - step, middle, middle + step) if step else (middle,)
            around[field.name] = tuple(value for value in candidates if value > 0 or value == middle)
        return CRFGrid(**around)


@torch.inference_mode()
def tune_crf(
    data: LabelledPredictions,
    sharpener: Sharpener | None,
    *,
    grid: CRFGrid | None = None,
    rounds: int = CRF_ROUNDS,
    iterations: int = 10,
    objective: str = OBJECTIVES[-1],
    every: int = 1,
    kept: KeptCounts | None = None,
    progress: Progress | None = None,
) -> Tuning[DenseCRF]:
    """Measure every combination of a grid, then of finer grids around the best combination.

    Each combination runs the CRF on every image. The default grid has 27 combinations; every further round adds up to
    26.

    Args:
        data: Images to tune on; report results on other images.
        sharpener: Sharpener to run before the CRF; None leaves the scores as they are.
        grid: Values to start with; `CRFGrid()` by default.
        rounds: Number of finer grids around the best combination, each with half the step; 0 for the first grid only.
        iterations: Mean-field iterations of every CRF.
        objective: "miou", "trimap", or "both" for their mean.
        every: Use every n-th image.
        kept: Counts of images and CRFs, to go on with and to add to; None keeps none.
        progress: Progress bar to update, with one task per round.

    Returns:
        The accuracy after the CRF for each combination of parameters, and the accuracy before the CRF. Means leave out
        classes without true pixels.

    Raises:
        InputError: If an option is out of range, a file cannot be read, a size does not fit, or the objective is
            undefined because the labels have no boundary.
    """
    check_choice("objective", objective, OBJECTIVES)
    check_count("every", every)
    check_count("iterations", iterations)
    check_not_negative("rounds", rounds)
    first = grid if grid is not None else CRFGrid()
    indices = range(0, len(data), every)
    band = void_band_of(data)
    result: Tuning[DenseCRF] = Tuning(totals_of(data.num_classes, data.mean_over), {}, objective, data.class_names)
    entering = lru_cache(maxsize=1)(partial(_entering, data, sharpener, band))

    def add(accuracy: Accuracy, index: int, crf: DenseCRF | None) -> None:
        """Add what is counted on an image after a CRF, or without one."""
        name = f"{key_of(data, index)} {crf!r}"
        accuracy.extend(as_tensors(counted(kept, name, lambda: entering(index).counts(crf))))

    for index in progress.track(indices, description="input of the CRF") if progress else indices:
        add(result.before, index, None)
    settings = first.settings(iterations)
    for number in range(rounds + 1):
        result.after |= {setting: totals_of(data.num_classes, data.mean_over) for setting in settings}
        steps: Iterable[tuple[int, DenseCRF]] = itertools.product(indices, settings)
        if progress:
            name, total = f"round {number + 1} of {rounds + 1}", len(indices) * len(settings)
            steps = progress.track(steps, description=name, total=total)
        for index, setting in steps:
            add(result.after[setting], index, setting)
        result.check_defined()
        best = max(result.after, key=result.value)
        finer = first.around(best, 0.5 ** (number + 1)).settings(iterations)
        settings = [setting for setting in finer if setting not in result.after]
    return result


@dataclass(frozen=True)
class _Entering:
    """The input of the CRF for one image."""

    pixels: Tensor
    """(1, 3, H, W) uint8."""
    probabilities: Tensor
    """(1, C, H, W)."""
    prediction: Prediction
    truth: Truth

    def counts(self, crf: DenseCRF | None) -> Counts:
        """Return what is counted after a CRF, or without one."""
        after = self.probabilities if crf is None else crf(self.probabilities, self.pixels)
        return counts_of(self.prediction.as_probabilities.labels(after[0]), self.truth)


def _entering(data: LabelledPredictions, sharpener: Sharpener | None, band: int, index: int) -> _Entering:
    sample, prediction = data[index]
    boundary = fitted_boundary(data.boundaries[index], sample.image)
    with naming(data.files[index]):
        check_exclusive(prediction.kind)
        scores = sharpened_scores(sharpener, sample.image, prediction, boundary)
    return _Entering(
        pixels=to_bytes(sample.image)[None],
        probabilities=to_probabilities(scores, prediction.kind),
        prediction=prediction,
        truth=Truth(sample.labels, data.num_classes, MEASURED, void_band=band),
    )
