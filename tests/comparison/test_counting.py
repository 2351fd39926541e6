"""Counts of many settings at once equal those of each alone."""

from functools import partial
from pathlib import Path

import torch
from rich.progress import Progress

from crispseg.comparison.counting import Counting
from crispseg.comparison.images import Images
from crispseg.comparison.rows import RowPlan, TableChoices
from crispseg.data import LabelledFolder, LabelledPredictions
from crispseg.metrics import Accuracy
from tests.fakes import write_scored_folder


def test_every_setting_has_its_own_counts(tmp_path: Path) -> None:
    write_scored_folder(tmp_path, 3)
    folder = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=11)
    images = Images(LabelledPredictions(folder, tmp_path / "scores", num_classes=None, scores="logits"), 2)
    plan = RowPlan("rgb 9x9 x1", TableChoices(torch.device("cpu")), {})
    # A sweep takes them in an order of its own: weights by weights, and passes in ascending order.
    settings = [
        {"window": 9, "dilation": 1, "hardness": hardness, "passes": passes}
        for passes in (9, 1)
        for hardness in (0.1, 0.5)
    ]
    empty = partial(Accuracy, images.data.num_classes, ["miou"])
    with Counting(images, 0, Progress(disable=True)) as counting:
        together = counting.count(plan, settings, [2, 0], empty, "together")
        alone = [counting.count(plan, [setting], [2, 0], empty, "alone")[0] for setting in settings]
    counts = [accuracy.counts("miou") for accuracy in together]
    assert all(torch.equal(one, other.counts("miou")) for one, other in zip(counts, alone, strict=True))
    assert len({tuple(one.flatten().tolist()) for one in counts}) == len(settings)
