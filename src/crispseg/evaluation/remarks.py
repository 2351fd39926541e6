"""Remarks on labels that look misread. They are reported, and nothing is corrected."""

from collections.abc import Sequence

from crispseg.data.class_names import name_of
from crispseg.data.numbering import ONE_BASED
from crispseg.metrics.accuracy import Accuracy

_MOST = 0.5
"""Share of the pixels that must agree with labels moved by one."""


def remarks_on(baseline: Accuracy, class_names: Sequence[str] = ()) -> list[str]:
    """Return remarks on true labels that look misread and on metrics that are undefined, a sentence each.

    Args:
        baseline: Counts of the predictions before sharpening, of the mean IoU at least.
        class_names: Names of the classes, as far as they are known.

    Example:
        >>> import torch
        >>> from crispseg.metrics.accuracy import Truth
        >>> accuracy = Accuracy(2, ["miou"])
        >>> accuracy.add(torch.tensor([[0, 1]]), Truth(torch.tensor([[0, -1]]), 2, ["miou"]))
        >>> remarks_on(accuracy)[0][:40]
        'the true labels hold class 0 and void al'
    """
    right_by_class, _, missed = baseline.total("miou").unbind(-1)
    true = right_by_class + missed
    remarks = []
    present = true.nonzero().flatten().tolist()
    if len(present) == 1 and baseline.num_classes > 1:
        remarks.append(
            f"the true labels hold class {name_of(class_names, present[0])} and void alone, none of the other "
            f"{baseline.num_classes - 1} classes: is what was declared void a class?"
        )
    right, total = int(right_by_class.sum()), int(true.sum())
    for step, moved in zip((-1, 1), baseline.off_by_one.tolist(), strict=True) if baseline.num_classes > 2 else ():
        if moved > max(right, _MOST * total):
            share = f"{100 * moved / total:.0f} % of the pixels of true class c are predicted as class c {step:+d}"
            remarks.append(
                f"{share}, and {100 * right / total:.0f} % as c: labels or channels are numbered otherwise; where "
                f"labels start at 1 say --numbering {ONE_BASED}"
            )
    reasons = dict.fromkeys(filter(None, map(baseline.undefined, baseline.metrics)))
    return remarks + [f"no value near boundaries: {reason}" for reason in reasons]
