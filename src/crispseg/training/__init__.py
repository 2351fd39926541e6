"""Training with Lightning: the only room that knows it."""

from crispseg.training.task import EmbeddingTask
from crispseg.training.train import train

__all__ = ["EmbeddingTask", "train"]
