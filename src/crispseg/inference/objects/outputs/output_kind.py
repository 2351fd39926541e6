"""The parts common to all outputs that hold masks of objects."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

from numpy.typing import NDArray
from torch import Tensor


class Sharpen(Protocol):
    """`sharpen_masks` with the options of the user, which win over those given here."""

    def __call__(self, image: object, masks: object, boxes: object = None, **options: Any) -> Tensor | NDArray[Any]:  # noqa: ANN401 - those of `sharpen_masks`
        """Return crisp masks."""


class OutputKind(NamedTuple):
    """A kind of output, told by its attributes or keys, so that its library need not be installed."""

    name: str
    """How a message calls it."""
    is_kind: Callable[[Any], bool]
    sharpened: Callable[[Any, object, Sharpen], object]
    """Takes an output, its image and the function that sharpens masks; returns the same kind with crisp masks."""
