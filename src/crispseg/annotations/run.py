"""Move the outlines of annotated objects to the boundaries of their images, file by file."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from torch import Tensor

from crispseg.annotations.changes import Change, ImageChanges, Notes, digest_of
from crispseg.annotations.checking import Checked, check_size, checked
from crispseg.annotations.cleaning import Masks, overlap, places_of, shift, without_fixed
from crispseg.annotations.decisions import Rejected, read_decisions
from crispseg.annotations.done import DoneObjects
from crispseg.annotations.images import ImageFolder
from crispseg.annotations.record import AnnotatedImage, AnnotationFormat, Redrawn
from crispseg.annotations.redrawing import redrawn
from crispseg.annotations.texts import read_bytes
from crispseg.data.image import read_image
from crispseg.data.intensity import ValueRange
from crispseg.data.run_lengths import Mask, encode
from crispseg.errors import InputError, one_line
from crispseg.jobs.outcome import Failed, attempt
from crispseg.jobs.resuming import stamp_of
from crispseg.single_writer import only_writer
from crispseg.writing import Identity, check_folder, identity, refuse_inputs, written_whole


@dataclass(frozen=True)
class ComparedImage:
    """An image whose masks were compared with their image, now or in an earlier run."""

    path: Path
    changes: ImageChanges
    earlier: bool


Clean = Callable[[Tensor, Masks], Masks]
"""A `Cleaner`: what returns the new masks of the objects of a (3, H, W) image; those that stay are the same arrays."""

Outcome = ComparedImage | Failed
"""The outcome for an image, or of an annotation file that cannot be read."""


@dataclass
class Summary:
    """The findings of a run."""

    compared: list[ComparedImage] = field(default_factory=list)
    failures: list[Failed] = field(default_factory=list)
    remarks: Counter[str] = field(default_factory=Counter)
    """How many objects each remark is on."""
    first: dict[str, str] = field(default_factory=dict)
    """The first object of each remark."""
    others: int = 0
    """Shapes without a mask, which are kept."""
    without: list[Path] = field(default_factory=list)
    """Images that no annotation names."""


@dataclass(frozen=True)
class Places:
    """The files of a run.

    Args:
        annotations: A file, or a folder with subfolders.
        images: The folder of the images.
        output: The folder to write to; None for a dry run. Where it is that of the annotations, they are replaced.
        review: The folder of the review page; None for none.
    """

    annotations: Path
    images: Path
    output: Path | None
    review: Path | None = None

    @property
    def root(self) -> Path:
        """The folder of the annotations."""
        return self.annotations if self.annotations.is_dir() else self.annotations.parent

    @property
    def in_place(self) -> bool:
        """Whether annotations are replaced."""
        return self.output is not None and self.output.resolve() == self.root.resolve()

    @property
    def besides(self) -> set[Identity]:
        """The folders that a run writes to, and so reads neither annotations nor images from, if they are in others."""
        return {identity(folder) for folder in (self.output, self.review) if folder is not None and folder.is_dir()}

    def target(self, path: Path) -> Path:
        """Return the file to write for an annotation file."""
        assert self.output is not None
        return self.output / path.relative_to(self.root)


def clean_annotations(
    places: Places,
    layout: AnnotationFormat,
    cleaner: Clean,
    *,
    tolerance: float = 1.0,
    settings: Mapping[str, Any],
    value_range: ValueRange = "auto",
    decisions: Path | None = None,
    resume: bool = False,
    strict: bool = False,
    on_outcome: Callable[[Outcome], object] = lambda outcome: None,
    on_more: Callable[[int], object] = lambda count: None,
) -> Summary:
    """Sharpen the masks of annotated images, and write the annotations with their new outlines.

    What a file says apart from the objects that change is written byte by byte as it was. An annotation file is
    replaced when its last image is done; an image or object with a fault keeps its masks. Notes of a run in place stay
    if there were faults, so that the next run moves no outline twice.

    Args:
        places: The files.
        layout: The format of the annotations.
        cleaner: What finds the new masks.
        tolerance: How coarse polygons may be, in pixels; see `polygons_of`.
        settings: What the new masks depend on, to compare when resuming.
        value_range: The numbers of an image that stand for black and white; see `read_image`.
        decisions: A file of the review page, about the changes of an earlier run with the same output.
        resume: Whether to take the changes of an earlier run with the same output.
        strict: Whether a fault ends the run.
        on_outcome: Called with the outcome of each image.
        on_more: Called with numbers of images that there are more to compare, as they become known.

    Raises:
        InputError: If the arguments do not fit together, another run writes to the output, or, if strict or about the
            only file, something is wrong with an annotation or image.
        OutputError: If the output cannot be written.
    """
    files = layout.files(places.root, places.besides) if places.annotations.is_dir() else [places.annotations]
    files = [path for path in files if decisions is None or path.resolve() != decisions.resolve()]
    images = ImageFolder(places.images, layout.label_maps, places.besides)
    notes = None
    if places.output is not None:
        if not places.in_place:
            refuse_inputs(map(places.target, files), files)
        check_folder(places.output)
    with nullcontext() if places.output is None else only_writer(places.output):
        if places.output is not None:
            notes = Notes(places.output, settings, resume=resume or decisions is not None, in_place=places.in_place)
        rejected = read_decisions(decisions, notes.all()) if decisions is not None and notes is not None else {}
        on_more(len(files))
        run = _Run(
            places, layout, cleaner, images, value_range, notes, DoneObjects(notes if places.in_place else None),
            rejected, tolerance, strict or len(files) == 1, on_more,
        )  # fmt: skip
        for path in files:
            for outcome in run.file(path):
                if isinstance(outcome, Failed) and strict:
                    raise InputError(outcome.reason)
                on_outcome(outcome)
        if notes is not None and places.in_place and not run.summary.failures:
            notes.remove()
    run.summary.without = images.unused
    return run.summary


@dataclass
class _Run:
    places: Places
    layout: AnnotationFormat
    cleaner: Clean
    images: ImageFolder
    value_range: ValueRange
    notes: Notes | None
    done: DoneObjects
    rejected: Rejected
    tolerance: float
    strict: bool
    """Whether a file that cannot be read ends the run."""
    on_more: Callable[[int], object]
    summary: Summary = field(default_factory=Summary)

    def file(self, path: Path) -> Iterator[Outcome]:
        """Compare the images of an annotation file, and write it."""
        name = path.relative_to(self.places.root).as_posix()
        found = attempt(self.layout.read, path)
        if isinstance(found, InputError):
            if self.strict:
                raise found
            yield self._failed(path, one_line(found))
            return
        digest = digest_of(read_bytes(path, "annotations"))
        if self.notes is not None and self.notes.is_written(name, digest):
            self.done.note(name, found)  # a run that was killed has not
        left = list[AnnotatedImage]()
        for image in found:
            if self.done.are_all_of(name, image):
                attempt(self._find, path, image)  # it has annotations
            else:
                left.append(image)
        self.on_more(len(left) - 1)
        new: dict[str, dict[str, Redrawn]] = {}
        for image in left:
            self.summary.others += image.others
            result = attempt(self._image, path, name, digest, image)
            if isinstance(result, InputError):
                yield self._failed(path, f"{path}: {one_line(result)}")
                continue
            compared, masks = result
            for fault in masks.faults:
                yield self._failed(path, f"{path}: image {image.name!r}: {fault}")
            rejected = self.rejected.get(compared.changes.name, ())
            new[image.name] = redrawn(masks.masks, compared.changes, rejected, self.tolerance, self.layout.options.form)
            self.summary.compared.append(compared)
            yield compared
        if self.places.output is not None:
            self._write(path, name, new)

    def _failed(self, path: Path, reason: str) -> Failed:
        failed = Failed(path, reason)
        self.summary.failures.append(failed)
        return failed

    def _image(self, path: Path, name: str, digest: str, image: AnnotatedImage) -> tuple[ComparedImage, Checked]:
        """Return the changes of an image, and its masks as given."""
        there = self._find(path, image)
        stamp = stamp_of(there, "image")
        known = self._known(name, digest, stamp, image)
        changes, masks = known or self._compared(there, name, digest, stamp, image)
        for remark, key in masks.remarks:
            self.summary.remarks[remark] += 1
            self.summary.first.setdefault(remark, f"{key} of {image.name!r} in {path}")
        return ComparedImage(there, changes, earlier=known is not None), masks

    def _find(self, path: Path, image: AnnotatedImage) -> Path:
        return self.images.find(image.name, path.parent.as_posix(), has_ending=self.layout.names_with_endings)

    def _known(self, name: str, digest: str, stamp: str, image: AnnotatedImage) -> tuple[ImageChanges, Checked] | None:
        """Return what an earlier run has found, if it was about the same annotations, image and number of objects."""
        found = None if self.notes is None else self.notes.known(name, image.name, digest, stamp)
        if found is None:
            return None
        masks = checked(image, *found.size)
        return (found, masks) if len(masks.masks) == found.count else None  # more names of classes give more objects

    def _compared(
        self, there: Path, name: str, digest: str, stamp: str, image: AnnotatedImage
    ) -> tuple[ImageChanges, Checked]:
        pixels = read_image(there, self.value_range)
        height, width = pixels.shape[-2:]
        check_size(image, height, width)
        masks = checked(image, height, width)
        before = [one.mask for one in masks.masks]
        after = self.cleaner(pixels, before) if before else []
        if before and image.fixed is not None:
            after = without_fixed(before, after, image.fixed)
        after = self.done.kept(name, image, before, after) if before else []
        changed = {
            one.object.key: _change(one.mask, new)
            for one, new in zip(masks.masks, after, strict=True)
            if new is not one.mask
        }
        changes = ImageChanges(name, image.name, digest, (height, width), changed, len(before), stamp)
        if self.notes is not None:
            self.notes.add(changes)
        return changes, masks

    def _write(self, path: Path, name: str, new: Mapping[str, Mapping[str, Redrawn]]) -> None:
        # The file that a resumed run looks at comes last, when those that belong to it are written.
        for source, content in sorted(self.layout.written(path, new).items(), key=lambda item: item[0] == path):
            target = self.places.target(source)
            if not target.is_file() or target.read_bytes() != content:
                if self.notes is not None and source == path:
                    self.notes.add_written(name, content)
                with written_whole(target) as temporary:
                    temporary.write_bytes(content)
                if source == path and self.places.in_place:
                    self.done.note(name, [image for image in self.layout.read(path) if image.name in new])


def _change(before: Mask, after: Mask) -> Change:
    (place,) = places_of([before], [after])
    old, new = before[place.slices], after[place.slices]
    return Change(round(overlap(old, new), 4), round(shift(old, new), 2), encode(after))
