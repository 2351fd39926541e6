"""Networks small enough to be trained in a test, by their names in a config."""

from torch import Tensor, nn


class TinySegmenter(nn.Module):
    """Scores at a quarter of the resolution, with dropout on the way."""

    def __init__(self, num_classes: int, dropout: float = 0.5) -> None:
        super().__init__()
        self.encode = nn.Conv2d(3, 8, 4, stride=4)
        self.drop = nn.Dropout(dropout)
        self.classify = nn.Conv2d(8, num_classes, 1)

    def forward(self, image: Tensor) -> Tensor:
        scores: Tensor = self.classify(self.drop(self.encode(image).relu()))
        return scores
