"""Groups of labels that are cheaper to filter together than one by one."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from crispseg.data.box import Box

TOGETHER = 16
"""Labels that are filtered together: two of the kernel's vectors."""


class Labelled(NamedTuple):
    """A label and the box outside which it has no share before the filter."""

    label: int
    box: Box


def grouped(items: Sequence[Labelled], margin: int) -> Iterator[Sequence[Labelled]]:
    """Yield groups of at most `TOGETHER` labels that are cheaper to filter together than one by one.

    Args:
        items: The labels.
        margin: The pixels that all passes add to the height and width of a label's box.
    """

    def cost(box: Box) -> int:
        height, width = box.size
        return (height + margin) * (width + margin)

    group: list[Labelled] = []
    common, alone = Box(0, 0, 0, 0), 0
    for item in sorted(items, key=lambda item: _along_a_curve(item.box)):
        joined = Box.enclosing([common, item.box]) if group else item.box
        # Eight channels cost as much as one.
        if group and (len(group) == TOGETHER or (len(group) + 1) * cost(joined) > 8 * (alone + cost(item.box))):
            yield group
            group, joined, alone = [], item.box, 0
        group.append(item)
        common, alone = joined, alone + cost(item.box)
    if group:
        yield group


def _along_a_curve(box: Box) -> tuple[int, int]:
    """Return a sort key: first the size of a box, then its centre along a Z-order curve."""
    row, column = (box.top + box.bottom) // 2, (box.left + box.right) // 2
    turns = sum(((row >> bit & 1) << (2 * bit + 1)) | ((column >> bit & 1) << (2 * bit)) for bit in range(24))
    return max(box.size).bit_length() // 8, turns
