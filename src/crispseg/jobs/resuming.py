"""Resume a run that was killed: find the images that are done, and check that the settings are the same."""

import hashlib
import json
import os
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import nn

from crispseg.data.files import check_readable
from crispseg.inference.crf import DenseCRF
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.steady import SteadySharpener
from crispseg.jobs.job import Job
from crispseg.reading import parsed
from crispseg.run_settings import check_same
from crispseg.writing import make_folder, remove_left_over, write_text

SETTINGS_FILE = "crispseg-settings.json"
"""The file in the output folder that holds the settings. It is written when a run starts anew, so outputs that are
older than it were made with other settings."""


def settings_of(
    sharpener: Sharpener | None, crf: DenseCRF | None, steady: SteadySharpener | None = None
) -> dict[str, Any]:
    """Return the settings that the outputs depend on: those of sharpener, clips and CRF, and a digest of weights."""
    settings: dict[str, Any] = {"crf": None if crf is None else asdict(crf)}
    if steady is not None:
        settings["steady"] = {"past": steady.past, "reach": steady.reach}
    if sharpener is not None:
        config = sharpener.config.to_dict()
        # The same weights may have another path; the digest identifies them. The grid is noted with the predictions.
        config["cue"] = {**config["cue"], "weights": None}
        settings |= {**config, "kind of cue": _kind(sharpener), "sha256 of weights": digest_of_weights(sharpener)}
    return settings


def _kind(sharpener: Sharpener) -> str:
    """Return the full name of the cue's class, since unregistered cues may share a short name."""
    kind = type(sharpener.cue)
    return f"{kind.__module__}.{kind.__qualname__}"


class OutputFiles(Protocol):
    """The files that a run writes for each image."""

    @property
    def folder(self) -> Path:
        """The folder that holds all."""

    def files(self, name: str) -> Mapping[str, Path]:
        """Return the output files of an image, by kind."""


class Beginning:
    """A callable that creates the output folder and notes the settings, just before the first output of a run.

    So a run without outputs leaves nothing behind. When it is sent to another process, it does nothing there: the
    sender has called it already.

    Args:
        outputs: The outputs of the run.
        settings: The settings that the outputs depend on.
        anew: Whether to write the settings; otherwise the file exists already.
        file: The name of the settings file.
    """

    def __init__(
        self, outputs: OutputFiles, settings: Mapping[str, Any], *, anew: bool, file: str = SETTINGS_FILE
    ) -> None:
        self._outputs, self._file = outputs, file
        self._text = json.dumps(settings, indent=2, sort_keys=True) + "\n" if anew else None
        self._done = False

    def __call__(self) -> None:
        """Begin the run, on the first call only.

        Raises:
            OutputError: If the folder cannot be created, or the settings cannot be written.
        """
        if self._done:
            return
        make_folder(self._outputs.folder)
        if self._text is not None:
            write_text(self._outputs.folder / self._file, self._text)
        self._done = True

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_done": True}


def finished(
    outputs: OutputFiles, settings: Mapping[str, Any], jobs: Sequence[Job], file: str = SETTINGS_FILE
) -> set[str] | None:
    """Return the names of the jobs whose outputs all exist, older neither than the settings file nor than their inputs.

    Temporary files that a killed process left for other jobs are removed.

    Returns:
        The names; None if there is no settings file, so that the run starts anew.

    Raises:
        InputError: If the settings of the outputs differ, or cannot be read.
    """
    path = outputs.folder / file
    if not path.exists():
        return None
    check_same_settings(path, settings)
    began = path.stat().st_mtime_ns
    targets = {job.name: list(outputs.files(job.name).values()) for job in jobs}
    folders = {target.parent for paths in targets.values() for target in paths}
    made = {target: when for folder in folders for target, when in _written_since(began, folder)}
    done = {job.name for job in jobs if _is_up_to_date(job, [made.get(target) for target in targets[job.name]])}
    remove_left_overs(outputs, targets.keys() - done)
    return done


def remove_left_overs(outputs: OutputFiles, names: Iterable[str]) -> None:
    """Remove the temporary files that killed processes left for jobs of these names."""
    left: defaultdict[Path, set[str]] = defaultdict(set)
    for target in (target for name in names for target in outputs.files(name).values()):
        left[target.parent].add(target.stem)
    for folder, stems in left.items():
        remove_left_over(folder, stems)


def _written_since(began: int, folder: Path) -> list[tuple[Path, int]]:
    """Return the files in a folder that are not older than a time, each with its own time, in nanoseconds."""
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        files = [(folder / entry.name, entry.stat().st_mtime_ns) for entry in entries if entry.is_file()]
    return [(path, when) for path, when in files if when >= began]


def _is_up_to_date(job: Job, made: Sequence[int | None]) -> bool:
    """Return whether all outputs of a job exist and no input is newer.

    Args:
        job: The job.
        made: When each output was made, in nanoseconds; None for one that is missing.
    """
    times = [when for when in made if when is not None]
    try:
        return len(times) == len(made) and max(path.stat().st_mtime_ns for path in job.files) <= min(times)
    except OSError:  # the run says what is wrong with it
        return False


def check_same_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Refuse to resume a run whose settings file holds other settings."""
    remedy = f"use the settings in {path.name}, choose another folder, or start anew without resume"
    check_same(f"output folder {path.parent}", read_settings(path), settings, remedy)


def read_settings(path: Path) -> dict[str, Any]:
    """Return the settings in a file.

    Raises:
        InputError: If it cannot be read.
    """
    with parsed(path, "settings", "cannot be read; choose another output folder, or start anew without resume"):
        return dict(json.loads(path.read_text(encoding="utf-8")))


def digest_of_weights(module: nn.Module) -> str:
    """Return the SHA-256 of the weights of a module, with their names, dtypes and shapes."""
    digest = hashlib.sha256()
    for name, value in module.state_dict().items():
        digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
        digest.update(value.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def stamp_of(path: Path, what: str) -> str:
    """Return the size and time of a file, which tell whether it is another one; reading it would take long.

    Raises:
        InputError: If it cannot be accessed.
    """
    check_readable(path, what)
    status = path.stat()
    return f"{status.st_size} {status.st_mtime_ns}"
