"""Clips: the images of a folder as the frames of a video, in the natural order of their names."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from crispseg.errors import InputError
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
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
    return sorted(jobs, key=lambda job: (_natural(str(clip_of(job))), _natural(job.image.name), job.image.name))


def _natural(text: str) -> list[str | int]:
    """Return a key by which numbers in texts are ordered by their values; every second part is a number."""
    return [int(part) if index % 2 else part for index, part in enumerate(_NUMBER.split(text))]


def unfinished(jobs: Sequence[Job], done: Collection[str]) -> list[Job]:
    """Return the jobs of the clips of which a frame is not done: a frame depends on all those before it."""
    clips = {clip_of(job) for job in jobs if job.name not in done}
    return [job for job in jobs if clip_of(job) in clips]


def check_steady(steady: SteadySharpener, sharpener: Sharpener | None, *, memory: str | None, in_turn: bool) -> None:
    """Refuse what does not go with the sharpening of clips.

    Args:
        steady: Sharpens the frames.
        sharpener: The sharpener of the run.
        memory: The memory for tiles; None for whole images.
        in_turn: Whether images are sharpened one after another.

    Raises:
        InputError: If something does not.
    """
    if steady.sharpener is not sharpener:
        raise InputError("steady uses another sharpener than the run; expected the same: SteadySharpener(sharpener)")
    if memory is not None:
        raise InputError(
            f"memory is {memory}, for tiles, but steady compares whole frames; leave --memory or --steady out, or make "
            "the frames smaller"
        )
    if not in_turn:
        raise InputError(
            "frames are sharpened one after another, but the workers of Ray take images in any order; leave --ray or "
            "--steady out"
        )
