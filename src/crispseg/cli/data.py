"""The data that options name."""

from argparse import Namespace

from crispseg.cli.parsers.shared_options import SUFFIX_HELP
from crispseg.data import LabelledPredictions, ScoreKind
from crispseg.data.matching import Suffixes


def read_suffixes(options: Namespace) -> Suffixes:
    """Return the suffixes of names that the options give."""
    return Suffixes(*(getattr(options, f"{kind}_suffix", "") for kind in SUFFIX_HELP))


def read_data(options: Namespace, scores: ScoreKind | None = None) -> LabelledPredictions:
    """Return the data that the options name, with scores in files of the given kind."""
    return LabelledPredictions(
        options.images,
        options.labels,
        options.predictions,
        void=options.void,
        num_classes=options.num_classes,
        scores=scores,
        numbering=options.numbering,
        prediction_numbering=options.prediction_numbering,
        void_band=options.void_band,
        grid=getattr(options, "grid", None),
        boundaries=options.boundaries,
        suffixes=read_suffixes(options),
    )
