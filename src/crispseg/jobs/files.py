"""Sharpen the predictions of images in files, few or many."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import Progress

from crispseg.data import ScoreKind
from crispseg.data.intensity import ValueRange
from crispseg.data.matching import PLAIN, Suffixes
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.inference.crf import DenseCRF
from crispseg.inference.memory import parse_memory
from crispseg.inference.one_image import default_kind
from crispseg.inference.sharpener import Sharpener
from crispseg.jobs.job import Job, find_jobs
from crispseg.jobs.job_sharpener import JobSharpener, Runner
from crispseg.jobs.outcome import Failed, Outcome, Skipped
from crispseg.jobs.outputs import Outputs
from crispseg.jobs.resuming import SETTINGS_FILE, Beginning, finished, settings_of
from crispseg.jobs.this_machine import ThisMachine


def sharpen_files(
    images: Sequence[Path],
    prediction: Path,
    outputs: Outputs | Path,
    sharpener: Sharpener | None,
    *,
    boundaries: Path | None = None,
    crf: DenseCRF | None = None,
    memory: str | None = None,
    scores: ScoreKind | None = None,
    grid: Grid | str | None = None,
    value_range: ValueRange = "auto",
    suffixes: Suffixes = PLAIN,
    resume: bool = False,
    strict: bool = True,
    settings: Mapping[str, Any] | None = None,
    read: Iterable[Path | None] = (),
    runner: Runner | None = None,
    on_outcome: Callable[[Outcome], object] | None = None,
    progress: Progress | None = None,
) -> list[Outcome]:
    """Sharpen the predictions of images and write label maps and pictures.

    Args:
        images: Image files, folders of them and the folders below, or patterns such as `images/*.jpg`.
        prediction: The prediction of the one image; or a folder or a pattern with a file of the same name for each.
        outputs: What to write and where; a folder alone is label maps and pictures. Folders are made where
            there is something to write, as those of the images are.
        sharpener: Does the work, on the device where its weights are; None leaves the scores as they are.
        boundaries: For a contour cue: boundary maps, named as predictions are.
        crf: Takes the sharpened scores; None for no CRF.
        memory: What the sharpener may hold besides the scores, as "2GiB": it works in tiles. None for whole images.
        scores: The kind of floating-point scores in files that do not say it; None for the sharpener's.
        grid: How predictions lie on their images; None for the sharpener's, or "centres".
        value_range: Which numbers of an image are black and white; see `read_image`.
        suffixes: By which the names of images, predictions and boundary maps differ.
        resume: Skip the images whose outputs are there and were made with the same settings.
        strict: Raise the error of a bad file. Else its image is passed over, unless it is the only one.
        settings: What else the outputs depend on, noted in the output folder for a run that resumes.
        read: Files beside those of the images that must not be written over, such as that of the weights.
        runner: Where it is done; `ThisMachine()` where None.
        on_outcome: Called with what became of each image, as soon as it is known.
        progress: Shows how far it is.

    Returns:
        What became of each image, in the order in which it was known.

    Raises:
        InputError: If what was given does not fit together, resumed settings differ, or, where strict, a file cannot
            be read or does not fit. What is written before that is complete.
        OutputError: If the output cannot be written.
    """
    if memory is not None:
        parse_memory(memory)
    outputs = Outputs(outputs) if isinstance(outputs, Path) else outputs
    jobs = find_jobs(images, prediction, boundaries, suffixes, output=outputs.folder)
    outputs.check(jobs, written=[outputs.folder / SETTINGS_FILE], read=read)
    said = Grid.of(grid or (sharpener.grid if sharpener else CENTRES))
    kind = scores or default_kind(sharpener)
    noted = settings_of(sharpener, crf) | dict(settings or {})
    noted |= {"scores": kind or "logits", "grid": str(said)}
    noted |= {"prediction": _place(prediction), "boundaries": _place(boundaries)}
    if value_range != "auto":
        noted["range"] = value_range if isinstance(value_range, str) else list(value_range)
    noted["suffixes"] = None if suffixes == PLAIN else asdict(suffixes)
    there = finished(outputs, noted, jobs) if resume else None
    done, begin = there or set(), Beginning(outputs, noted, anew=there is None)
    left = [job for job in jobs if job.name not in done]
    work = JobSharpener(sharpener, crf, kind, outputs, memory, said, value_range, begin)
    known: list[Outcome] = []
    with closing(_outcomes(jobs, left, work, runner or ThisMachine(), strict=strict, progress=progress)) as outcomes:
        for outcome in outcomes:
            known.append(outcome)
            if on_outcome is not None:
                on_outcome(outcome)
    return known


def _outcomes(
    jobs: Sequence[Job],
    left: Sequence[Job],
    work: JobSharpener,
    runner: Runner,
    *,
    strict: bool,
    progress: Progress | None,
) -> Generator[Outcome]:
    """Yield what became of each job; those that are not left were done before."""
    names = {job.name for job in left}
    yield from (Skipped(job.image) for job in jobs if job.name not in names)
    with closing(runner(left, work)) as outcomes:
        tracked = progress.track(outcomes, total=len(left), description="sharpening") if progress else outcomes
        for outcome in tracked:
            if isinstance(outcome, Failed) and (strict or len(jobs) == 1):
                raise InputError(outcome.reason)
            yield outcome


def _place(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
