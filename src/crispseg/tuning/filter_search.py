"""Search for the options of a sharpener on labelled images."""

import itertools
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from rich.progress import Progress
from torch import Tensor

from crispseg.config import OF_PREDICTIONS, SharpenerConfig, options
from crispseg.config_values import AUTO, LADDER_PASSES, Passes
from crispseg.data import LabelledPredictions, Prediction, Sample
from crispseg.defaults import OBJECTIVES
from crispseg.errors import InputError, naming
from crispseg.evaluation import void_band_of
from crispseg.evaluation.kept_counts import Counts, KeptCounts, as_tensors, counted, counts_of, key_of
from crispseg.inference.one_image import features_of, fitted_boundary, labels_before
from crispseg.inference.shares import Shares
from crispseg.inference.sharpener import Sharpener
from crispseg.metrics import Truth
from crispseg.ops import local_filter
from crispseg.options import as_text
from crispseg.scores import MULTILABEL
from crispseg.tuning.result import MEASURED, Tuning, totals_of
from crispseg.value_checks import check_choice, check_count
from crispseg.window import Windows

_FIXED = ("cue", *OF_PREDICTIONS)
"""Fields that are not searched: the cue, whose features are computed once, and the description of the predictions."""


@torch.inference_mode()
def tune(
    data: LabelledPredictions,
    sharpener: Sharpener,
    search: Mapping[str, Sequence[Any]] | None = None,
    *,
    objective: str = OBJECTIVES[-1],
    every: int = 1,
    kept: KeptCounts | None = None,
    progress: Progress | None = None,
) -> Tuning[SharpenerConfig]:
    """Measure a sharpener with every combination of the options to search.

    Args:
        data: Images to tune on; report results on other images.
        sharpener: Sharpener to start from; it gives the cue, the device, and every option that is not searched.
        search: Values to try, by field of `SharpenerConfig`. Window, passes and hardness are searched around the
            sharpener's own values if they are not given.
        objective: "miou", "trimap", or "both" for their mean.
        every: Use every n-th image.
        kept: Counts of images at these settings, to go on with and to add to; None keeps none.
        progress: Progress bar to update.

    Returns:
        The accuracy at every setting, and the accuracy before sharpening. Means leave out classes without true pixels.
        If the predictions are label maps, which are sharpened without regional windows, no setting has any.

    Raises:
        InputError: If a list is empty, a field cannot be searched, a value is out of range, a file cannot be read, a
            size does not fit, or the objective is undefined because the labels have no boundary.
    """
    grid = configs_to_try(sharpener.config, search or {})
    check_choice("objective", objective, OBJECTIVES)
    check_count("every", every)
    if not data[0][1].from_scores:  # each setting is what acts on label maps, without regional windows
        grid = list(dict.fromkeys(_variant(sharpener, setting).nearby().config for setting in grid))
    after = {setting: totals_of(data.num_classes, data.mean_over) for setting in grid}
    band = void_band_of(data)
    result = Tuning(totals_of(data.num_classes, data.mean_over), after, objective, data.class_names)
    indices = range(0, len(data), every)

    def count(index: int) -> Counts:
        sample, prediction = data[index]
        boundary = fitted_boundary(data.boundaries[index], sample.image)
        with naming(data.files[index]):
            truth = Truth(sample.labels, data.num_classes, MEASURED, void_band=band)
            return _counts(grid, sample, truth, prediction, boundary, sharpener=sharpener)

    for index in progress.track(indices, description="tuning") if progress else indices:
        found = counted(kept, key_of(data, index), partial(count, index))
        result.before.extend(as_tensors(found["before"]))
        for setting, state in zip(grid, found["after"], strict=True):
            result.after[setting].extend(as_tensors(state))
    result.check_defined()
    return result


def configs_to_try(start: SharpenerConfig, search: Mapping[str, Sequence[Any]]) -> list[SharpenerConfig]:
    """Return a config for every combination of the values to try.

    Args:
        start: Config with the options that are not searched; default values to try lie around its own.
        search: Values to try, as for `tune`.

    Raises:
        InputError: If a field cannot be searched, has no value to try, or has a value out of range, or if no numbers of
            passes fit a window.
    """
    searched = {name: option for name, option in options() if name not in _FIXED}
    for name, values in search.items():
        check_choice("searched option", name, tuple(searched))
        if not values:
            raise InputError(f"{name} is empty; expected at least one value to try")
    tried = {
        name: [option.read(value) for value in search.get(name) or option.tried(getattr(start, name))]
        for name, option in searched.items()
        if name != "passes"
    }
    if start.scores in MULTILABEL and "score_weight" not in search:  # it has no effect there
        tried["score_weight"] = [start.score_weight]
    configs = []
    for values in itertools.product(*tried.values()):
        chosen = dict(zip(tried, values, strict=True))
        windows = chosen["window"] or start.windows
        for name in ("cue_weight", "score_weight"):
            if isinstance(chosen[name], tuple) and len(chosen[name]) != len(windows):  # they are of other windows
                chosen[name] = AUTO
        setting = start.replaced(passes=None, **chosen)
        configs += [
            setting.replaced(passes=each) for each in _passes_tried(start, setting.windows, search.get("passes"))
        ]
    return list(dict.fromkeys(configs))


