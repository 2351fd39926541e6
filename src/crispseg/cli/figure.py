"""`crispseg figure`."""

from argparse import Namespace
from collections.abc import Callable

from matplotlib.figure import Figure

from crispseg.cli import figure_kinds as kinds
from crispseg.figures import check_figure_file, write_figure

_DRAW: dict[str, Callable[[Namespace], Figure]] = {
    "boundary": kinds.boundary,
    "embedding": kinds.embedding,
    "comparison": kinds.comparison,
    "reliability": kinds.reliability,
    "passes": kinds.passes,
    "speed": kinds.speed,
}


def run(options: Namespace) -> None:
    """Run the command."""
    check_figure_file(options.output, kinds.files_read(options))
    write_figure(_DRAW[options.figure](options), options.output)
    print(options.output)
