"""The peak of memory of a method."""

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from crispseg import process_memory
from crispseg.comparison import costs
from crispseg.comparison.rows import RowPlan, TableChoices
from tests.comparison.test_methods import example as scene_of

CHOICES = TableChoices(torch.device("cpu"))


def test_memory_that_cannot_be_told_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "folder").mkdir()
    monkeypatch.setattr(process_memory, "_CLEAR", tmp_path / "folder")  # as a file that may not be written
    assert costs.peak_on_cpu(lambda: torch.ones(8)) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process can be counted and reset on Linux alone")
@pytest.mark.slow  # several processes
def test_memory_is_that_of_the_method_whatever_was_freed_before() -> None:
    small = scene_of((48, 64))
    scene = replace(small, image=small.image.repeat(1, 8, 8))
    planes = 4 * 384 * 512 / 2**20
    blocks = [torch.ones(2**20) for _ in range(64)]  # 4 MiB each, which the allocator keeps for later
    del blocks
    plans = [RowPlan(name, CHOICES, {}) for name in ("rgb 9x9 x1", "baseline")]
    rgb, nothing = [plan.build() for plan in plans]
    with costs.Memory() as measured:
        alone = measured.peak(plans[0], rgb, rgb.start, scene)
        baseline = measured.peak(plans[1], nothing, nothing.start, scene)
    assert alone is not None
    assert baseline is not None
    assert alone == pytest.approx(
        (81 + 3 + 3 + 3) * planes, rel=0.25
    )  # weights, colours, probabilities before and after
    assert 3 * planes < baseline < 12 * planes  # of three classes
