"""The rows of the table: the paper's, ours, and methods in common use."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from crispseg.comparison.crf import CRF, WeakerCRF
from crispseg.comparison.filters import Filtering, Oracle, Shipped
from crispseg.comparison.method import After, Baseline, Method, Setting
from crispseg.comparison.pamr import PAMR
from crispseg.comparison.peers import KorniaGuided, KorniaJointBilateral, OpenCVGuided, RankSEG
from crispseg.config import SHIPPED_WEIGHTS
from crispseg.config_values import LADDER_PASSES, LADDERS
from crispseg.cue_config import CueConfig
from crispseg.cues import ContourCue, Cue, LearnedCue, RGBCue, SoftSegmentationCue
from crispseg.models.embedding_net import load_embedding_net
from crispseg.pretrained import load_cue, weights_path
from crispseg.window import Windows


@dataclass(frozen=True)
class TableChoices:
    """Options from which rows are built."""

    device: torch.device
    weights: str = "best"
    """Weights of the embedding in the paper's rows: a name or path for `Sharpener.from_pretrained`."""


DENSE_CRF = "dense CRF"
"""The row against whose time those of the others are shown."""

DEFAULTS = "defaults"
"""The row of the sharpener as it ships."""

FAST = "fast"
"""The weights of the fast embedding."""

Earlier = Mapping[str, tuple[Method, Setting]]
"""Methods of earlier rows by row name, each with the setting found for it."""


@dataclass(frozen=True)
class Row:
    """A row of the table."""

    name: str
    group: str
    build: Callable[[TableChoices, Earlier], Method]
    needs: tuple[str, ...] = ()
    """Names of earlier rows that this row builds on."""
    boundaries: bool = False
    """Whether the row needs boundary maps."""
    package: str | None = None
    """Name of a module that the row needs."""


_HARDNESS = {
    "rgb": (10, 20, 40, 80, 160),
    "soft": (10, 30, 100, 200, 400),
    "contours": (2, 5, 10, 20, 40),
    "embedding": (1, 2, 3, 4, 5, 8, 12, 20),
    "ladder of colours": (3, 5, 10, 20, 40),
}
_WINDOWS = (5, 7, 9, 11, 15)
_PASSES = (1, 2, 4, 7, 12, 18, 25, 40)
_PAPER = (
    ("rgb", 9, 1), ("soft", 9, 1), ("contours", 9, 1), ("embedding", 7, 1), ("embedding", 7, 12), ("embedding", 9, 1),
    ("embedding", 9, 7), ("embedding", 11, 1), ("embedding", 11, 4), ("embedding", 15, 1),
)  # fmt: skip
"""Cue, window and passes of the paper's Table 1."""


_CUES: dict[str, Callable[[TableChoices], Cue]] = {
    "rgb": lambda _: RGBCue(),
    "soft": lambda _: SoftSegmentationCue(),
    "contours": lambda _: ContourCue(),
    "embedding": lambda choices: learned_cue(choices.weights),
}


def _fast(_: TableChoices) -> Cue:
    return learned_cue(FAST)


def learned_cue(weights: str) -> LearnedCue:
    """Return the cue of an embedding with these weights."""
    return LearnedCue(load_embedding_net(weights_path(weights)))


def _paper_row(cue: str, window: int, passes: int) -> Row:
    start = {"window": window, "dilation": 1, "hardness": _HARDNESS[cue][2], "passes": passes}
    return Row(
        f"{cue} {window}x{window} x{passes}",
        "table 1",
        lambda choices, _: Filtering(_CUES[cue](choices), {"hardness": _HARDNESS[cue]}, start, choices.device),
        boundaries=cue == "contours",
    )


def _tuned_row(
    name: str,
    kind: str,
    cue: Callable[[TableChoices], Cue],
    *,
    windows: tuple[int, ...] = _WINDOWS,
    passes: tuple[int, ...] = _PASSES,
) -> Row:
    """Return a row that searches hardness, passes, window and dilation, for a kind of cue in `_HARDNESS`."""
    values = {"hardness": _HARDNESS[kind], "passes": passes, "window": windows, "dilation": (1, 2, 3)}
    start = {"window": min(9, windows[-1]), "dilation": 1, "hardness": _HARDNESS[kind][2], "passes": 7}
    return Row(
        name,
        "tuned",
        lambda choices, _: Filtering(cue(choices), values, start, choices.device),
        boundaries=kind == "contours",
    )


