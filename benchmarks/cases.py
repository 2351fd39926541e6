"""The rows to measure, one for each operation; in each row ours comes first, then the alternatives."""

from functools import partial

from torch import Tensor

from benchmarks import baselines, sharpeners
from benchmarks.contenders import FORWARD, OURS, BenchmarkRow, Contender
from benchmarks.inputs import COARSER
from crispseg import Window, ops
from crispseg.config_values import LADDER_PASSES, LADDERS
from crispseg.nn import LocalFilter
from crispseg.ops._rebalance.reference import rebalance as plain_rebalance

OURS_NCHW = "crispseg, NCHW input"
UNFOLD_EMBEDDING, UNFOLD_SCORES = "F.unfold of the embedding alone", "F.unfold of the scores alone"
UNFOLD, SHIFT, KORNIA, PLAIN = "written with F.unfold", "written as a shift loop", "kornia", "plain PyTorch"

IN_TURN, OURS_LAST = "affinity_weights, then local_filter", "crispseg, channels-last input"

HARDNESS = 3.0
_RADII = (41, 14)
PASSES = 7
LADDER = f"score-aware affinity_weights, then {LADDER_PASSES} passes, with each of {LADDERS[-1]}"
AT_ONCE = f"affinity_filter, {LADDER_PASSES} passes"
WEIGHTS, LOSS = "affinity_weights", "embedding_loss"
FILTER, SHARPEN = f"local_filter, {PASSES} passes", f"affinity_weights, then {PASSES} passes of local_filter"


def rows(only: str = "") -> list[BenchmarkRow]:
    """Return the rows with `only` in their own name or the name of one of their operations."""
    return [row for row in _ROWS if any(only in name for name in (row.name, *row.operations))]


def row_named(name: str) -> BenchmarkRow:
    """Return the row with this name."""
    return next(row for row in _ROWS if row.name == name)


def _sharpen(embedding: Tensor, scores: Tensor, window: Window, passes: int = PASSES) -> Tensor:
    weights = ops.affinity_weights(embedding, window, HARDNESS)
    return ops.local_filter(scores, weights, window, passes=passes)


def _filter_at_once(embedding: Tensor, scores: Tensor, window: Window) -> Tensor:
    return ops.affinity_filter(scores, embedding, window, HARDNESS, passes=LADDER_PASSES)


def _ladder(embedding: Tensor, scores: Tensor, window: Window) -> Tensor:
    """Filter from coarse to fine with score-aware weights; the windows are fixed."""

    def weights(window: Window) -> Tensor:
        return ops.affinity_weights(embedding, window, HARDNESS, scores=scores, score_weight=0.5)

    filtered: Tensor = LocalFilter(LADDERS[-1], passes=LADDER_PASSES)(scores, weights)
    return filtered


def _unfold_sharpen(embedding: Tensor, scores: Tensor, window: Window) -> Tensor:
    return baselines.unfold_filter(scores, baselines.unfold_weights(embedding, window, HARDNESS), window, PASSES)


def _shift_sharpen(embedding: Tensor, scores: Tensor, window: Window) -> Tensor:
    return baselines.shift_filter(scores, baselines.shift_weights(embedding, window, HARDNESS), window, PASSES)


def _filter_row(name: str, passes: int) -> BenchmarkRow:
    ours, theirs = ("scores", "weights"), ("scores", "weights, NCHW")
    return BenchmarkRow(
        name,
        ("local_filter",),
        "scores",
        (
            Contender(OURS, ours, partial(ops.local_filter, passes=passes)),
            _SCORES_ALONE,
            Contender(OURS_NCHW, theirs, partial(ops.local_filter, passes=passes), ours=True),
            Contender(UNFOLD, theirs, partial(baselines.unfold_filter, passes=passes), (2, 3 + passes)),
            Contender(SHIFT, theirs, partial(baselines.shift_filter, passes=passes)),
        ),
    )


# Ours takes the embedding channels-last, and weights in the layout of `affinity_weights`. The baselines take the same
# values in PyTorch's default layout, which is faster for them.
_OURS, _THEIRS = ("embedding",), ("embedding, NCHW",)
_EMBEDDING_ALONE = Contender(UNFOLD_EMBEDDING, _THEIRS, baselines.unfold_alone, (1, 1), learns=False)
_SCORES_ALONE = Contender(UNFOLD_SCORES, ("scores",), baselines.unfold_alone, (1, 1), learns=False)

