"""The data that options name."""

from argparse import Namespace
from typing import Any

from crispseg.cli.parsers.shared_options import SUFFIX_HELP
from crispseg.data import LabelledImages, LabelledPredictions
from crispseg.data.matching import Suffixes
from crispseg.data.registry import DATASETS, build_dataset, parameters_of
from crispseg.defaults import SPLIT
from crispseg.errors import InputError
from crispseg.scores import Scores


def read_suffixes(options: Namespace) -> Suffixes:
    """Return the suffixes of names that the options give."""
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
        raise InputError(f"--data {options.data} needs {missing}; other data sets are {', '.join(DATASETS)}")
    if "split" in parameters:
        arguments.setdefault("split", SPLIT)
    return build_dataset(options.data, arguments)


def read_data(options: Namespace, scores: Scores | None = None) -> LabelledPredictions:
    """Return the data set and the predictions that the options name, with scores in files of the given kind.

    Raises:
        InputError: If they cannot be read or do not fit together.
    """
    return LabelledPredictions(
        read_dataset(options),
        options.predictions,
        num_classes=options.num_classes,
        scores=scores,
        prediction_numbering=options.prediction_numbering,
        void_band=options.void_band,
        grid=getattr(options, "grid", None),
        boundaries=options.boundaries,
        suffixes=read_suffixes(options),
    )
