"""Train networks with Lightning; no other package of crispseg imports it."""

from crispseg.extras import optional_packages

with optional_packages():
    from crispseg.training.boundary_task import BoundaryTask
    from crispseg.training.disturbance import Disturbance
    from crispseg.training.embedding_task import EmbeddingTask
    from crispseg.training.end_to_end_task import EndToEndTask
    from crispseg.training.filter_task import FilterTask
    from crispseg.training.run import seed_everything, train
    from crispseg.training.schedules import Cosine, Poly, RunSchedule
    from crispseg.training.segmentation_task import SegmentationTask
    from crispseg.training.task import Task

__all__ = [
    "BoundaryTask",
    "Cosine",
    "Disturbance",
    "EmbeddingTask",
    "EndToEndTask",
    "FilterTask",
    "Poly",
    "RunSchedule",
    "SegmentationTask",
    "Task",
    "seed_everything",
    "train",
]
