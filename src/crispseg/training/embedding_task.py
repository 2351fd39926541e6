"""Any network as an embedding, under the paper's losses (sec. 3.1 and 4.1)."""

from collections.abc import Mapping
from copy import copy
from dataclasses import astuple
from functools import partial
from pathlib import Path
from typing import Protocol, Unpack, runtime_checkable

import torch
from torch import Tensor, nn

from crispseg.data.labels import shrink_labels
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.metrics.pairs import PairCounts, count_pairs
from crispseg.models.network import NETWORKS, Network
from crispseg.models.saving import save_network, save_weights
from crispseg.nn import EmbeddingLoss
from crispseg.training.schedules import Cosine
from crispseg.training.task import Batch, LearningOptions, Task
from crispseg.value_checks import check_not_negative

_VALIDATION_STRIDE = 4

_IGNORED_BY_DEFAULT = 255
"""The label that losses ignore if none is given."""


def ignoring_void(loss: EmbeddingLoss) -> EmbeddingLoss:
    """Return a copy of the loss that ignores the void label of data sets.

    Raises:
        InputError: If it was set to ignore another label, which data sets use for a region.
    """
    if loss.ignore_index not in (_IGNORED_BY_DEFAULT, IGNORE_INDEX):
        raise InputError(
            f"the loss ignores label {loss.ignore_index}; leave its ignore_index out, and declare `void` in the "
            "data sets"
        )
    loss = copy(loss)
    loss.ignore_index = IGNORE_INDEX
    return loss


def cue_option(norm: int) -> str:
    """Return the option of the cue that compares embeddings as they were trained; none if that is the default."""
    return "" if norm == 1 else f" --cue learned:norm={norm}"


@runtime_checkable
class Tapped(Protocol):
    """A network that also returns intermediate layers for side losses, as `EmbeddingNet` does."""

    def embed_with_taps(self, image: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the (N, D, H, W) embedding of an image, and maps (N, C, h, w) of any resolution by name."""
        ...


class EmbeddingTask(Task):
    """Train any network as an embedding; measure the share of pairs on the right side of the margins.

    Args:
        network: Any module from (N, 3, H, W) RGB in [0, 1] to (N, D, H, W), such as `crispseg.models.EmbeddingNet`,
            `crispseg.models.TrunkEmbedding`, or one of your own.
        loss: Loss of the embedding, and of intermediate layers.
        side_weight: Weight of the loss at each intermediate layer, at its own resolution, for a network that returns
            them (see `Tapped`); 0 leaves them out. The paper uses 1.

    How it learns: see `LearningOptions`. By default with `torch.optim.Adam` at 1e-3, along a cosine to 0.

    Raises:
        InputError: If `side_weight` is negative, or above 0 for a network without such layers, or the loss was set to
            ignore another label.
    """

    weights_file = "embedding.safetensors"
    default_optimizer = staticmethod(partial(torch.optim.Adam, lr=1e-3))
    default_schedule = Cosine
    network: nn.Module

    def __init__(
        self,
        network: nn.Module,
        loss: EmbeddingLoss,
        *,
        side_weight: float = 0.0,
        **learning: Unpack[LearningOptions],
    ) -> None:
        check_not_negative("side_weight", side_weight)
        if side_weight and not isinstance(network, Tapped):
            raise InputError(
                f"side_weight is {side_weight}, but {type(network).__name__} has no method embed_with_taps; leave it 0"
            )
        super().__init__(network, **learning)
        self.loss = ignoring_void(loss)
        self.side_weight = side_weight
        self.pairs: list[PairCounts] = []

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        taps: Mapping[str, Tensor] = {}
        if self.side_weight and isinstance(self.network, Tapped):
            embedding, taps = self.network.embed_with_taps(image)
        else:
            embedding = self.network(image)
        self._check_embedding(embedding, image)
        terms = {"final": self.loss(embedding, labels)}
        for name, tap in taps.items():
            side = self.loss(tap, shrink_labels(labels, tap.shape[-2], tap.shape[-1]))
            terms[name] = self.side_weight * side
        return terms

    def _check_embedding(self, embedding: object, image: Tensor) -> None:
        count, _, height, width = image.shape
        shape = tuple(embedding.shape) if isinstance(embedding, Tensor) else ()
        if len(shape) == 4 and (shape[0], *shape[2:]) == (count, height, width):
            return
        given = f"shape {shape}" if isinstance(embedding, Tensor) else type(embedding).__name__
        raise InputError(
            f"{type(self.network).__name__} gives {given} for {count} images of {height}×{width} pixels; expected an "
            f"embedding ({count}, D, {height}, {width}): upsample it in the network, or take "
            "crispseg.models.TrunkEmbedding"
        )

    def start_measuring(self) -> None:
        self.pairs = [PairCounts(0, 0, 0, 0) for _ in self.val_names]

    def measure(self, batch: Batch, data: int) -> None:
        image, labels = batch
        loss = self.loss
        self.pairs[data] += count_pairs(
            self.network(image),
            labels,
            loss.window,
            near=loss.near,
            far=loss.far,
            norm=loss.norm,
            stride=_VALIDATION_STRIDE,
            ignore_index=loss.ignore_index,
        )

    def measured(self) -> Mapping[str, float]:
        shares: dict[str, float] = {}
        for name, pairs in zip(self.val_names, self.pairs, strict=True):
            everywhere = PairCounts(*self.total(torch.tensor(astuple(pairs))).tolist())
            shares |= {f"{name}/same": everywhere.same_share, f"{name}/different": everywhere.different_share}
        return shares

    def save(self, path: Path, **metadata: str) -> None:
        metadata["norm"] = str(self.loss.norm)
        if isinstance(self.network, Network):
            save_network(self.network, path, **metadata)
        else:
            save_weights(self.network, path, **metadata, network=type(self.network).__name__)

    def usage(self, path: Path) -> str:
        if isinstance(self.network, Network) and NETWORKS.find(type(self.network).__name__) is type(self.network):
            return f"use it with: crispseg sharpen --weights {path}{cue_option(self.loss.norm)}"
        return super().usage(path)
