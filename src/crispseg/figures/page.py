"""The page of every figure: widths, fonts, colours, and reproducible files."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib import rc_context, rcdefaults, rcParams
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from torch import Tensor

from crispseg.errors import InputError
from crispseg.writing import check_output_file, written_whole

COLUMN_WIDTH = 3.3
"""Width of one of the two columns of a paper, in inches."""
TEXT_WIDTH = 6.9
"""Width of both columns, in inches."""
CAPTION = 0.17
"""Height of the caption above a panel, in inches."""
GAP = 0.05
"""Gap between panels, in inches."""

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
"""Colours that colour-blind readers can tell apart (Okabe & Ito 2008), without yellow, which is too pale for lines."""
GREY = "#777777"

FIGURE_SUFFIXES = (".png", ".pdf")

_STYLE: dict[Any, Any] = {
    "font.size": 7.5,
    "axes.labelsize": 7.5,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "figure.dpi": 300,
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # keep text as text, as publishers require
}

_METADATA = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def house_style() -> Iterator[None]:
    """Use our fonts and lines while a figure is drawn or written, instead of the user's matplotlibrc."""
    with rc_context():
        rcdefaults()
        rcParams.update(_STYLE)
        yield


def new_figure(width: float, height: float) -> Figure:
    """Return an empty page of a width and height in inches, on which text can be measured."""
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    return figure


class Place(NamedTuple):
    """A rectangle on the page, in inches from its upper left corner."""

    left: float
    top: float
    width: float
    height: float


def add_axes(figure: Figure, place: Place) -> Axes:
    """Add axes at a place."""
    width, height = figure.get_size_inches()
    bottom = height - place.top - place.height
    return figure.add_axes((place.left / width, bottom / height, place.width / width, place.height / height))


def add_panel(figure: Figure, place: Place, pixels: Tensor) -> Axes:
    """Add a panel filled from edge to edge by a picture: (3, H, W) uint8, or (H, W) in [0, 1]."""
    axes = add_axes(figure, place)
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_visible(False)
    shown = pixels.permute(1, 2, 0) if pixels.ndim == 3 else pixels
    axes.imshow(shown.cpu().numpy(), cmap="gray", vmin=0, vmax=1, aspect="auto")
    return axes


def add_caption(figure: Figure, place: Place, text: str) -> None:
    """Write a caption above a panel at a place."""
    width, height = figure.get_size_inches()
    middle = place.left + place.width / 2
    figure.text(middle / width, 1 - (place.top - 0.045) / height, text, ha="center", va="baseline")


def check_figure_file(path: Path, inputs: Iterable[Path | None] = ()) -> None:
    """Refuse a file that `write_figure` could not write, before any work.

    Raises:
        InputError: If the suffix is neither .png nor .pdf, the folder is not writable, or the file is an input.
    """
    if path.suffix.lower() not in FIGURE_SUFFIXES:
        raise InputError(f"output {path}: unknown ending; expected {' or '.join(FIGURE_SUFFIXES)}")
    check_output_file(path, inputs)


def write_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG (300 dpi) or PDF, by the suffix of the file, completely or not at all.

    The same figure gives the same bytes, since the file has no date.

    Raises:
        InputError: If the suffix is neither .png nor .pdf, or the file cannot be written.
    """
    check_figure_file(path)
    suffix = path.suffix.lower()
    with house_style(), written_whole(path) as temporary:
        figure.savefig(temporary, format=suffix[1:], metadata=_METADATA[suffix])