def _shipped_row(name: str, weights: str) -> Row:
    return Row(name, "defaults", lambda choices, _: Shipped(weights, choices.device))


def _ladder_row(name: str, cue: str, kind: str, score_weight: float) -> Row:
    """Return a row with windows from coarse to fine, which searches the hardness of a kind of cue in `_HARDNESS`."""
    values = {"hardness": _HARDNESS[kind]}
    start = {"hardness": _HARDNESS[kind][2], "score_weight": score_weight, "passes": LADDER_PASSES}
    windows = Windows.of(LADDERS[1])  # without regional windows
    return Row(
        name,
        "ladders",
        lambda choices, _: Filtering(load_cue(CueConfig.of(cue)), values, start, choices.device, windows=windows),
    )


def _peer(name: str, package: str | None, method: Callable[[torch.device], Method]) -> Row:
    return Row(name, "peers", lambda choices, _: method(choices.device), package=package)


def _with_crf(name: str, *, boundaries: bool = False) -> Row:
    return Row(
        f"{name} + {DENSE_CRF}",
        "table 2",
        lambda _, earlier: After(*earlier[name], WeakerCRF(earlier[DENSE_CRF][1])),
        needs=(name, DENSE_CRF),
        boundaries=boundaries,
        package="pydensecrf",
    )


def _oracle(name: str, values: Mapping[str, tuple[float, ...]]) -> Row:
    start = {"window": 9, "dilation": 1, "hardness": 100, "passes": 7}
    return Row(name, "bound", lambda choices, _: Oracle(values, start, choices.device))


_TABLE_1 = [_paper_row(*row) for row in _PAPER]

ROWS = (
    Row("baseline", "baseline", lambda *_: Baseline()),
    *_TABLE_1,
    _shipped_row(DEFAULTS, SHIPPED_WEIGHTS[0]),
    *(_shipped_row(f"{DEFAULTS}, {weights} weights", weights) for weights in SHIPPED_WEIGHTS[1:]),
    _ladder_row("ladder", "learned", "embedding", 0),
    _ladder_row("ladder, scores", "learned", "embedding", 0.5),
    _ladder_row("ladder, scores and colours", "learned+rgb", "embedding", 0.5),
    _ladder_row("ladder of colours, scores", "rgb", "ladder of colours", 0.5),
    _tuned_row("embedding, tuned", "embedding", _CUES["embedding"]),
    _tuned_row("fast embedding, tuned", "embedding", _fast),
    _tuned_row("fast embedding, small windows", "embedding", _fast, windows=(5,), passes=(1, 2, 4, 7, 12)),
    _tuned_row("contours, tuned", "contours", _CUES["contours"]),
    Row(DENSE_CRF, "peers", lambda *_: CRF(), package="pydensecrf"),
    _peer("kornia guided filter", "kornia", KorniaGuided),
    _peer("kornia joint bilateral", "kornia", KorniaJointBilateral),
    Row("OpenCV guided filter", "peers", lambda *_: OpenCVGuided(), package="cv2.ximgproc"),
    _peer("PAMR", None, PAMR),
    _peer("RankSEG", "rankseg", RankSEG),
    Row(
        "fast embedding, tuned + RankSEG",
        "peers",
        lambda choices, earlier: After(*earlier["fast embedding, tuned"], RankSEG(choices.device)),
        needs=("fast embedding, tuned",),
        package="rankseg",
    ),
    _oracle("oracle 9x9 x7", {}),
    _oracle("oracle, tuned", {"passes": _PASSES, "window": _WINDOWS}),
    *(_with_crf(row.name, boundaries=row.boundaries) for row in _TABLE_1),
    _with_crf(DEFAULTS),
    _with_crf("embedding, tuned"),
    _with_crf("fast embedding, tuned"),
)
"""All rows, in the order in which they are measured and shown."""


def row_named(name: str) -> Row:
    """Return the row with this name."""
    return next(row for row in ROWS if row.name == name)


@dataclass(frozen=True)
class RowPlan:
    """Everything needed to build the method of a row, in this or another process."""

    row: str
    """Name of the row."""
    choices: TableChoices
    earlier: Mapping[str, Setting]
    """Settings found for the rows that this row builds on, by row name."""

    def build(self) -> Method:
        """Build the method."""
        earlier = {name: (row_named(name).build(self.choices, {}), found) for name, found in self.earlier.items()}
        return row_named(self.row).build(self.choices, earlier)
