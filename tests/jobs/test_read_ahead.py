"""Files are read ahead in processes of their own, in order, few at a time, and none outlives its reader."""

import multiprocessing
import os
import signal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from crispseg import InputError
from crispseg.jobs.read_ahead import read_ahead

CHANNELS_LAST = torch.arange(24).reshape(2, 4, 3).permute(2, 0, 1)


def read(item: int, log: Path) -> torch.Tensor:
    """Notes that it was called; 3 is a bad file, 5 ends the process, 8 is a mistake of ours."""
    (log / f"{item}").touch()
    if item == 3:
        raise InputError("three is bad")
    if item == 5:
        os.kill(os.getpid(), signal.SIGKILL)
    if item == 8:
        raise KeyError("eight")
    return CHANNELS_LAST * item


def test_items_come_in_order_and_bad_ones_in_their_place(tmp_path: Path) -> None:
    results: list[torch.Tensor | InputError] = []
    with pytest.raises(RuntimeError, match="KeyError: 'eight'"):
        results.extend(read_ahead(range(9), partial(read, log=tmp_path), 2))
    assert len(results) == 8
    for item, result in enumerate(results):
        if item in (3, 5):
            assert isinstance(result, InputError)
        else:
            assert isinstance(result, torch.Tensor)
            assert torch.equal(result, CHANNELS_LAST * item)
            assert result.stride() == (1, 12, 3), "as it was, so that sums are those of the main process to the bit"
    assert str(results[3]) == "three is bad"
    assert "the process that read it ended with SIGKILL" in str(results[5])
    assert not multiprocessing.active_children()


class Noted(list[int]):
    """Items, with those that somebody asked for."""

    def __init__(self, items: list[int]) -> None:
        super().__init__(items)
        self.asked_for: list[int] = []

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        self.asked_for += found if isinstance(found, list) else [found]
        return found


def test_few_are_read_ahead_and_none_outlives_its_reader(tmp_path: Path) -> None:
    items = Noted([1] * 3 + list(range(10, 40)))
    results = read_ahead(items, partial(read, log=tmp_path), 1)
    for _ in range(3):
        next(results)
    assert max(items.asked_for) == 11, "no worker is told of more"
    assert {path.name for path in tmp_path.iterdir()} <= {"1", "10", "11"}
    [worker] = multiprocessing.active_children()
    results.close()
    assert not worker.is_alive()


def test_without_workers_it_is_the_same(tmp_path: Path) -> None:
    results = read_ahead([1, 3, 8], partial(read, log=tmp_path), 0)
    assert isinstance(next(results), torch.Tensor)
    assert isinstance(next(results), InputError)
    with pytest.raises(KeyError, match="eight"):
        next(results)


def broken() -> None:
    """Fail as a task that cannot be unpacked in a worker."""
    raise ImportError("nothing of that name")


class Unpackable:
    def __reduce__(self) -> tuple[object, ...]:
        return broken, ()

    def __call__(self, item: int) -> int:
        return item


@pytest.mark.slow  # several processes
def test_workers_that_do_not_start_stop_the_work(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError, match="a worker process ended before it started"):
        list(read_ahead(range(3), Unpackable(), 1))
    assert "nothing of that name" in capfd.readouterr().err
