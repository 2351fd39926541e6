"""Segmentation network, embedding and filter, trained as one (paper sec. 5, "end-to-end")."""

from torch import Tensor

from crispseg.checks import check_not_negative
from crispseg.models import CrispNet
from crispseg.nn import EmbeddingLoss
from crispseg.training.embedding_task import ignoring_void
from crispseg.training.optimizers import Optimizer
from crispseg.training.schedules import Schedule
from crispseg.training.segmentation_task import SegmentationTask
from crispseg.training.task import Batch


class EndToEndTask(SegmentationTask):
    """Fine-tune a `CrispNet` with the segmentation loss of its filtered scores; measure the mean IoU of its labels.

    Which parts learn is a matter of the optimiser's `rates`: `{"segmenter.*": 0}` leaves the segmentation network as
    it is, in evaluation mode, with its dropout and the statistics of its normalisations.

    Args:
        network: The whole network.
        num_classes: Number of classes; by default what the network's `segmenter` says.
        embedding_loss: Keeps the embedding to its own task as well; None trains with the segmentation loss alone.
        embedding_weight: Weight of that loss.
        optimizer: How the parameters change; SGD at 1e-3 by default.
        schedule: How the learning rate does; polynomial by default.

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
        optimizer: Optimizer | None = None,
        schedule: Schedule | None = None,
    ) -> None:
        check_not_negative("embedding_weight", embedding_weight)
        super().__init__(network, num_classes, loss_at="labels", optimizer=optimizer, schedule=schedule)
        self.embedding_loss = None if embedding_loss is None else ignoring_void(embedding_loss)
        self.embedding_weight = embedding_weight

    def loss_of(self, batch: Batch) -> dict[str, Tensor]:
        image, labels = batch
        scores, embedding = self.network.score_with_embedding(image)
        terms = {"segmentation": self.cross_entropy(scores, labels)}
        if self.embedding_loss is not None:
            terms["embedding"] = self.embedding_weight * self.embedding_loss(embedding, labels)
        return terms
