"""Run jobs on a Ray cluster whose machines see the files at the same paths."""

import copy
import logging
import re
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from crispseg.compatibility import best_device
from crispseg.errors import InputError, OutputError, one_line
from crispseg.extras import optional_packages
from crispseg.jobs.job import Job
from crispseg.jobs.job_sharpener import JobSharpener
from crispseg.jobs.outcome import Failed, Outcome, Written, attempt
from crispseg.jobs.resuming import remove_left_overs
from crispseg.process_memory import keep_freed
from crispseg.value_checks import check_count

_ADDRESS = re.compile(r"auto|local|[\w.\-\[\]:]+:\d+")
_BLOCK = 8
"""Images in a block: smaller blocks cost more scheduling, larger ones more repeated work when a worker dies."""
_ATTEMPTS = 3
"""The number of workers that may die while processing the same image."""

Batch = Mapping[str, Any]
"""A column for each field, as Ray Data passes blocks."""


@dataclass(frozen=True)
class RayCluster:
    """A runner that reads, sharpens and writes in actors of a Ray cluster, in any order. Needs the extra `ray`.

    Every actor has its own sharpener on its best device. An actor that dies is replaced, and its images are processed
    again. If Ray is already initialised in this process, it is used and left running.

    Args:
        address: "auto" for the cluster that this machine is part of, "local" for a cluster on this machine that ends
            with the run, or HOST:PORT.
        actors: The number of actors; None for one on each GPU of the cluster, or on each CPU if there is no GPU.
        device: The device of the actors; None for a GPU if Ray assigns one.

    Raises:
        InputError: If the address is not valid, or `actors` is below 1.
    """

    address: str = "auto"
    actors: int | None = None
    device: str | None = None

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise InputError(
                f"Ray address is {self.address!r}; expected auto, local or HOST:PORT: on the command line, put --ray "
                "after the images"
            )
        if self.actors is not None:
            check_count("workers", self.actors)

    def __call__(self, jobs: Sequence[Job], work: JobSharpener) -> Generator[Outcome]:
        """Yield the outcome of each job as soon as it is known.

        Raises:
            InputError: If the cluster cannot be reached, or images are frames of clips, which have an order.
            OutputError: If an actor cannot write.
        """
        if work.steady is not None:
            raise InputError(
                "frames of a clip are sharpened one after another, but the workers of Ray take images in any order; "
                "leave --ray or --steady out"
            )
        if not jobs:
            return
        # The actors' machines may lack the device of this one.
        sharpener = None if work.sharpener is None else copy.deepcopy(work.sharpener).cpu()
        outputs = replace(work.outputs, folder=work.outputs.folder.absolute())
        if work.begin is not None and any(_is_good(job, work) for job in jobs):
            work.begin()
        with _connected(self.address), _quiet():
            yield from self._run(jobs, replace(work, sharpener=sharpener, outputs=outputs, done=None))

    def _run(self, jobs: Sequence[Job], work: JobSharpener) -> Generator[Outcome]:
        by_image = {str(job.image.absolute()): job for job in jobs}
        for row in self._rows(jobs, work):
            job = by_image[row["image"]]
            if row["stops"]:
                raise OutputError(row["reason"])
            if row["reason"]:
                yield Failed(job.image, row["reason"])
            else:
                yield Written(job.image, work.outputs.files(job.name)["labels"], row["changed"], row["seconds"])

    def _rows(self, jobs: Sequence[Job], work: JobSharpener) -> Iterable[dict[str, Any]]:
        with optional_packages():
            import ray.data  # noqa: PLC0415 - an optional package

        resources = ray.cluster_resources()
        on_gpu = resources.get("GPU", 0) >= 1 and (self.device or "cuda").startswith("cuda")
        actors = self.actors or int(resources["GPU" if on_gpu else "CPU"])
        blocks = max(-(-len(jobs) // _BLOCK), min(len(jobs), 2 * actors))
        items = [{name: str(path or "") for name, path in job.absolute()._asdict().items()} for job in jobs]
        mapped = ray.data.from_items(items, override_num_blocks=blocks).map_batches(
            _Worker,
            fn_constructor_args=(ray.put(work), ray.remote(_Attempts).options(num_cpus=0).remote(), self.device),
            batch_size=1,
            compute=ray.data.ActorPoolStrategy(size=min(actors, blocks)),
            num_gpus=1 if on_gpu else None,
            num_cpus=None if on_gpu else 1,
        )
        return mapped.iter_rows()


def _is_good(job: Job, work: JobSharpener) -> bool:
    """Return whether the files of a job can be read, so that an output will be written."""
    return not isinstance(attempt(work.read, job), InputError)


class _Attempts:
    """Counts of how often each image was started but not finished; they survive workers that die."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def begin(self, image: str) -> int:
        """Count an attempt at an image, and return the number of attempts so far."""
        self._counts[image] += 1
        return self._counts[image]

    def end(self, image: str) -> None:
        """Reset the count of a finished image, which may be processed again with others in its block."""
        del self._counts[image]


class _Worker:
    """A worker of the cluster, with its sharpener."""

    def __init__(self, work: Any, attempts: Any, device: str | None) -> None:  # noqa: ANN401 - Ray's references
        with optional_packages():
            import ray  # noqa: PLC0415 - an optional package

        self._get, self._attempts = ray.get, attempts
        self._work: JobSharpener = ray.get(work)
        keep_freed()
        if self._work.sharpener:
            self._work = replace(self._work, sharpener=self._work.sharpener.to(device or best_device()))

    def __call__(self, batch: Batch) -> Batch:
        """Do one job, and return its outcome as a row."""
        name, image, prediction, boundary = (str(batch[field][0]) for field in Job._fields)
        row = {"image": image, "reason": "", "stops": False, "changed": 0.0, "seconds": 0.0}
        attempts = self._get(self._attempts.begin.remote(image))
        if attempts > 1:  # another worker died, perhaps while it wrote
            remove_left_overs(self._work.outputs, [name])
        if attempts > _ATTEMPTS:
            row["reason"] = (
                f"image {image}: {_ATTEMPTS} workers died while processing it; check whether the file is damaged, or "
                "give the workers more memory"
            )
        else:
            row |= self._done(Job(name, Path(image), Path(prediction), Path(boundary) if boundary else None))
        self._attempts.end.remote(image)
        return {name: np.array([value]) for name, value in row.items()}

    def _done(self, job: Job) -> dict[str, str | bool | float]:
        try:
            outcome = self._work(job)
        except OutputError as error:
            return {"reason": one_line(error), "stops": True}
        if isinstance(outcome, Written):
            return {"changed": outcome.changed, "seconds": outcome.seconds}
        return {"reason": outcome.reason}


@contextmanager
def _connected(address: str) -> Iterator[None]:
    """Use a running Ray, or connect to one for this context."""
    with optional_packages():
        import ray  # noqa: PLC0415 - an optional package

    if ray.is_initialized():
        yield
        return
    options: dict[str, Any] = {"include_dashboard": False} if address == "local" else {}
    try:
        ray.init(address, log_to_driver=False, logging_level=logging.ERROR, **options)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(
            f"Ray address is {address!r}, but no cluster answers ({error}); start one with `ray start --head`, or use "
            "`--ray local`"
        ) from error
    try:
        yield
    finally:
        ray.shutdown()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Ray Data from drawing over crispseg's progress bar."""
    with optional_packages():
        from ray.data import DataContext  # noqa: PLC0415 - an optional package

    context, logger = DataContext.get_current(), logging.getLogger("ray.data")
    before = context.enable_progress_bars, context.print_on_execution_start, logger.level
    context.enable_progress_bars = context.print_on_execution_start = False
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        context.enable_progress_bars, context.print_on_execution_start, level = before
        logger.setLevel(level)
