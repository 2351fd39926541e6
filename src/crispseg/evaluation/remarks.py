"""The remarks of a report: classes that lose, and labels that look misread. Nothing is corrected."""

import math
from collections.abc import Sequence

from crispseg.data.class_names import name_of
from crispseg.data.numbering import ONE_BASED
from crispseg.metrics.accuracy import Accuracy

_MOST = 0.5
"""A warning is given when more than this share of the pixels agrees with labels shifted by one."""


def remarks_on(baseline: Accuracy, class_names: Sequence[str] = ()) -> list[str]:
    """Return warnings, one sentence each, about true labels that look misread and metrics that are undefined.

    Args:
        baseline: Counts of the predictions before sharpening; they must include "miou".
        class_names: Names of the classes, as far as they are known.

    Example:
        >>> import torch
        >>> from crispseg.metrics.accuracy import Truth
        >>> accuracy = Accuracy(2, ["miou"])
        >>> accuracy.add(torch.tensor([[0, 1]]), Truth(torch.tensor([[0, -1]]), 2, ["miou"]))
        >>> remarks_on(accuracy)[0][:43]
        'the true labels hold only class 0 and void,'
    """
    right_by_class, _, missed = baseline.total("miou").unbind(-1)
    true = right_by_class + missed
    remarks = []
    present = true.nonzero().flatten().tolist()
    if not present:
        remarks.append("the true labels hold only void, so nothing was measured; check which label is given as void")
    elif len(present) == 1 and baseline.num_classes > 1:
        remarks.append(
            f"the true labels hold only class {name_of(class_names, present[0])} and void, none of the other "
            f"{baseline.num_classes - 1} classes; check that the label given as void is not a class"
        )
    right, total = int(right_by_class.sum()), int(true.sum())
    for step, moved in zip((-1, 1), baseline.off_by_one.tolist(), strict=True) if baseline.num_classes > 2 else ():
        if moved > max(right, _MOST * total):
            share = f"{100 * moved / total:.0f} % of the pixels of true class c are predicted as class c {step:+d}"
            remarks.append(
                f"{share} and only {100 * right / total:.0f} % as c, so labels and channels seem to be numbered "
                f"differently; if labels start at 1, pass --numbering {ONE_BASED}"
            )
    reasons = dict.fromkeys(filter(None, map(baseline.undefined, baseline.metrics)))
    if not present:
        return remarks
    return remarks + [f"boundary metrics are undefined: {reason}" for reason in reasons]


def losing_classes(before: Accuracy, after: Accuracy) -> dict[int, float]:
    """Return the change of IoU in points (negative) of every class that loses IoU, by class index.

    Classes that do not enter means are left out.
    """
    return {label: points for label, points in gains_by_class(before, after).items() if points < 0}


def gains_by_class(before: Accuracy, after: Accuracy) -> dict[int, float]:
    """Return the change of IoU in points of every class that enters means and has an IoU, by class index."""
    gains = (after.per_class("miou") - before.per_class("miou")).tolist()
    labels = range(before.num_classes) if before.mean_over is None else before.mean_over
    return {label: gains[label] for label in labels if not math.isnan(gains[label])}


def describe_worst(before: Accuracy, after: Accuracy, class_names: Sequence[str] = ()) -> str:
    """Return the class whose IoU changes for the worst, such as "pole (-5.03)", in points; "-" if none has an IoU."""
    gains = gains_by_class(before, after)
    if not gains:
        return "-"
    worst = min(gains, key=gains.__getitem__)
    return f"{name_of(class_names, worst)} ({gains[worst]:+.2f})"


def describe_losses(before: Accuracy, after: Accuracy, class_names: Sequence[str] = ()) -> str:
    """Return a list of the classes that lose IoU, such as "pole (-5.03)", in points; "none" if no class loses."""
    losing = losing_classes(before, after)
    return ", ".join(f"{name_of(class_names, label)} ({points:+.2f})" for label, points in losing.items()) or "none"