def _passes_tried(start: SharpenerConfig, windows: Windows, given: Sequence[Any] | None) -> list[Passes]:
    """Return the numbers of passes to try with windows: those of the given ones that fit them, or else the usual."""
    option = dict(options())["passes"]
    if given is not None:
        passes = [option.read(value) for value in given]
        fitting = [each for each in passes if isinstance(each, int) or len(each) == len(windows)]
        if not fitting:
            said = " and ".join(map(as_text, passes))
            raise InputError(f"passes {said} do not fit window {windows}; expected one number, or {len(windows)}")
        return fitting
    several = len(windows) > 1
    if isinstance(start.passes, tuple) and len(start.passes) == len(windows):
        return [start.passes]
    if isinstance(start.passes, int) and several == (len(start.windows) > 1):
        return list(option.tried(start.passes))
    return list(option.tried(LADDER_PASSES if several else sum(level.passes for level in start.levels)))


def _counts(
    grid: Sequence[SharpenerConfig],
    sample: Sample,
    truth: Truth,
    prediction: Prediction,
    boundary: Tensor | None,
    *,
    sharpener: Sharpener,
) -> Counts:
    """Return what is counted on an image before and after sharpening at each setting."""
    after: dict[SharpenerConfig, dict[str, Any]] = {}
    before = counts_of(labels_before(sample.image, prediction, sharpener), truth)
    image, scores = sample.image[None].to(sharpener.device), prediction.scores[None].to(sharpener.device)
    expecting = sharpener.for_prediction(prediction)
    features, scores = expecting.prepare(image, scores, features_of(boundary, sharpener))
    for setting, filtered in sweep(expecting, image, features, scores, grid):
        after[setting] = counts_of(prediction.as_probabilities.labels(filtered[0].cpu()), truth)
    return {"before": before, "after": [after[setting] for setting in grid]}


_FILTERED = {"passes": 1, "guard": None}
"""Fields that affect neither the scores before the filter nor its weights, each with one value that stands for all."""


def sweep(
    sharpener: Sharpener, image: Tensor, features: Tensor, scores: Tensor, settings: Iterable[SharpenerConfig]
) -> Iterator[tuple[SharpenerConfig, Tensor]]:
    """Yield every config with its filtered probabilities, reusing weights and earlier passes of a single window.

    Args:
        sharpener: Sharpener with the cue, and with the kind and the grid of the scores.
        image: (N, 3, H, W) images.
        features: (N, D, H, W), from `Sharpener.prepare`.
        scores: (N, C, h, w), from `Sharpener.prepare`.
        settings: Configs to visit, each once; the order of visits may differ.

    Yields:
        A config, and its (N, C, H, W) filtered probabilities.
    """
    for group in _grouped(settings, _FILTERED):
        first = _variant(sharpener, group[0])
        before = first.upsample(image, scores, features)
        filtered = _by_passes if len(first.window) == 1 else _by_windows
        for variant, setting, after in filtered(sharpener, before, features, group):
            yield setting, variant.guarded(before, after).probabilities()


_Filtered = Iterator[tuple[Sharpener, SharpenerConfig, Shares]]


def _by_passes(sharpener: Sharpener, before: Shares, features: Tensor, group: list[SharpenerConfig]) -> _Filtered:
    """Yield the filtered shares of settings with one window; each number of passes goes on from the one before."""
    first = _variant(sharpener, group[0])
    weights, after, done = first.weights(features, before, first.window[0]), before, 0
    variants = [(_variant(sharpener, setting), setting) for setting in group]
    for variant, setting in sorted(variants, key=lambda pair: pair[0].levels[0].passes):
        (level,) = variant.levels
        window, passes = level.window, level.passes
        if passes > done:
            after, done = after.with_values(local_filter(after.values, weights, window, passes=passes - done)), passes
        yield variant, setting, after


def _by_windows(sharpener: Sharpener, before: Shares, features: Tensor, group: list[SharpenerConfig]) -> _Filtered:
    """Yield the filtered shares of settings with several windows; settings that differ only in the guard share them."""
    for alike in _grouped(group, {"guard": None}):
        after = _variant(sharpener, alike[0]).unguarded(before, features)
        for setting in alike:
            yield _variant(sharpener, setting), setting, after


def _grouped(settings: Iterable[SharpenerConfig], neutral: Mapping[str, Any]) -> list[list[SharpenerConfig]]:
    """Return the configs in groups that differ only in the fields of `neutral`."""
    groups: defaultdict[SharpenerConfig, list[SharpenerConfig]] = defaultdict(list)
    for setting in settings:
        groups[setting.replaced(**neutral)].append(setting)
    return list(groups.values())


def _variant(sharpener: Sharpener, setting: SharpenerConfig) -> Sharpener:
    """Return the sharpener with the searchable options of a config; for label maps without regional windows."""
    searched = {name: value for name, value in setting.options.items() if name not in _FIXED}
    made = sharpener.with_options(**searched)  # type: ignore[arg-type]
    return made.nearby() if made.takes_labels else made