_ROWS = (
    BenchmarkRow(
        "local_distance",
        ("local_distance",),
        "weights",
        (
            Contender(OURS, _OURS, ops.local_distance),
            _EMBEDDING_ALONE,
            Contender(UNFOLD, _THEIRS, baselines.unfold_distance, (2, 5)),
            Contender(SHIFT, _THEIRS, baselines.shift_distance, (0, 2)),
        ),
    ),
    BenchmarkRow(
        "local_parity",
        ("local_parity",),
        "",
        (
            Contender(OURS, ("labels",), ops.local_parity),
            Contender(UNFOLD, ("labels",), baselines.unfold_parity),
            Contender(SHIFT, ("labels",), baselines.shift_parity),
        ),
        (FORWARD,),
    ),
    BenchmarkRow(
        "local_contour",
        ("local_contour",),
        "",
        (
            Contender(OURS, ("boundary",), ops.local_contour),
            Contender(UNFOLD, ("boundary",), baselines.unfold_contour),
            Contender(SHIFT, ("boundary",), baselines.shift_contour),
        ),
        (FORWARD,),
    ),
    BenchmarkRow(
        "affinity",
        ("affinity",),
        "weights",
        (
            Contender(OURS, ("distance",), lambda distance, window: ops.affinity(distance, HARDNESS)),
            Contender(PLAIN, ("distance",), lambda distance, window: baselines.plain_affinity(distance, HARDNESS)),
        ),
    ),
    BenchmarkRow(
        WEIGHTS,
        ("affinity_weights",),
        "weights",
        (
            Contender(OURS, _OURS, partial(ops.affinity_weights, hardness=HARDNESS)),
            Contender(OURS_NCHW, _THEIRS, partial(ops.affinity_weights, hardness=HARDNESS), ours=True),
            _EMBEDDING_ALONE,
            Contender(UNFOLD, _THEIRS, partial(baselines.unfold_weights, hardness=HARDNESS), (2, 5)),
            Contender(SHIFT, _THEIRS, partial(baselines.shift_weights, hardness=HARDNESS), (0, 2)),
        ),
    ),
    _filter_row("local_filter, 1 pass", 1),
    _filter_row(FILTER, PASSES),
    BenchmarkRow(
        SHARPEN,
        ("affinity_weights", "local_filter"),
        "scores",
        (
            Contender(OURS, (*_OURS, "scores"), _sharpen),
            _SCORES_ALONE,
            Contender(UNFOLD, (*_THEIRS, "scores"), _unfold_sharpen, (2, 5)),
            Contender(SHIFT, (*_THEIRS, "scores"), _shift_sharpen, (0, 2)),
        ),
    ),
    BenchmarkRow(
        LADDER,
        ("affinity_weights", "local_filter"),
        "scores",
        (
            Contender(OURS, (*_OURS, "scores"), _ladder),
            Contender(OURS_NCHW, (*_THEIRS, "scores"), _ladder, ours=True),
        ),
    ),
    BenchmarkRow(
        AT_ONCE,
        ("affinity_filter",),
        "scores",
        (
            Contender(OURS, (*_THEIRS, "scores"), _filter_at_once),
            Contender(OURS_LAST, (*_OURS, "scores"), _filter_at_once, ours=True),
            Contender(IN_TURN, (*_THEIRS, "scores"), partial(_sharpen, passes=LADDER_PASSES), ours=True),
        ),
        (FORWARD,),
    ),
    BenchmarkRow(
        "rebalance, radii 41 and 14",
        ("rebalance",),
        "scores",
        (
            Contender(OURS, ("scores",), lambda scores, _: ops.rebalance(scores, scores, 0.3, _RADII, keep_thin=0.4)),
            Contender(PLAIN, ("scores",), lambda scores, _: plain_rebalance(scores, scores, 0.3, _RADII, 0.4)),
        ),
        (FORWARD,),
    ),
    BenchmarkRow(
        "affinity_weights of a 3-channel guide, then 1 pass",  # kornia's guidance is an image
        ("affinity_weights", "local_filter"),
        "scores",
        (
            Contender(OURS, ("guide", "scores"), partial(_sharpen, passes=1)),
            Contender(
                KORNIA,
                ("guide", "scores"),
                baselines.kornia_bilateral,
                (20, 40),
                same=False,  # its weights fall with squared distances, and in space
                packages=("kornia",),
            ),
        ),
    ),
    BenchmarkRow(
        LOSS,
        ("embedding_loss",),
        "",
        (
            Contender(OURS, (*_OURS, "labels"), ops.embedding_loss),
            Contender(OURS_NCHW, (*_THEIRS, "labels"), ops.embedding_loss, ours=True),
            _EMBEDDING_ALONE,
            Contender(UNFOLD, (*_THEIRS, "labels"), baselines.unfold_loss, (2, 5)),
            Contender(SHIFT, (*_THEIRS, "labels"), baselines.shift_loss, (0, 2)),
        ),
    ),
    BenchmarkRow(
        f"joint_upsample of scores at 1/{COARSER}",
        ("joint_upsample",),
        "scores",
        (
            Contender(
                OURS,
                ("coarse scores", *_OURS),
                lambda scores, embedding, _: ops.joint_upsample(scores, embedding, HARDNESS),
            ),
            Contender(
                PLAIN,
                ("coarse scores", *_THEIRS),
                lambda scores, embedding, _: baselines.plain_joint_upsample(scores, embedding, HARDNESS),
            ),
        ),
    ),
    *sharpeners.ROWS,
)
