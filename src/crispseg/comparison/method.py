"""The interface of every method: parameters with values to search, and a function from an example to a result."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from torch import Tensor

from crispseg.data import Prediction
from crispseg.data.intensity import to_floats
from crispseg.grid import CENTRES
from crispseg.inference.checks import check_fit
from crispseg.inference.one_image import grid_of
from crispseg.inference.shares import to_probabilities
from crispseg.inference.upsampling import resize_scores

Setting = Mapping[str, float]
"""A value for each parameter of a method."""

CPU = torch.device("cpu")


@dataclass(frozen=True)
class Example:
    """An image with everything that a method may use."""

    image: Tensor
    """(3, H, W) uint8, or floating point in [0, 1]."""
    prediction: Prediction
    boundary: Tensor | None
    """(1, H, W) in [0, 1]; None without boundary maps."""
    truth: Tensor
    """(H, W) int64 true labels, for the oracle only."""

    @cached_property
    def probabilities(self) -> Tensor:
        """(1, C, H, W) probabilities, upsampled in the same way for every method, on the CPU."""
        return self.probabilities_on(CPU)

    def probabilities_on(self, device: torch.device) -> Tensor:
        """Return (1, C, H, W) probabilities, upsampled on a device."""
        size = (self.image.shape[-2], self.image.shape[-1])
        scores, grid = self.prediction.scores[None].to(device), grid_of(self.prediction, None)
        check_fit(self.image[None].to(device), scores, grid, self.prediction.kind)
        return to_probabilities(resize_scores(scores, size, grid, self.prediction.kind), self.prediction.kind)

    def rgb_on(self, device: torch.device) -> Tensor:
        """Return the (1, 3, H, W) image in [0, 1], on a device."""
        return to_floats(self.image[None].to(device))

    def afresh(self) -> "Example":
        """Return a copy of the example with nothing computed yet, for timing."""
        return replace(self)

    def predicting(self, probabilities: Tensor) -> "Example":
        """Return the example with (1, C, H, W) probabilities of another method in place of its prediction."""
        there = replace(self.prediction.as_probabilities, given=probabilities[0], grid=CENTRES)
        return replace(self, prediction=there)


class Method(ABC):
    """A method that improves the scores of an example.

    Args:
        values: Values to try for each parameter, in ascending order; a parameter with one value is fixed.
        start: Setting at which the search starts.
        device: Device to run on, where memory is measured too.
    """

    def __init__(self, values: Mapping[str, Sequence[float]], start: Setting, device: torch.device = CPU) -> None:
        self.values = dict(values)
        self.start = dict(start)
        self.device = device

    @abstractmethod
    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return (1, C, H, W) probabilities, or (H, W) int64 labels if the method chooses labels; on the CPU."""

    def sweep(self, example: Example, settings: Sequence[Setting]) -> Iterator[tuple[Setting, Tensor]]:
        """Yield each setting with its result; methods that can share work between settings override this."""
        for setting in settings:
            yield setting, self.run(example, setting)


class Baseline(Method):
    """The upsampled scores, otherwise unchanged."""

    def __init__(self) -> None:
        super().__init__({}, {})

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the probabilities of the example."""
        return example.probabilities


class After(Method):
    """A method that takes its scores from another method, which was tuned before and is fixed."""

    def __init__(self, first: Method, setting: Setting, second: Method) -> None:
        super().__init__(second.values, second.start, second.device if first.device == CPU else first.device)
        self.first = first
        self.setting = setting
        self.second = second

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Run the second method on the result of the first."""
        return self.second.run(self._between(example), setting)

    def sweep(self, example: Example, settings: Sequence[Setting]) -> Iterator[tuple[Setting, Tensor]]:
        """Run the first method once, then sweep the settings of the second."""
        yield from self.second.sweep(self._between(example), settings)

    def _between(self, example: Example) -> Example:
        return example.predicting(self.first.run(example, self.setting))
