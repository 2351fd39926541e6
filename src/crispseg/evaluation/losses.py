"""Classes whose IoU is lower after sharpening than before."""

import math
from collections.abc import Sequence

from crispseg.data.class_names import name_of
from crispseg.metrics.accuracy import Accuracy


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
