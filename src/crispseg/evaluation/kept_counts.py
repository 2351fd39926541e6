"""Counts of single images in a file, so that an interrupted run goes on with the other images."""

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from crispseg.data import LabelledPredictions
from crispseg.errors import InputError
from crispseg.grid import CENTRES
from crispseg.metrics import Accuracy, Truth
from crispseg.reading import parsed
from crispseg.run_settings import check_same, with_version
from crispseg.writing import append_line, make_folder, write_text

Counts = dict[str, Any]
"""The counts of an image, as JSON holds them."""

_REMEDY = "holds no counts that an earlier run kept; choose another file"


class KeptCounts:
    """Counts in a file: a line with the settings, then a line for each image.

    Args:
        path: The file, which is begun with the first image.
        settings: What the counts depend on.

    Raises:
        InputError: If the file holds something else, or the counts of other settings.
    """

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        self._path, self._settings = path, with_version(settings)
        self._known: dict[str, Counts] = {}
        self._begun = path.exists()
        if self._begun:
            self._read()

    def __contains__(self, name: str) -> bool:
        return name in self._known

    def known(self, name: str) -> Counts:
        """Return the counts of an image that are kept."""
        return self._known[name]

    def of(self, name: str, count: Callable[[], Counts]) -> Counts:
        """Return the counts of an image: those that are kept, or those that are counted now, which are then kept."""
        if name not in self._known:
            self.add(name, count())
        return self._known[name]

    def add(self, name: str, counts: Counts) -> None:
        """Keep the counts of an image.

        Raises:
            OutputError: If the file cannot be written.
        """
        if not self._begun:
            make_folder(self._path.absolute().parent)
            write_text(self._path, json.dumps({"settings": self._settings}) + "\n")
            self._begun = True
        append_line(self._path, json.dumps({"image": name, "counts": counts}))
        self._known[name] = counts

    def _read(self) -> None:
        with parsed(self._path, "counts", _REMEDY):
            lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
            there = dict(json.loads(lines[0])["settings"])
        remedy = "use those, or choose another file"
        check_same(f"counts {self._path}", there, self._settings, remedy)
        whole = [line for line in lines if line.endswith("\n")]
        with parsed(self._path, "counts", "damaged; remove the file"):
            self._known = {said["image"]: dict(said["counts"]) for said in map(json.loads, whole[1:])}
        if len(whole) < len(lines):  # the run was killed while it wrote the last one
            write_text(self._path, "".join(whole))


def counted(kept: KeptCounts | None, name: str, count: Callable[[], Counts]) -> Counts:
    """Return the counts of an image, which are kept if there is a file for them."""
    return count() if kept is None else kept.of(name, count)


def key_of(data: LabelledPredictions, index: int) -> str:
    """Return what names the counts of an image."""
    return f"{index} {data.dataset.image_names[index]}"


def counts_of(labels: Tensor, truth: Truth) -> Counts:
    """Return the counts of (H, W) labels of one image, for the metrics of its truth, as JSON holds them."""
    accuracy = Accuracy(truth.num_classes, tuple(truth.prepared))
    accuracy.add(labels, truth)
    return {name: counts.tolist() for name, counts in accuracy.state().items()}


def as_tensors(lists: Mapping[str, Any]) -> dict[str, Tensor]:
    """Return the state of an accuracy that `counts_of` returned."""
    return {name: torch.tensor(counts) for name, counts in lists.items()}


def describe_data(data: LabelledPredictions, void_band: int) -> dict[str, Any]:
    """Return what tells whether data are others than before, with digests of all files."""
    dataset, boundary = data.dataset, data.boundaries[0]
    return {
        "data": dict(dataset.description),
        "predictions": str(data.files[0].parent),
        "boundaries": None if boundary is None else str(boundary.parent),
        "names": hashlib.sha256("\n".join(dataset.image_names).encode()).hexdigest(),
        "count": len(data),
        "classes": data.num_classes,
        "prediction_numbering": data.prediction_numbering and data.prediction_numbering.description,
        "void_band": void_band,
        "scores": data.scores,
        "grid": str(data.grid or CENTRES),
        "sha256 of data set": sha256_of(dataset.files) if dataset.files else _sha256_of_samples(data),
        "sha256 of predictions": sha256_of(data.files),
        "sha256 of boundaries": sha256_of([path for path in data.boundaries if path is not None]),
    }


def _sha256_of_samples(data: LabelledPredictions) -> str:
    """Return a digest of the samples, for a data set that does not list its files."""
    digest = hashlib.sha256()
    for index in range(len(data)):
        image, labels, name = data.dataset[index]
        digest.update(f"{name} {tuple(labels.shape)} ".encode())
        digest.update(image.contiguous().numpy().tobytes() + labels.contiguous().numpy().tobytes())
    return digest.hexdigest()


def sha256_of(paths: Iterable[Path]) -> str:
    """Return a digest of the names and the bytes of files, in their order."""
    digest = hashlib.sha256()
    for path in paths:
        try:
            with path.open("rb") as file:
                content = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
        digest.update(f"{path.stem} {content}\n".encode())
    return digest.hexdigest()
