"""What is exported of a sharpener, and inputs to trace and to try it with."""

from typing import Literal

import torch
from torch import Tensor, nn

from crispseg.inference.sharpener import Sharpener
from crispseg.scores import PROBABILITIES

Precision = Literal["float32", "float16"]


class Program(nn.Module):
    """The sharpener as a function of one map, image or features, and of scores."""

    def __init__(self, sharpener: Sharpener, *, takes_features: bool) -> None:
        super().__init__()
        self.sharpener = sharpener
        self.takes_features = takes_features

    def forward(self, given: Tensor, scores: Tensor) -> Tensor:
        """Crisp scores, of an image or of features as `takes_features` says."""
        if not self.takes_features:
            return self.sharpener(given, scores)  # type: ignore[no-any-return]
        batch, _, height, width = given.shape
        # Of an image whose features are given, nothing but the size matters.
        return self.sharpener(given.new_zeros(batch, 3, height, width), scores, features=given)  # type: ignore[no-any-return]

    @property
    def dtype(self) -> torch.dtype:
        """Of inputs and output."""
        return self.sharpener.hardness.dtype

    @property
    def name(self) -> str:
        """Of the map that is given."""
        return "features" if self.takes_features else "image"

    def example(self, image: tuple[int, int, int], num_classes: int, grid: tuple[int, int]) -> tuple[Tensor, Tensor]:
        """Random inputs for (batch, height, width) of the image, and of scores with so many classes and pixels."""
        batch, height, width = image
        generator = torch.Generator().manual_seed(0)
        channels = (self.sharpener.cue.channels or 8) if self.takes_features else 3
        given = torch.rand(batch, channels, height, width, generator=generator)
        scores = torch.rand(batch, num_classes, *grid, generator=generator)
        if self.sharpener.scores not in PROBABILITIES:
            scores = 6 * scores - 3
        return given.to(self.dtype), scores.to(self.dtype)
