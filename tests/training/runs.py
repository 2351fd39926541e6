"""Short trainings on a folder of images."""

from functools import partial
from pathlib import Path
from typing import Unpack

import torch

from crispseg import Window
from crispseg.data import LabelledFolder, LabelledImages, Sample
from crispseg.data.crops import CropOptions
from crispseg.models import EmbeddingNet
from crispseg.nn import EmbeddingLoss
from crispseg.training import Cosine, EmbeddingTask, train
from crispseg.training.task import LearningOptions


class BreaksAfter(LabelledImages):
    """A data set that fails after so many reads, as a full disk or a killed machine would."""

    def __init__(self, source: LabelledImages, reads: int) -> None:
        self.source = source
        self.image_names = source.image_names
        self.reads = reads

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> Sample:
        return self.read(index)

    def read(self, index: int, annotator: int = 0) -> Sample:
        self.reads -= 1
        if self.reads < 0:
            raise OSError("the disk is gone")
        return self.source.read(index, annotator)


def run(
    root: Path,
    output: Path,
    *,
    steps: int,
    side_weight: float = 0.0,
    resume: bool = False,
    reads: int = 10**6,
    dim: int = 8,
    **learning: Unpack[LearningOptions],
) -> EmbeddingNet:
    torch.manual_seed(3)
    folder = LabelledFolder(root / "images", root / "labels", void=11)
    loss = EmbeddingLoss(Window(3), stride=2, balance="parity")
    learning = {"schedule": partial(Cosine, warmup=50), **learning}
    task = EmbeddingTask(EmbeddingNet(dim=dim), loss, side_weight=side_weight, **learning)
    train(
        task,
        [BreaksAfter(folder, reads)],
        {"fake": folder},
        output,
        steps=steps,
        batch_size=2,
        crop=CropOptions(size=24),
        checkpoint_every=2,
        val_every=2,
        val_images=1,
        workers=0,
        accelerator="cpu",
        resume=resume,
    )
    assert isinstance(task.network, EmbeddingNet)
    return task.network
