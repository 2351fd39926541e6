"""What is learned: an embedding network under the paper's losses (sec. 3.1 and 4.1)."""

import math
from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from lightning import LightningModule
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from crispseg.evaluation.pairs import PairCounts, count_pairs
from crispseg.models import EmbeddingNet
from crispseg.nn import EmbeddingLoss

_VALIDATION_STRIDE = 4


class EmbeddingTask(LightningModule):
    """Train an `EmbeddingNet`.

    Args:
        network: The network.
        loss: Loss of the final embedding, and of the five layers behind it.
        side_weight: Weight of the loss at each of the five layers, at their own resolution; 0 leaves them out. The
            paper uses 1.
        learning_rate: Highest learning rate of Adam.
        warmup: Steps over which the learning rate rises from 0.
        steps: Steps over which it falls to 0 again, along a cosine.
        val_names: A name for each validation data set.
    """

    def __init__(
        self,
        network: EmbeddingNet,
        loss: EmbeddingLoss,
        *,
        side_weight: float,
        learning_rate: float,
        warmup: int,
        steps: int,
        val_names: list[str],
    ) -> None:
        super().__init__()
        self.network = network
        self.loss = loss
        self.side_weight = side_weight
        self.learning_rate = learning_rate
        self.warmup = warmup
        self.steps = steps
        self.val_names = val_names
        self.val_pairs: list[PairCounts] = []

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        image, labels = batch
        embedding, taps = self.network.embed_with_taps(image)
        total: Tensor = self.loss(embedding, labels)
        self.log("loss/final", total, prog_bar=True)
        if self.side_weight:
            for name, tap in taps.items():
                side = self.loss(tap, shrink_labels(labels, tap.shape[-2], tap.shape[-1]))
                self.log(f"loss/{name}", side)
                total = total + self.side_weight * side
        return total

    def on_validation_epoch_start(self) -> None:
        self.val_pairs = [PairCounts(0, 0, 0, 0) for _ in self.val_names]

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int, dataloader_idx: int = 0) -> None:
        image, labels = batch
        loss = self.loss
        self.val_pairs[dataloader_idx] += count_pairs(
            self.network(image),
            labels,
            loss.window,
            near=loss.near,
            far=loss.far,
            norm=loss.norm,
            stride=_VALIDATION_STRIDE,
            ignore_index=loss.ignore_index,
        )

    def on_validation_epoch_end(self) -> None:
        for name, pairs in zip(self.val_names, self.val_pairs, strict=True):
            self.log(f"{name}/same", pairs.same_share, prog_bar=True)
            self.log(f"{name}/different", pairs.different_share, prog_bar=True)

    def configure_optimizers(self) -> Any:  # noqa: ANN401 - Lightning's own type is a union of a dozen
        optimizer = torch.optim.Adam(self.network.parameters(), lr=self.learning_rate)
        schedule = LambdaLR(optimizer, self._rate_at)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _rate_at(self, step: int) -> float:
        rising = min(1.0, (step + 1) / self.warmup) if self.warmup else 1.0
        return rising * 0.5 * (1 + math.cos(math.pi * min(step / self.steps, 1)))

    def shares(self) -> Mapping[str, float]:
        """Last validation: share of the pairs on the right side of the margins, by data set and kind."""
        return {
            f"{name}/{kind}": share
            for name, pairs in zip(self.val_names, self.val_pairs, strict=True)
            for kind, share in (("same", pairs.same_share), ("different", pairs.different_share))
        }


def shrink_labels(labels: Tensor, height: int, width: int) -> Tensor:
    """(N, H, W) labels at a lower resolution, by the nearest pixel: labels are never blended."""
    resized = F.interpolate(labels[:, None].double(), size=(height, width), mode="nearest-exact")
    return resized[:, 0].to(labels.dtype)
