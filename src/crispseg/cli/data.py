"""The data that options name."""

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from crispseg.cli.parsers.shared_options import SUFFIX_HELP
from crispseg.cli.stages import files_of_weights
from crispseg.data import CoarseTruth, LabelledImages, LabelledPredictions
from crispseg.data.datasets import DATASETS, build_dataset, parameters_of
from crispseg.data.matching import Suffixes
from crispseg.defaults import SPLIT
from crispseg.errors import InputError
from crispseg.evaluation import void_band_of
from crispseg.evaluation.kept_counts import KeptCounts, describe_data
from crispseg.scores import Scores
from crispseg.writing import check_output_file


def read_suffixes(options: Namespace) -> Suffixes:
    """Return the suffixes of names that the options give.

    Raises:
        InputError: If one is of files that are not given.
    """
    for kind, files in (("boundary", "boundaries"), ("prediction", "predictions")):
        if getattr(options, f"{kind}_suffix", "") and getattr(options, files, ...) is None:
            raise InputError(f"--{kind}-suffix is given without --{files}; add --{files}, or leave it out")
    return Suffixes(*(getattr(options, f"{kind}_suffix", "") for kind in SUFFIX_HELP))


def read_dataset(options: Namespace) -> LabelledImages:
    """Return the data set that the options name.

    Raises:
        InputError: If none is named, an option does not go with it, or it cannot be read.
    """
    names = ("root", "split", "images", "labels", "void", "numbering", "class_names")
    arguments: dict[str, Any] = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    suffixes = read_suffixes(options)
    if suffixes.image or suffixes.label:
        arguments["suffixes"] = suffixes
    arguments |= dict(options.data_option or ())
    parameters = parameters_of(options.data)
    for name in arguments:
        if name not in parameters:
            option = (
                "--image-suffix and --label-suffix do" if name == "suffixes" else f"--{name.replace('_', '-')} does"
            )
            raise InputError(f"{option} not go with --data {options.data}, which takes {', '.join(parameters)}")
    needed = [name for name, needs in parameters.items() if needs and name not in arguments]
    if needed:
        missing = " and ".join(f"--{name}" for name in needed)
        raise InputError(f"--data {options.data} needs {missing}; add it, or choose one of {', '.join(DATASETS)}")
    if "split" in parameters:
        arguments.setdefault("split", SPLIT)
    return build_dataset(options.data, arguments)


def read_data(options: Namespace, scores: Scores | None = None) -> LabelledPredictions:
    """Return the data set and the predictions that the options name, with scores in files of the given kind.

    Raises:
        InputError: If they cannot be read or do not fit together.
    """
    common: dict[str, Any] = {
        "num_classes": options.num_classes,
        "void_band": options.void_band,
        "mean_over": getattr(options, "mean_over", None),
        "boundaries": options.boundaries,
        "suffixes": read_suffixes(options),
    }
    grid, factor = getattr(options, "grid", None), getattr(options, "coarse_truth", None)
    if factor is None:
        return LabelledPredictions(
            read_dataset(options),
            options.predictions,
            scores=scores,
            grid=grid,
            prediction_numbering=options.prediction_numbering,
            **common,
        )
    given = {
        "grid": grid,
        "scores": getattr(options, "scores", None),
        "prediction-numbering": options.prediction_numbering,
    }
    for name, value in given.items():
        if value is not None:
            raise InputError(f"--{name} describes predictions; it does not go with --coarse-truth")
    return CoarseTruth(read_dataset(options), factor, **common)


def read_kept(options: Namespace, data: LabelledPredictions, settings: Mapping[str, Any]) -> KeptCounts | None:
    """Return the counts in the file that --resume names; None without it.

    Args:
        options: What was given.
        data: The images, which are among what the counts depend on.
        settings: What else they depend on, with the command as "counted by".

    Raises:
        InputError: If the file is an input, or holds other counts.
    """
    if options.resume is None:
        return None
    check_output_file(options.resume, [*data.read_from, *files_of_weights(options)])
    factor = getattr(options, "coarse_truth", None)
    noted = describe_data(data, void_band_of(data)) | {"coarse truth": factor, **settings}
    return KeptCounts(options.resume, noted)
