"""Segmentation network, embedding and filter, trained as one (paper sec. 5, "end-to-end")."""

from typing import Unpack

from torch import Tensor

from crispseg.models import CrispNet
from crispseg.nn import EmbeddingLoss
from crispseg.training.embedding_task import ignoring_void
from crispseg.training.segmentation_task import SegmentationTask
from crispseg.training.task import Batch, LearningOptions
from crispseg.value_checks import check_not_negative


class EndToEndTask(SegmentationTask):
    """Fine-tune a `CrispNet` with the segmentation loss of its filtered scores; measure the mean IoU of its labels.

    `rates` selects the parts that learn: `{"segmenter.*": 0}` freezes the segmentation network in evaluation mode,
    without dropout and with its stored normalisation statistics.

    Args:
        network: The whole network.
        num_classes: Number of classes; by default what the network's `segmenter` says.
        embedding_loss: Additional loss of the embedding; None trains with the segmentation loss alone.
        embedding_weight: Weight of that loss.

    How it learns: see `LearningOptions`. By default with `torch.optim.SGD` at 1e-3 with momentum 0.9 and weight
    decay 5e-4, on the schedule `Poly`.

    Raises:
        InputError: If `embedding_weight` is negative.
    """

    network: CrispNet

    def __init__(
        self,
        network: CrispNet,
        num_classes: int | None = None,
        *,
        embedding_loss: EmbeddingLoss | None = None,
        embedding_weight: float = 1.0,
        **learning: Unpack[LearningOptions],
    ) -> None:
        check_not_negative("embedding_weight", embedding_weight)
        super().__init__(network, num_classes, loss_at="labels", **learning)
        self.embedding_loss = None if embedding_loss is None else ignoring_void(embedding_loss)
        self.embedding_weight = embedding_weight

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        scores, embedding = self.network.score_with_embedding(image)
        terms = {"segmentation": self.cross_entropy(scores, labels)}
        if self.embedding_loss is not None:
            terms["embedding"] = self.embedding_weight * self.embedding_loss(embedding, labels)
        return terms
