"""Classes that are worse after sharpening than before."""

from collections.abc import Sequence

from crispseg.data.class_names import name_of
from crispseg.metrics.accuracy import Accuracy


def losing_classes(before: Accuracy, after: Accuracy) -> dict[int, float]:
    """Return the points of IoU lost, for every class that is worse after than before."""
    gains = (after.per_class("miou") - before.per_class("miou")).tolist()
    return {label: points for label, points in enumerate(gains) if points < 0}


def describe_losses(before: Accuracy, after: Accuracy, class_names: Sequence[str] = ()) -> str:
    """Return the classes that lose IoU with the points lost, by their names where known, such as "pole (-5.03)"."""
    losing = losing_classes(before, after)
    return ", ".join(f"{name_of(class_names, label)} ({points:+.2f})" for label, points in losing.items()) or "none"
