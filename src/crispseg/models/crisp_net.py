"""The paper's full network: scores, filtered by what an embedding says of the pixels around (figure 3)."""

from typing import Literal

from torch import Tensor, nn

from crispseg.checks import check_choice, check_map
from crispseg.errors import InputError
from crispseg.models.segmenter import scores_of, upsample_scores
from crispseg.nn import Affinity, LocalFilter


class CrispNet(nn.Module):
    """A segmentation network beside an embedding network, and the filter that joins them; all of it learns.

    Args:
        segmenter: Any module from (N, 3, H, W) images in [0, 1] to (N, C, h, w) scores, or to a mapping with them at
            "out". Its scores are upsampled to the image.
        embedding: Any module from the same images to an (N, D, H, W) embedding.
        affinity: Turns the embedding into weights; its hardness is fixed or learned.
        filter: Applies them, over the same window.
        filtered: What is filtered: the "logits", as in the paper, or their "probabilities", whose logarithm is then the
            result.

    Raises:
        InputError: If the two windows differ, or `filtered` is not as above.

    Example:
        >>> import torch
        >>> from crispseg.models import EmbeddingNet
        >>> from crispseg.window import Window
        >>> window = Window(9)
        >>> parts = EmbeddingNet(dim=8), Affinity(window, 5.0, learned=True), LocalFilter(window, iterations=7)
        >>> network = CrispNet(nn.Conv2d(3, 21, 8, stride=8), *parts)
        >>> network(torch.rand(1, 3, 32, 40)).shape
        torch.Size([1, 21, 32, 40])
    """

    def __init__(
        self,
        segmenter: nn.Module,
        embedding: nn.Module,
        affinity: Affinity,
        filter: LocalFilter,
        *,
        filtered: Literal["logits", "probabilities"] = "logits",
    ) -> None:
        super().__init__()
        check_choice("filtered", filtered, ("logits", "probabilities"))
        if affinity.window != filter.window:
            raise InputError(f"affinity has {affinity.window}, filter {filter.window}; expected the same window")
        self.segmenter = segmenter
        self.embedding = embedding
        self.affinity = affinity
        self.filter = filter
        self.filtered = filtered

    @property
    def classes(self) -> int | None:
        """C, where the segmentation network says it."""
        return getattr(self.segmenter, "classes", None)

    def forward(self, image: Tensor) -> Tensor:
        """(N, 3, H, W) images to (N, C, H, W) filtered logits."""
        scores, _ = self.score_with_embedding(image)
        return scores

    def score_with_embedding(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Filtered logits, and the embedding that they were filtered by."""
        check_map("image", image)
        scores = scores_of(self.segmenter, image)
        scores = upsample_scores(self.segmenter, scores, (image.shape[-2], image.shape[-1]))
        embedding = self.embedding(image)
        weights = self.affinity(embedding)
        if self.filtered == "logits":
            return self.filter(scores, weights), embedding
        return self.filter(scores.softmax(1), weights).clamp(min=1e-12).log(), embedding
