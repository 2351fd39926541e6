"""Counts of the results of methods, image by image, in this process or in several."""

import multiprocessing
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress
from torch import Tensor

from crispseg.comparison.images import Images
from crispseg.comparison.method import Example, Method, Setting
from crispseg.comparison.rows import RowPlan
from crispseg.errors import InputError
from crispseg.metrics import Accuracy
from crispseg.process_memory import keep_freed, settle
from crispseg.value_checks import check_natural

Counts = Mapping[str, NDArray[np.int64]]
"""Counts of one result, by metric; NumPy arrays, since they are copied between processes by value."""


class Counting:
    """Counts the results of methods on images.

    Args:
        images: The images.
        workers: Number of worker processes; each takes an image at a time and its share of the threads. 0 counts in
            this process with all threads.
        progress: Progress bar to update.

    Raises:
        InputError: If `workers` is negative.
    """

    def __init__(self, images: Images, workers: int, progress: Progress) -> None:
        check_natural("workers", workers)
        self._images = images
        self._progress = progress
        self._here = _Counter(images)
        self._pool: ProcessPoolExecutor | None = None
        if workers:
            threads = max(torch.get_num_threads() // workers, 1)
            context = multiprocessing.get_context("spawn")
            self._pool = ProcessPoolExecutor(workers, context, initializer=_start, initargs=(images, threads))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=False, cancel_futures=True)

    def count(
        self,
        plan: RowPlan,
        settings: Sequence[Setting],
        indices: Sequence[int],
        empty: Callable[[], Accuracy],
        name: str,
    ) -> list[Accuracy]:
        """Return the accuracies of a method at some settings.

        Args:
            plan: Plan of the method.
            settings: Settings to run the method with, at least one.
            indices: Indices of the images to count.
            empty: Returns an empty accuracy; called for each setting.
            name: Title of the task in the progress bar.

        Raises:
            InputError: If a file cannot be read, a size does not fit, or the system ended a worker process.
        """
        accuracies = [empty() for _ in settings]
        one = partial(_count if self._pool else self._here.count, plan, settings, accuracies[0].metrics)
        results = self._pool.map(one, indices) if self._pool else map(one, indices)
        try:
            for counted in self._tracked(results, len(indices), name):
                for accuracy, counts in zip(accuracies, counted, strict=True):
                    accuracy.extend({metric: torch.from_numpy(array) for metric, array in counts.items()})
        except BrokenProcessPool as error:
            raise InputError(
                "the system ended a worker process, probably for lack of memory: pass fewer --workers"
            ) from error
        return accuracies

    def _tracked(self, results: Iterable[list[Counts]], total: int, name: str) -> Iterator[list[Counts]]:
        task = self._progress.add_task(name, total=total)
        for result in results:
            yield result
            self._progress.advance(task)
        self._progress.remove_task(task)


class _Counter:
    """Counts in one process, and builds a method only once for consecutive images."""

    def __init__(self, images: Images) -> None:
        self._images = images
        self._built: tuple[RowPlan, Method] | None = None

    @torch.inference_mode()
    def count(self, plan: RowPlan, settings: Sequence[Setting], metrics: Sequence[str], index: int) -> list[Counts]:
        """Count one image at each setting."""
        if self._built is None or self._built[0] != plan:
            self._built = plan, plan.build()
        example, truth = self._images.read(index, metrics)
        counted: list[Counts] = [{}] * len(settings)
        for setting, result in self._built[1].sweep(example, settings):
            accuracy = Accuracy(truth.num_classes, metrics)
            accuracy.add(_labels_of(result, example), truth)
            counted[settings.index(setting)] = {name: counts.numpy() for name, counts in accuracy.state().items()}
        settle()
        return counted


_counter: _Counter
"""The counter of a worker process."""


def _start(images: Images, threads: int) -> None:
    global _counter  # noqa: PLW0603 - an initializer has no other way to store a result
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the main process ends this one
    torch.set_num_threads(threads)
    keep_freed()
    _counter = _Counter(images)


def _count(plan: RowPlan, settings: Sequence[Setting], metrics: Sequence[str], index: int) -> list[Counts]:
    return _counter.count(plan, settings, metrics, index)


def _labels_of(result: Tensor, example: Example) -> Tensor:
    """Return the (H, W) labels of a method's result for an example."""
    if result.ndim == 2:
        return result
    return example.prediction.as_probabilities.labels(result[0])
