"""A segmentation network under the cross-entropy of its scores (Chen et al. 2015)."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal, Unpack

import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn

from crispseg.data.labels import shrink_labels
from crispseg.data.sample import IGNORE_INDEX
from crispseg.errors import InputError
from crispseg.metrics import ConfusionMatrix
from crispseg.models import CrispNet
from crispseg.models.crisp_net import save_crisp_net
from crispseg.models.network import Network
from crispseg.models.saving import save_network, save_weights
from crispseg.models.segmenter import aligns_corners, scores_of, upsample_scores
from crispseg.training.schedules import Poly
from crispseg.training.task import Batch, LearningOptions, Task
from crispseg.value_checks import check_choice, check_count


class SegmentationTask(Task):
    """Train any network from images to scores; measure the mean IoU of its labels.

    Args:
        network: From (N, 3, H, W) in [0, 1] to (N, C, h, w) scores, or to a mapping with them at "out".
        num_classes: C, the number of classes; by default the attribute `num_classes` of the network.
        loss_at: Resolution of the loss: that of the "scores", to which labels are reduced by the nearest pixel, as
            DeepLab is trained, or that of the "labels", to which scores are upsampled.

    How it learns: see `LearningOptions`. By default with `torch.optim.SGD` at 1e-3 with momentum 0.9 and weight
    decay 5e-4, on the schedule `Poly`.

    Raises:
        InputError: If an option is not as above.
    """

    weights_file = "segmentation.safetensors"
    default_optimizer = staticmethod(partial(torch.optim.SGD, lr=1e-3, momentum=0.9, weight_decay=5e-4))
    default_schedule = Poly

    def __init__(
        self,
        network: nn.Module,
        num_classes: int | None = None,
        *,
        loss_at: Literal["scores", "labels"] = "scores",
        **learning: Unpack[LearningOptions],
    ) -> None:
        if num_classes is None:
            num_classes = getattr(network, "num_classes", None)
        if num_classes is None:
            raise InputError(f"{type(network).__name__} does not say how many classes it has; give `num_classes`")
        check_count("classes", num_classes)
        check_choice("loss_at", loss_at, ("scores", "labels"))
        super().__init__(network, **learning)
        self.num_classes = num_classes
        self.loss_at = loss_at
        self.confusion: list[ConfusionMatrix] = []

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        return {"segmentation": self.cross_entropy(scores_of(self.network, image), labels)}

    def cross_entropy(self, scores: Tensor, labels: Tensor) -> Tensor:
        """Return the mean cross-entropy over the pixels that have a label; 0 if none has."""
        if scores.shape[1] != self.num_classes:
            raise InputError(f"the network gives scores of {scores.shape[1]} classes; expected {self.num_classes}")
        if self.loss_at == "labels":
            scores = upsample_scores(self.network, scores, (labels.shape[-2], labels.shape[-1]))
        corners = aligns_corners(self.network)
        labels = shrink_labels(labels, scores.shape[-2], scores.shape[-1], align_corners=corners)
        total = F.cross_entropy(scores.float(), labels, ignore_index=IGNORE_INDEX, reduction="sum")
        return total / (labels != IGNORE_INDEX).sum().clamp(min=1)

    def start_measuring(self) -> None:
        if self.num_classes is not None:
            self.confusion = [ConfusionMatrix(self.num_classes) for _ in self.val_names]

    def measure(self, batch: Batch, data: int) -> None:
        image, labels = batch
        scores = scores_of(self.network, image)
        upsampled = upsample_scores(self.network, scores.float(), (labels.shape[-2], labels.shape[-1]))
        self.confusion[data].add(upsampled.argmax(1).cpu(), labels.cpu())

    def measured(self) -> Mapping[str, float]:
        shares = {}
        for name, matrix in zip(self.val_names, self.confusion, strict=True):
            everywhere = ConfusionMatrix(matrix.num_classes)
            everywhere.counts = self.total(matrix.counts)
            shares[f"{name}/miou"] = everywhere.miou / 100
        return shares

    def save(self, path: Path, **metadata: str) -> None:
        if isinstance(self.network, CrispNet):
            save_crisp_net(self.network, path, **metadata)
        elif isinstance(self.network, Network):
            save_network(self.network, path, **metadata)
        else:
            save_weights(self.network, path, **metadata)

    def usage(self, path: Path) -> str:
        own = isinstance(self.network, CrispNet | Network)
        return f"use it with: crispseg predict --weights {path}" if own else super().usage(path)
