"""Running jobs on this machine."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from crispseg.errors import InputError
from crispseg.jobs.job import Job, read_inputs
from crispseg.jobs.job_sharpener import JobSharpener
from crispseg.jobs.outcome import Outcome
from crispseg.jobs.read_ahead import read_ahead

_WORKERS = 2
_FEW = 32


@dataclass(frozen=True)
class ThisMachine:
    """Reads ahead in worker processes, and sharpens and writes in this one, in the order of the jobs.

    Args:
        workers: Number of processes that read; 0 reads in this one, None takes 2 for 32 images or more: to start
            processes takes longer than to read a few files.
    """

    workers: int | None = None

    def __call__(self, jobs: Sequence[Job], work: JobSharpener) -> Generator[Outcome]:
        """What becomes of each job."""
        workers = self.workers
        if workers is None:
            workers = _WORKERS if len(jobs) >= _FEW else 0
        read_one = partial(read_inputs, kind=work.scores, grid=work.grid, value_range=work.value_range)
        with closing(read_ahead(jobs, read_one, workers)) as read:
            for job, inputs in zip(jobs, read, strict=True):
                yield work.finish(job, _naming(job, inputs) if isinstance(inputs, InputError) else inputs)


def _naming(job: Job, error: InputError) -> InputError:
    known = any(str(path) in str(error) for path in job.files)
    return error if known else InputError(f"image {job.image}: {error}")
