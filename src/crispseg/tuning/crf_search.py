"""Coarse-to-fine search for the parameters of the dense CRF on labelled images, as in DeepLab v1."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.checks import check_choice, check_count, check_not_negative
from crispseg.data import LabelledPredictions, Prediction
from crispseg.data.intensity import to_bytes
from crispseg.defaults import CRF_GRID, CRF_ROUNDS, OBJECTIVES
from crispseg.errors import InputError, naming
from crispseg.evaluation import void_band_of
from crispseg.inference.crf import DenseCRF, check_exclusive
from crispseg.inference.one_image import fitted_boundary, sharpened_scores
from crispseg.inference.shares import to_probabilities
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import Accuracy, Truth
from crispseg.tuning.filter_search import MEASURED, Tuning, totals_of


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
    entering: Iterable[_Entering] = _entering(data, sharpener, indices, band)
    if progress:
        entering = progress.track(entering, total=len(indices), description="input of the CRF")
    for image in entering:
        image.count(result.before, image.probabilities)
    settings = first.settings(iterations)
    for number in range(rounds + 1):
        result.after |= {setting: totals_of(data.num_classes, data.mean_over) for setting in settings}
        steps: Iterable[tuple[_Entering, DenseCRF]] = (
            (image, setting) for image in _entering(data, sharpener, indices, band) for setting in settings
        )
        if progress:
            name, total = f"round {number + 1} of {rounds + 1}", len(indices) * len(settings)
            steps = progress.track(steps, description=name, total=total)
        for image, setting in steps:
            image.count(result.after[setting], setting(image.probabilities, image.pixels))
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

    def count(self, accuracy: Accuracy, probabilities: Tensor) -> None:
        """Add the labels of (1, C, H, W) probabilities to an accuracy."""
        predicted = self.prediction.as_probabilities.labels(probabilities[0])
        accuracy.add(predicted, self.truth)


def _entering(
    data: LabelledPredictions, sharpener: Sharpener | None, indices: Sequence[int], band: int
) -> Iterator[_Entering]:
    for index in indices:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            check_exclusive(prediction.kind)
            scores = sharpened_scores(sharpener, sample.image, prediction, boundary)
        yield _Entering(
            pixels=to_bytes(sample.image)[None],
            probabilities=to_probabilities(scores, prediction.kind),
            prediction=prediction,
            truth=Truth(sample.labels, data.num_classes, MEASURED, void_band=band),
        )
