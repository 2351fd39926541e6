"""Clips: the images of a folder as the frames of a video, in the natural order of their names."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from crispseg.jobs.job import Job

_NUMBER = re.compile(r"([0-9]+)")


def clip_of(job: Job) -> Path:
    """Return the clip of an image, which is its folder."""
    return job.image.absolute().parent


def in_order(jobs: Sequence[Job]) -> list[Job]:
    """Return jobs clip by clip, and frame by frame in the natural order of their names.

    Example:
        >>> frames = [Path("clip", f"frame{number}.png") for number in (10, 9, 100)]
        >>> [job.name for job in in_order([Job(frame.stem, frame, frame, None) for frame in frames])]
        ['frame9', 'frame10', 'frame100']
    """
    return sorted(jobs, key=lambda job: (*_natural(str(clip_of(job))), *_natural(job.image.name)))


def _natural(text: str) -> tuple[list[str | int], str]:
    """Return a key by which numbers in texts are ordered by their values; no two texts have the same."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBER.split(text))], text


def unfinished(jobs: Sequence[Job], done: Collection[str]) -> list[Job]:
    """Return the jobs of the clips of which a frame is not done: a frame depends on all those before it."""
    clips = {clip_of(job) for job in jobs if job.name not in done}
    return [job for job in jobs if clip_of(job) in clips]
