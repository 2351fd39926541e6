"""Run jobs on this machine."""

from collections.abc import Generator, Sequence
from contextlib import closing
from dataclasses import dataclass

from crispseg.errors import InputError
from crispseg.jobs.job import Job
from crispseg.jobs.job_sharpener import JobSharpener
from crispseg.jobs.outcome import Outcome
from crispseg.jobs.read_ahead import read_ahead

_WORKERS = 2
_FEW = 32


@dataclass(frozen=True)
class ThisMachine:
    """A runner that reads ahead in worker processes, and sharpens and writes in this process, in order.

    Args:
        workers: The number of processes that read; 0 reads in this process. None uses 2 for 32 images or more and 0
            otherwise, since starting processes takes longer than reading a few files.
    """

    workers: int | None = None

    def __call__(self, jobs: Sequence[Job], work: JobSharpener) -> Generator[Outcome]:
        """Yield the outcome of each job, in order."""
        workers = self.workers
        if workers is None:
            workers = _WORKERS if len(jobs) >= _FEW else 0
        with closing(read_ahead(jobs, work.read, workers)) as read:
            for job, inputs in zip(jobs, read, strict=True):
                yield work.finish(job, _naming(job, inputs) if isinstance(inputs, InputError) else inputs)


def _naming(job: Job, error: InputError) -> InputError:
    known = any(str(path) in str(error) for path in job.files)
    return error if known else InputError(f"image {job.image}: {error}")
