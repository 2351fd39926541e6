"""An embedding trained through the filter: the loss is that of the filtered scores."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Unpack

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.models.network import Network
from crispseg.models.saving import save_network
from crispseg.nn import Affinity, EmbeddingLoss, LocalFilter
from crispseg.options import as_text, flag
from crispseg.training.disturbance import Disturbance
from crispseg.training.embedding_task import cue_option, ignoring_void
from crispseg.training.schedules import Cosine
from crispseg.training.task import Batch, LearningOptions, Task
from crispseg.value_checks import check_not_negative, check_positive

_NEAR = 6
"""Pixels on either side of a boundary that count in full."""

_SMALLEST = 1e-4
"""Smallest probability in a logarithm."""


class _Filtered(nn.Module):
    """An embedding network and the filter along it."""

    def __init__(self, embedding: Network, affinity: Affinity, filter: LocalFilter) -> None:
        super().__init__()
        if affinity.window != filter.window:
            raise InputError(f"affinity has window {affinity.window}, filter {filter.window}; expected the same window")
        self.embedding = embedding
        self.affinity = affinity
        self.filter = filter

    def forward(self, image: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.embedding(image).float()
        return self.filter(scores, partial(self.affinity, embedding, scores=scores)), embedding


class FilterTask(Task):
    """Train an embedding through the filter, on scores that are disturbed truth.

    For every crop the true labels are made into scores as a network would give them (see `Disturbance`), these are
    filtered along the embedding, and the loss is the cross-entropy of the result. Pixels near true boundaries and
    pixels of rare labels weigh more, so that thin objects count. λ and μ are learned too; the file of weights records
    them.

    Args:
        network: The embedding.
        affinity: Makes the weights of the filter; what it learns is recorded with the weights.
        filter: The filter, over the same windows.
        disturbance: The distribution of scores.
        inside: Weight of a pixel farther than 6 pixels from every true boundary; those nearer weigh 1.
        rarity: Power of the share of a label in its crop by which its pixels weigh less: 0 weighs all pixels alike, 1
            all labels.
        sharpness: Power that probabilities are raised to before the cross-entropy: above 1, pixels whose label is
            certain count less.
        pair_loss: Additional loss of the embedding itself; None for none.
        pair_weight: Weight of that loss.

    How it learns: see `LearningOptions`. By default with `torch.optim.AdamW` at 1e-3, along a cosine to 0. Patterns
    of parameters begin with "embedding." or "affinity.".

    Raises:
        InputError: If a number is out of range.
    """

    weights_file = "embedding.safetensors"
    default_optimizer = staticmethod(partial(torch.optim.AdamW, lr=1e-3))
    default_schedule = Cosine
    network: _Filtered

    def __init__(
        self,
        network: Network,
        affinity: Affinity,
        filter: LocalFilter,
        *,
        disturbance: Disturbance = Disturbance(),  # noqa: B008 - it cannot change
        inside: float = 0.3,
        rarity: float = 0.5,
        sharpness: float = 2.0,
        pair_loss: EmbeddingLoss | None = None,
        pair_weight: float = 0.1,
        **learning: Unpack[LearningOptions],
    ) -> None:
        for name, value in (("inside", inside), ("rarity", rarity), ("pair_weight", pair_weight)):
            check_not_negative(name, value)
        check_positive("sharpness", sharpness)
        filtered = _Filtered(network, affinity, filter)
        super().__init__(filtered, **learning)
        self.disturbance = disturbance
        self.inside, self.rarity, self.sharpness = inside, rarity, sharpness
        self.pair_loss = None if pair_loss is None else ignoring_void(pair_loss)
        self.pair_weight = pair_weight
        self.right: list[Tensor] = []

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        numbered, scores = self._disturbed(labels)
        filtered, embedding = self.network(image, scores)
        weights = pixel_weights(numbered, scores.shape[1], inside=self.inside, rarity=self.rarity)
        sharp = filtered.clamp(min=_SMALLEST) ** self.sharpness
        sharp = sharp / sharp.sum(1, keepdim=True)
        each = F.nll_loss(sharp.log(), numbered, ignore_index=IGNORE_INDEX, reduction="none")
        terms = {"filtered": (weights * each).sum() / weights.sum().clamp(min=1e-6)}
        if self.pair_loss is not None:
            terms["pairs"] = self.pair_weight * self.pair_loss(embedding, labels)
        return terms

    def _disturbed(self, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return labels numbered from 0, and their disturbed scores."""
        numbered, classes = self.disturbance.relabel(labels.cpu())
        scores = self.disturbance.scores(numbered, classes)
        return numbered.to(labels.device), scores.to(labels.device)

    def on_train_batch_end(self, outputs: object, batch: Batch, batch_idx: int) -> None:
        for name, value in self._learned().items():
            self.log(name, value)

    def _learned(self) -> dict[str, float]:
        affinity = self.network.affinity
        return {
            "hardness": float(affinity.hardness.detach()),
            "score_weight": float(torch.as_tensor(affinity.score_weight).detach()),
        }

    def start_measuring(self) -> None:
        self.right = [torch.zeros(3, dtype=torch.int64) for _ in self.val_names]

    def measure(self, batch: Batch, data: int) -> None:
        image, labels = batch
        with torch.random.fork_rng(devices=[]):  # the same scores at every validation
            torch.manual_seed(int(self.right[data][2]))
            numbered, scores = self._disturbed(labels)
        filtered, _ = self.network(image, scores)
        near = near_boundary(numbered) & (numbered != IGNORE_INDEX)
        counts = [((given.argmax(1) == numbered) & near).sum() for given in (scores, filtered)]
        self.right[data] += torch.stack([*counts, near.sum()]).cpu()

    def measured(self) -> Mapping[str, float]:
        shares: dict[str, float] = {}
        for name, counts in zip(self.val_names, self.right, strict=True):
            before, after, pixels = self.total(counts).tolist()
            shares |= {f"{name}/given": before / max(pixels, 1), f"{name}/filtered": after / max(pixels, 1)}
        return shares

    def save(self, path: Path, **metadata: str) -> None:
        learned = {name: f"{value:.4g}" for name, value in self._learned().items()}
        save_network(self.network.embedding, path, **metadata, **learned, norm=str(self.network.affinity.norm))

    def usage(self, path: Path) -> str:
        texts = {name: f"{value:.3g}" for name, value in self._learned().items()}
        filter = self.network.filter
        texts |= {"window": str(filter.window), "passes": as_text(filter.passes)}
        options = " ".join(f"{flag(name)} {text}" for name, text in texts.items())
        return f"use it with: crispseg sharpen --weights {path}{cue_option(self.network.affinity.norm)} {options}"


def near_boundary(labels: Tensor, pixels: int = _NEAR) -> Tensor:
    """Return where an (N, H, W) label map has another label within some pixels; void is no other label."""
    known = labels != IGNORE_INDEX
    values = labels.float()
    highest = F.max_pool2d(values.where(known, -1e9)[:, None], 2 * pixels + 1, 1, pixels)[:, 0]
    lowest = -F.max_pool2d((-values).where(known, -1e9)[:, None], 2 * pixels + 1, 1, pixels)[:, 0]
    return (highest > -1e9) & (highest != lowest)


def pixel_weights(labels: Tensor, classes: int, *, inside: float, rarity: float) -> Tensor:
    """Return the (N, H, W) weight of every pixel in the loss; 0 for void."""
    known = labels != IGNORE_INDEX
    place = torch.where(near_boundary(labels), 1.0, inside) * known
    result = torch.zeros_like(place)
    for image, share, weights in zip(labels, place, result, strict=True):
        valid = image != IGNORE_INDEX
        totals = torch.zeros(classes, device=labels.device).index_add_(0, image[valid], share[valid])
        factors = (totals / totals.sum().clamp(min=1e-6)).clamp(min=0.01) ** -rarity
        weights[valid] = factors[image[valid]] * share[valid]
    return result
