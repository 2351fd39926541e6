"""Classes whose IoU is lower after sharpening than before."""

from collections.abc import Sequence

from crispseg.data.class_names import name_of
from crispseg.metrics.accuracy import Accuracy


def losing_classes(before: Accuracy, after: Accuracy) -> dict[int, float]:
    """Return the change of IoU in points (negative) of every class that loses IoU, by class index."""
    gains = (after.per_class("miou") - before.per_class("miou")).tolist()
    return {label: points for label, points in enumerate(gains) if points < 0}


def describe_losses(before: Accuracy, after: Accuracy, class_names: Sequence[str] = ()) -> str:
    """Return a list of the classes that lose IoU, such as "pole (-5.03)", in points; "none" if no class loses."""
    losing = losing_classes(before, after)
    return ", ".join(f"{name_of(class_names, label)} ({points:+.2f})" for label, points in losing.items()) or "none"
