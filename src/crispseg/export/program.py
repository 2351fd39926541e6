"""The exported part of a sharpener, and example inputs to trace and check it."""

from typing import Literal

import torch
from torch import Tensor, nn

from crispseg.inference.sharpener import Sharpener
from crispseg.scores import MULTILABEL, PROBABILITIES

Precision = Literal["float32", "float16"]


class Program(nn.Module):
    """The sharpener as a function of one map (image or features) and of scores; both have the `dtype` of the result."""

    def __init__(self, sharpener: Sharpener, precision: Precision, *, takes_features: bool) -> None:
        super().__init__()
        self.sharpener = sharpener
        self.dtype: torch.dtype = getattr(torch, precision)
        self.takes_features = takes_features

    def forward(self, given: Tensor, scores: Tensor) -> Tensor:
        """Return crisp scores for an image, or for features if `takes_features` is True."""
        if not self.takes_features:
            return self.sharpener(given, scores)  # type: ignore[no-any-return]
        batch, _, height, width = given.shape
        # If features are given, only the size of the image matters.
        return self.sharpener(given.new_zeros(batch, 3, height, width), scores, features=given)  # type: ignore[no-any-return]

    @property
    def name(self) -> str:
        """The name of the first input."""
        return "features" if self.takes_features else "image"

    def example(self, image: tuple[int, int, int], num_classes: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Return random inputs: for an image (batch, height, width), and scores of `num_classes` on a grid."""
        batch, height, width = image
        generator = torch.Generator().manual_seed(0)
        channels = (self.sharpener.cue.channels or 8) if self.takes_features else 3
        given = torch.rand(batch, channels, height, width, generator=generator)
        scores = torch.rand(batch, num_classes, *grid, generator=generator)
        if self.sharpener.scores not in PROBABILITIES:
            scores = 6 * scores - 3
        elif self.sharpener.scores not in MULTILABEL and num_classes > 1:
            scores = scores / scores.sum(1, keepdim=True)
        return given.to(self.dtype), scores.to(self.dtype)
