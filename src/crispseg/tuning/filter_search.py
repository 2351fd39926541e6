"""Search the options of a sharpener on labelled images."""

import itertools
import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.checks import check_choice, check_count
from crispseg.config import SharpenerConfig, options
from crispseg.data import LabelledPredictions, Prediction, Sample
from crispseg.defaults import OBJECTIVES
from crispseg.errors import InputError, naming
from crispseg.evaluation import describe_losses, void_band_of
from crispseg.inference.one_image import features_of, fitted_boundary, labels_before
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import Accuracy, Truth
from crispseg.ops import local_filter

MEASURED = ("miou", "trimap_4")
"""What is measured at every point."""

_FIXED = ("cue", "scores", "grid")
"""Fields that are not searched: the cue, whose features are computed once, and what is said of the predictions."""


def totals_of(num_classes: int) -> Accuracy:
    """Return an empty accuracy for one point of a search.

    It keeps totals, not the counts of each image, so that its size does not grow with the data set. Classes without
    true pixels are left out of its means: settings are compared with each other, and one that removes the last wrongly
    predicted pixel of an absent class would otherwise seem points ahead.
    """
    return Accuracy(num_classes, MEASURED, per_image=False, absent_classes="ignore")


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
    search: Mapping[str, Sequence[Any]] | None = None,
    *,
    objective: str = OBJECTIVES[-1],
    every: int = 1,
    progress: Progress | None = None,
) -> Tuning[SharpenerConfig]:
    """Measure a sharpener with every combination of some options.

    Args:
        data: Images to tune on; report what was found on others.
        sharpener: What to start from: its cue, its device, and every option that is not searched.
        search: Values to try, by the fields of `SharpenerConfig`. Of window, passes and hardness those that are left
            out are searched around the sharpener's own.
        objective: "miou", "trimap", or "both" for their mean.
        every: Take every n-th image.
        progress: Shows how far it is.

    Returns:
        Accuracies at every point and before. Classes without true pixels are left out of their means.

    Raises:
        InputError: If a list is empty, a field cannot be searched, a value makes no sense, a file cannot be read or
            does not fit, or the objective is not defined because the labels have no boundary.
    """
    grid = settings_of(sharpener.config, search or {})
    check_choice("objective", objective, OBJECTIVES)
    check_count("every", every)
    after = {setting: totals_of(data.num_classes) for setting in grid}
    band = void_band_of(data)
    result = Tuning(totals_of(data.num_classes), after, objective, data.class_names)
    indices = range(0, len(data), every)
    for index in progress.track(indices, description="tuning") if progress else indices:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            truth = Truth(sample.labels, data.num_classes, MEASURED, void_band=band)
            _add(result, sample, truth, prediction, boundary, sharpener=sharpener)
    result.check_defined()
    return result


def settings_of(start: SharpenerConfig, search: Mapping[str, Sequence[Any]]) -> list[SharpenerConfig]:
    """Return the config for every combination of the values to try.

    Args:
        start: Gives what is not searched, and the middle of what is.
        search: As `tune` takes it.

    Raises:
        InputError: If a field cannot be searched, has no value to try, or one that makes no sense.
    """
    searched = {name: option for name, option in options() if name not in _FIXED}
    for name, values in search.items():
        check_choice("searched option", name, tuple(searched))
        if not values:
            raise InputError(f"no {name} to try; expected one value or more")
    tried = {name: search.get(name) or option.tried(getattr(start, name)) for name, option in searched.items()}
    combinations = itertools.product(*tried.values())
    configs = (start.replaced(**dict(zip(tried, values, strict=True))) for values in combinations)
    return list(dict.fromkeys(configs))


def _add(
    result: Tuning[SharpenerConfig],
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


_FILTERED = {"passes": 1, "guard": None}
"""Fields that act once weights and upsampled scores are there, each with a value that stands for all others. A field
that is not among them is taken to act on both."""
_UPSAMPLED = {"upsampling": "joint"}
"""Fields that act on the upsampled scores and not on the weights, likewise."""


def sweep(
    sharpener: Sharpener, features: Tensor, scores: Tensor, settings: Iterable[SharpenerConfig]
) -> Iterator[tuple[SharpenerConfig, Tensor]]:
    """Yield every config with its filtered probabilities; weights and earlier passes are used again.

    Args:
        sharpener: Gives the cue, and the kind and the grid of the scores.
        features: (N, D, H, W), as `Sharpener.prepare` gives them.
        scores: (N, C, h, w), likewise.
        settings: Configs to visit, each once, in an order of its own.

    Yields:
        A config, and (N, C, H, W) filtered probabilities.
    """
    by_weights = _grouped(settings, {**_FILTERED, **_UPSAMPLED})
    for alike in by_weights:
        weights = _variant(sharpener, alike[0]).weights(features)
        for group in _grouped(alike, _FILTERED):
            before, done = _variant(sharpener, group[0]).upsample(scores, features), 0
            after = before
            for setting in sorted(group, key=lambda setting: setting.passes or 0):
                variant = _variant(sharpener, setting)
                if variant.passes > done:
                    more = local_filter(after.values, weights, variant.window, passes=variant.passes - done)
                    after, done = after.with_values(more), variant.passes
                yield setting, variant.guarded(before, after).probabilities()


def _grouped(settings: Iterable[SharpenerConfig], neutral: Mapping[str, Any]) -> list[list[SharpenerConfig]]:
    """Return the configs in groups that are equal but for some fields."""
    groups: defaultdict[SharpenerConfig, list[SharpenerConfig]] = defaultdict(list)
    for setting in settings:
        groups[setting.replaced(**neutral)].append(setting)
    return list(groups.values())


def _variant(sharpener: Sharpener, setting: SharpenerConfig) -> Sharpener:
    """Return the sharpener with what may be searched of a config."""
    searched = {name: value for name, value in setting.options.items() if name not in _FIXED}
    return sharpener.with_options(**searched)  # type: ignore[arg-type]
