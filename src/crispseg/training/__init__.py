"""Training with Lightning: the only room that knows it."""

from crispseg.training.task import EmbeddingTask
from crispseg.training.train import seed_everything, train

__all__ = ["EmbeddingTask", "seed_everything", "train"]
