"""Find hardness, window and passes on labelled images."""

import math
from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.checks import check_choice, check_count, check_positive
from crispseg.data import LabelledPredictions, Prediction, Sample
from crispseg.errors import InputError, naming
from crispseg.evaluation import describe_losses, void_band_of
from crispseg.inference.one_image import features_of, fitted_boundary, labels_before
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import Accuracy, Truth
from crispseg.ops import local_filter
from crispseg.window import Window

MEASURED = ("miou", "trimap_4")
"""What is measured at every point."""


class FilterSetting(NamedTuple):
    """One point of the grid."""

    window: Window
    hardness: float
    passes: int


S = TypeVar("S", bound=Hashable)


@dataclass
class Tuning(Generic[S]):
    """Accuracy at every point that was tried, and before."""

    before: Accuracy
    after: dict[S, Accuracy]
    objective: str
    """"miou", "trimap", or "both" for their mean."""
    class_names: Sequence[str] = ()
    """Names of the classes, as far as they are known."""

    @property
    def images(self) -> int:
        """How many it was measured on."""
        return self.before.images

    def gain(self, setting: S) -> tuple[float, float]:
        """Points of mIoU and of trimap mIoU gained."""
        after = self.after[setting]
        miou, band = (after.value(name) - self.before.value(name) for name in MEASURED)
        return miou, band

    def value(self, setting: S) -> float:
        """What is maximised."""
        miou, band = self.gain(setting)
        return {"miou": miou, "trimap": band, "both": (miou + band) / 2}[self.objective]

    def losses(self, setting: S) -> str:
        """Describe the classes that lose IoU at a point, by their names where known."""
        return describe_losses(self.before, self.after[setting], self.class_names)

    @property
    def best(self) -> S | None:
        """The best point; None when no point gains anything."""
        best = max(self.after, key=self.value)
        return best if self.value(best) > 0 else None

    def check_defined(self) -> None:
        """Refuse labels that leave the objective without a value.

        Raises:
            InputError: If they do.
        """
        if any(math.isnan(self.value(setting)) for setting in self.after):
            reason = next(filter(None, map(self.before.undefined, MEASURED)), "no boundary")
            raise InputError(f"{self.objective} is not defined: the labels of {self.images} images show {reason}")


@torch.inference_mode()
def tune(
    data: LabelledPredictions,
    sharpener: Sharpener,
    *,
    windows: Sequence[Window],
    hardness: Sequence[float],
    passes: Sequence[int],
    objective: str = "both",
    every: int = 1,
    progress: Progress | None = None,
) -> Tuning[FilterSetting]:
    """Measure every combination of window, hardness and passes.

    Args:
        data: Images to tune on; report what was found on others.
        sharpener: Gives cue and device; its own window, hardness and passes play no part.
        windows: Windows to try.
        hardness: Values of λ to try.
        passes: Numbers of passes to try.
        objective: "miou", "trimap", or "both" for their mean.
        every: Take every n-th image.
        progress: Shows how far it is.

    Raises:
        InputError: If a list is empty, a value makes no sense, a file cannot be read or does not fit, or the objective
            is not defined because the labels have no boundary.
    """
    grid = _grid(windows, hardness, passes)
    check_choice("objective", objective, ("miou", "trimap", "both"))
    check_count("every", every)
    after = {setting: Accuracy(data.num_classes, MEASURED) for setting in grid}
    band = void_band_of(data)
    result = Tuning(Accuracy(data.num_classes, MEASURED), after, objective, data.class_names)
    indices = range(0, len(data), every)
    for index in progress.track(indices, description="tuning") if progress else indices:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            truth = Truth(sample.labels, data.num_classes, MEASURED, void_band=band)
            _add(result, sample, truth, prediction, boundary, sharpener=sharpener)
    result.check_defined()
    return result


def _grid(windows: Sequence[Window], hardness: Sequence[float], passes: Sequence[int]) -> list[FilterSetting]:
    for name, values in (("windows", windows), ("hardness", hardness), ("passes", passes)):
        if not values:
            raise InputError(f"no {name} to try; expected at least one")
    for value in hardness:
        check_positive("hardness", value)
    for count in passes:
        check_count("passes", count)
    return [FilterSetting(window, value, count) for window in windows for value in hardness for count in passes]


def _add(
    result: Tuning[FilterSetting],
    sample: Sample,
    truth: Truth,
    prediction: Prediction,
    boundary: Tensor | None,
    *,
    sharpener: Sharpener,
) -> None:
    result.before.add(labels_before(sample.image, prediction, sharpener), truth)
    image, scores = sample.image[None].to(sharpener.device), prediction.scores[None].to(sharpener.device)
    expecting = sharpener.expecting(prediction.kind, prediction.grid)
    features, scores = expecting.prepare(image, scores, features_of(boundary, sharpener))
    for setting, filtered in sweep(expecting, features, scores, list(result.after)):
        result.after[setting].add(prediction.as_probabilities.labels(filtered[0].cpu()), truth)


def sweep(
    sharpener: Sharpener, features: Tensor, scores: Tensor, grid: Sequence[FilterSetting]
) -> Iterator[tuple[FilterSetting, Tensor]]:
    """Filtered probabilities at every point of a grid; weights and earlier passes are used again.

    Args:
        sharpener: Upsamples, and its cue gives weights; its own window, hardness and passes play no part.
        features: (N, D, H, W), as `Sharpener.prepare` gives them.
        scores: (N, C, h, w), likewise.
        grid: Points to visit, each once, in an order of its own.

    Yields:
        A point, and (N, C, H, W) filtered probabilities.
    """
    for window, hardness in dict.fromkeys((setting.window, setting.hardness) for setting in grid):
        weights = sharpener.cue.weights(features, window, hardness)
        shares, done = sharpener.upsample(scores, features, hardness), 0
        for passes in sorted({setting.passes for setting in grid if setting[:2] == (window, hardness)}):
            filtered = local_filter(shares.values, weights, window, passes=passes - done)
            shares, done = shares.with_values(filtered), passes
            yield FilterSetting(window, hardness, passes), shares.probabilities()
