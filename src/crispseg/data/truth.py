"""Decode true label maps. The meaning of their numbers is given by the user, never guessed."""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from crispseg.data.labels import read_labels
from crispseg.data.numbering import HIGHEST_LABEL, ONE_BASED, ZERO_BASED, Numbering, read_numbering
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError

_WHITE = 255
"""Void by convention, but the object in a black and white mask; where it is ambiguous, the user has to declare it."""


class TrueLabels:
    """Convert the numbers of label maps to classes 0 … C - 1, and to `IGNORE_INDEX` for void.

    A label map that holds 0 and 255 alone is a binary mask, classes 0 and 1, unless 255 is declared void or there are
    more than two classes.

    Args:
        void: Label or labels, as the files hold them, of pixels without a class; None for no such label.
        numbering: What labels stand for: "0-based", "1-based", or the path of a table, as `read_numbering` takes them.
            None if nothing was said: labels are the numbers of the classes.
        num_classes: Number of classes C, to refuse a label beyond them; None takes any.

    Raises:
        InputError: If a file cannot hold a void label, the table is damaged, or 0 is void and no numbering is given:
            the classes may start at 1, or class 0 may be left out.
    """

    def __init__(
        self,
        void: int | Sequence[int] | None = None,
        numbering: str | Path | Numbering | None = None,
        num_classes: int | None = None,
    ) -> None:
        self.void = tuple(sorted({void} if isinstance(void, int) else set(void or ())))
        for label in self.void:
            if not 0 <= label <= HIGHEST_LABEL:
                raise InputError(f"void is {label}; expected a label from 0 to {HIGHEST_LABEL}")
        if numbering is None and num_classes is not None and 0 in self.void:
            raise InputError(
                f"label 0 is declared void, but it is also the first of the {num_classes} classes; pass numbering "
                f"{ONE_BASED} (--numbering {ONE_BASED}) if the classes start at 1, or {ZERO_BASED} to leave class 0 out"
            )
        given = ZERO_BASED if numbering is None else numbering
        self.numbering = given if isinstance(given, Numbering) else read_numbering(given)
        self.num_classes = num_classes

    def read(self, path: Path) -> Tensor:
        """Read a label map, (H, W) int64 classes.

        Raises:
            InputError: If the file cannot be read, or `decode` refuses it.
        """
        return self.decode(read_labels(path).labels, path)

    def decode(self, labels: Tensor, path: Path) -> Tensor:
        """Convert (H, W) whole numbers to (H, W) int64 classes.

        Args:
            labels: The numbers in the file.
            path: The file, for messages.

        Raises:
            InputError: If a label belongs to no class and was not declared void.

        Example:
            >>> TrueLabels(void=255, numbering="1-based").decode(torch.tensor([[0, 1, 2, 255]]), Path("a.png"))
            tensor([[-1,  0,  1, -1]])
        """
        counts = torch.bincount(labels.flatten())
        known = [label for label in counts.nonzero().flatten().tolist() if label not in self.void]
        lookup = torch.full((len(counts),), IGNORE_INDEX)
        if self._is_binary(known):
            lookup[known] = torch.tensor([int(label == _WHITE) for label in known])
        else:
            lookup[known] = torch.tensor([self._class_of(label, known, path) for label in known], dtype=torch.int64)
        return lookup[labels]

    def _is_binary(self, known: Sequence[int]) -> bool:
        plain = self.numbering.table is None and not self.numbering.shift
        return plain and self.num_classes in (None, 2) and known in ([0, _WHITE], [_WHITE])

    def _class_of(self, label: int, known: Sequence[int], path: Path) -> int:
        class_ = self.numbering.class_of(label)
        if class_ is None:
            raise InputError(
                f"label map {path}: label {label} is not in {self.numbering.name}; add a line `{label} CLASS`, "
                f"`{label} void` or `* void` to the table"
            )
        if self.num_classes is None:
            if label == _WHITE and label == known[-1] and self.numbering.table is None:
                raise InputError(
                    f"label map {path}: {self._not_declared()}; if it is a class or a region, "
                    "pass num_classes=256 (--num-classes 256)"
                )
        elif class_ >= self.num_classes:
            raise InputError(f"label map {path}: {self._problem(label, class_, known)}")
        return class_

    def _not_declared(self) -> str:
        return f"holds label {_WHITE}, which is not declared void; if it is void, pass void={_WHITE} (--void {_WHITE})"

    def _problem(self, label: int, class_: int, known: Sequence[int]) -> str:
        numbered = class_ != label
        what = f"class {class_} (label {label} in {self.numbering.name})" if numbered else f"label {label}"
        problem = f"{what} is not one of the {self.num_classes} classes; expected 0 to {(self.num_classes or 0) - 1}"
        if known in ([0, _WHITE], [_WHITE]):
            return f"{self._not_declared()} ({problem}; 0 and {_WHITE} alone are read as a mask of 2 classes)"
        if label == _WHITE:
            return f"{self._not_declared()} ({problem})"
        void = f", and {' and '.join(map(str, self.void))} for void" if self.void else ", and no label is void"
        if numbered:
            return f"{problem}{void}"
        return (
            f"{problem}{void}; if labels start at 1, pass --numbering {ONE_BASED}; if they are other numbers, "
            f"pass a table of labels and classes there; if {label} is void, declare it (--void {label})"
        )
