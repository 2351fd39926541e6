"""Sharpen the predictions of images in files."""

from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.progress import Progress

from crispseg.data.intensity import ValueRange
from crispseg.data.matching import PLAIN, Suffixes
from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.inference.crf import DenseCRF
from crispseg.inference.memory import parse_memory
from crispseg.inference.one_image import default_kind
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
from crispseg.inference.tiles import Done
from crispseg.jobs.clips import in_order, unfinished
from crispseg.jobs.job import Job, find_jobs
from crispseg.jobs.job_sharpener import JobSharpener, Runner
from crispseg.jobs.outcome import Failed, Outcome, Skipped
from crispseg.jobs.outputs import Outputs
from crispseg.jobs.resuming import SETTINGS_FILE, Beginning, finished, settings_of
from crispseg.jobs.this_machine import ThisMachine
from crispseg.run_settings import with_version
from crispseg.scores import Scores
from crispseg.single_writer import only_writer


def sharpen_files(
    images: Sequence[Path | str] | Path | str,
    prediction: Path | str,
    outputs: Outputs | Path | str,
    sharpener: Sharpener | None,
    *,
    boundaries: Path | str | None = None,
    steady: SteadySharpener | None = None,
    crf: DenseCRF | None = None,
    memory: str | None = None,
    scores: Scores | None = None,
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
        images: Image files, folders that are searched recursively, or patterns such as `images/*.jpg`.
        prediction: The prediction of a single image; or a folder or a pattern with a file of the same name for each.
        outputs: What to write and where; a folder alone means label maps and pictures. The folders of the images are
            repeated below the output folder; folders are created when the first file is written.
        sharpener: The sharpener, which runs on the device of its weights; None only upsamples the scores.
        boundaries: Boundary maps for a contour cue, named like the predictions.
        steady: A `SteadySharpener` of the sharpener, which takes the images of each folder as the frames of a clip, in
            the natural order of their names. A frame that fails is left out of its clip. None for images by themselves.
        crf: The CRF that takes the sharpened scores; None for no CRF.
        memory: The memory that the sharpener may use besides the scores, such as "2GiB": it works in tiles. None for
            whole images.
        scores: The kind of floating-point scores in files that do not name it; None for the sharpener's.
        grid: How predictions lie on their images; None for the sharpener's grid, or "centres" without a sharpener.
        value_range: The numbers of an image that stand for black and white; see `read_image`.
        suffixes: The suffixes by which the names of images, predictions and boundary maps differ.
        resume: Whether to skip images whose outputs exist, were made with the same settings, and are not older than
            the image and its prediction; of clips, those of which all frames are such. Others are made again from their
            first frame.
        strict: Whether a bad file raises its error. Otherwise its image is skipped, unless it is the only one.
        settings: Other settings that the outputs depend on, noted in the output folder to compare when resuming.
        read: Other files that must not be overwritten, such as the weights.
        runner: Where the jobs run; None for `ThisMachine()`.
        on_outcome: Called with the outcome of each image, as soon as it is known.
        progress: A progress bar to show.

    Returns:
        The outcome of each image, in order of completion.

    Raises:
        InputError: If the arguments do not fit together, resumed settings differ, another run writes many images to
            the output, or, if strict, a file cannot be read or does not fit. Outputs written before that are complete.
        OutputError: If the output cannot be written.
    """
    if memory is not None:
        parse_memory(memory)
    given = [Path(path) for path in ([images] if isinstance(images, Path | str) else images)]
    prediction = Path(prediction)
    boundaries = None if boundaries is None else Path(boundaries)
    outputs = outputs if isinstance(outputs, Outputs) else Outputs(Path(outputs))
    jobs = find_jobs(given, prediction, boundaries, suffixes, output=outputs.folder)
    if steady is not None:
        steady.check(sharpener, memory)
        steady.reset()
        jobs = in_order(jobs)
    outputs.check(jobs, written=[outputs.folder / SETTINGS_FILE], read=read)
    said = Grid.of(grid or (sharpener.grid if sharpener else CENTRES))
    kind = scores or default_kind(sharpener)
    noted = with_version(settings_of(sharpener, crf, steady)) | dict(settings or {})
    noted |= {"scores": kind or "logits", "grid": str(said)}
    noted |= {"prediction": _place(prediction), "boundaries": _place(boundaries)}
    noted |= {"suffixes": None if suffixes == PLAIN else asdict(suffixes)}
    if value_range != "auto":
        noted["range"] = value_range
    known: list[Outcome] = []
    with (
        only_writer(outputs.folder) if len(jobs) > 1 else nullcontext()
    ):  # many runs of one image each may share a folder
        there = finished(outputs, noted, jobs) if resume else None
        done, begin = there or set(), Beginning(outputs, noted, anew=there is None)
        left = [job for job in jobs if job.name not in done] if steady is None else unfinished(jobs, done)
        tiles = None if progress is None or memory is None else _show_tiles(progress)
        work = JobSharpener(sharpener, crf, kind, outputs, memory, said, value_range, begin, steady, tiles)
        outcomes = _outcomes(jobs, left, work, runner or ThisMachine(), strict=strict, progress=progress)
        with closing(outcomes):
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
    """Yield the outcome of each job; jobs that are not in `left` were done before."""
    names = {job.name for job in left}
    yield from (Skipped(job.image) for job in jobs if job.name not in names)
    with closing(runner(left, work)) as outcomes:
        tracked = progress.track(outcomes, total=len(left), description="sharpening") if progress else outcomes
        for outcome in tracked:
            if isinstance(outcome, Failed) and (strict or len(jobs) == 1):
                raise InputError(outcome.reason)
            yield outcome


def _show_tiles(progress: Progress) -> Done:
    """Return a function that shows the share of an image that is done, while its tiles are sharpened."""
    task = progress.add_task("tiles of an image", total=100, visible=False)

    def show(share: float) -> None:
        if share < 1:
            progress.update(task, completed=round(100 * share), visible=True)
        else:
            progress.reset(task, visible=False)

    return show


def _place(path: Path | None) -> str | None:
    return None if path is None else str(path.resolve())
