"""`crispseg annotations`."""

import shlex
import sys
import time
from argparse import Namespace
from collections.abc import Sequence
from typing import Any

from crispseg.annotations.changes import FOLDER as NOTES
from crispseg.annotations.cleaning import Cleaner
from crispseg.annotations.formats import FORMATS, detect_format
from crispseg.annotations.record import AnnotationFormat, FormatOptions
from crispseg.annotations.review import write_review
from crispseg.annotations.run import Outcome, Places, Summary, clean_annotations
from crispseg.cli.interruptions import resumable
from crispseg.cli.printing import progress_bar
from crispseg.cli.stages import require_image_sharpener
from crispseg.data.class_names import read_class_names
from crispseg.data.intensity import parse_range
from crispseg.defaults import ANNOTATION_PASSES, ANNOTATION_WINDOW, POLYGON_TOLERANCE, REVIEWED
from crispseg.errors import InputError
from crispseg.inference.memory import parse_memory
from crispseg.inference.sharpener import Sharpener
from crispseg.jobs.outcome import Failed
from crispseg.jobs.resuming import settings_of
from crispseg.options import as_text
from crispseg.window import Windows
from crispseg.writing import check_folder


def run(options: Namespace) -> int:
    """Run the command."""
    _check(options)
    name = options.format or detect_format(options.annotations)
    layout = _layout(options, name)
    sharpener = _sharpener(options)
    places = Places(options.annotations, options.images, options.annotations_output, options.review)
    start = time.perf_counter()
    kept = [] if places.output is None else [places.output / NOTES]
    with progress_bar("images") as progress, resumable(*kept):
        task = progress.add_task("comparing", total=0)

        def add(count: int) -> None:
            progress.update(task, total=(progress.tasks[0].total or 0) + count)

        def note(outcome: Outcome) -> None:
            progress.advance(task)
            _report(outcome, dry=options.dry_run)

        summary = clean_annotations(
            places,
            layout,
            Cleaner(sharpener, options.band, options.certainty, options.evidence, options.memory),
            tolerance=POLYGON_TOLERANCE if options.tolerance is None else options.tolerance,
            settings=_settings(options, sharpener, name),
            value_range=parse_range(options.range),
            decisions=options.decisions,
            resume=options.resume,
            strict=options.strict,
            on_outcome=note,
            on_more=add,
        )
    _conclude(summary, options, time.perf_counter() - start)
    if options.review is not None:
        count, command = options.review_count or REVIEWED, deciding(options.given)
        values = parse_range(options.range)
        count = write_review(
            options.review, summary.compared, layout, places.root, count=count, command=command, value_range=values
        )
        print(f"{options.review / 'index.html'}  {count} masks to review; open it in a browser")
    return 1 if summary.failures else 0


def deciding(given: Sequence[str]) -> str:
    """Return the command that applies the decisions of a review, with the options that the run was given.

    Example:
        >>> deciding(["my labels", "--images", "i", "--output", "o", "--review=page", "--resume", "--as", "rle"])
        "crispseg annotations 'my labels' --images i --output o --as rle --decisions decisions.json"
    """
    kept, rest = list[str](), iter(given)
    for argument in rest:
        if argument in ("--review", "--review-count", "--decisions"):
            next(rest, None)
        elif not argument.startswith(("--review", "--decisions", "--resume")):
            kept.append(argument)
    return shlex.join(["crispseg", "annotations", *kept, "--decisions", "decisions.json"])


def _check(options: Namespace) -> None:
    """Refuse options that make no sense, before any work."""
    if not 0 < options.band < 1000:
        raise InputError(f"--band is {as_text(options.band)}; expected a number of pixels above 0, such as 4")
    if not 0.5 <= options.certainty < 1:
        raise InputError(f"--certainty is {as_text(options.certainty)}; expected 0.5 or more, and below 1")
    if not 0 <= options.evidence < 1:
        raise InputError(f"--evidence is {as_text(options.evidence)}; expected 0 or more, and below 1")
    if options.tolerance is not None and not 0 <= options.tolerance < 1000:
        raise InputError(f"--tolerance is {as_text(options.tolerance)}; expected a number of pixels, 0 or more")
    if options.review_count is not None and options.review_count < 1:
        raise InputError(f"--review-count is {options.review_count}; expected a whole number above 0")
    if options.memory is not None:
        parse_memory(options.memory)
    parse_range(options.range)
    _check_companions(options)
    if options.review is not None:
        check_folder(options.review)
    folder = options.annotations if options.annotations.is_dir() else options.annotations.parent
    if options.output is not None and options.output.resolve() == folder.resolve():
        raise InputError(f"output {options.output}: is the folder of the annotations; to replace them say --in-place")
    options.annotations_output = folder if options.in_place else options.output


def _check_companions(options: Namespace) -> None:
    """Refuse options that would have no effect without others."""
    for given in ("review", "decisions"):
        if getattr(options, given) is not None and options.output is None:
            raise InputError(f"--{given} goes with --output alone, whose earlier result it is about; add --output")
    if options.dry_run and options.resume:
        raise InputError("--resume takes what an earlier run with the same output has found; leave out --dry-run")
    if options.review_count is not None and options.review is None:
        raise InputError("--review-count is given without --review; add --review, or leave it out")


def _layout(options: Namespace, name: str) -> AnnotationFormat:
    found = FORMATS.named(name)
    if options.form is not None and options.form not in found.forms:
        raise InputError(
            f"--as {options.form} is given, but {name} has a single form of masks; leave it out: --as chooses between "
            "polygons and pixels within coco, labelme and cvat, and converts no format into another"
        )
    if options.tolerance is not None and (options.form == "rle" or not found.has_polygons):
        raise InputError(f"--tolerance is about polygons, but {name} is written as pixels here; leave it out")
    if options.class_names is not None and not found.numbers_classes:
        raise InputError(f"--class-names is given, but {name} files name their classes themselves; leave it out")
    names = None if options.class_names is None else read_class_names(options.class_names)
    return found(FormatOptions(names, options.form))


def _sharpener(options: Namespace) -> Sharpener:
    """Return the sharpener that the options describe, with narrow windows unless they name others."""
    if not hasattr(options, "window"):
        options.window = Windows.of(ANNOTATION_WINDOW)
        options.passes = getattr(options, "passes", ANNOTATION_PASSES)
    return require_image_sharpener(options).nearby()


def _settings(options: Namespace, sharpener: Sharpener, name: str) -> dict[str, Any]:
    """Return what the new masks depend on."""
    places = {"annotations": str(options.annotations.resolve()), "images": str(options.images.resolve())}
    said = {"format": name, "range": parse_range(options.range)}
    return {**settings_of(sharpener, None), **places, **said} | {
        key: getattr(options, key) for key in ("band", "certainty", "evidence")
    }


def _report(outcome: Outcome, *, dry: bool) -> None:
    if isinstance(outcome, Failed):
        print(f"crispseg annotations: passed over: {outcome.reason}", file=sys.stderr)
        return
    changes = outcome.changes
    said = f"{len(changes.objects)} of {changes.count} masks {'would change' if dry else 'changed'}"
    if changes.objects:
        key, least = min(changes.objects.items(), key=lambda item: item[1].iou)
        mean = sum(change.iou for change in changes.objects.values()) / len(changes.objects)
        said += f", IoU with before {100 * mean:.1f} on average, {100 * least.iou:.1f} at least ({key})"
    print(f"{outcome.path}  {said}")


def _conclude(summary: Summary, options: Namespace, seconds: float) -> None:
    """Print what the run found: remarks on standard error, and one line of counts."""
    for remark, count in summary.remarks.items():
        print(f"note: {count} polygons {remark} (first {summary.first[remark]})", file=sys.stderr)
    if summary.without:
        print(f"note: {len(summary.without)} images have no annotations (first {summary.without[0]})", file=sys.stderr)
    changed = sum(len(one.changes.objects) for one in summary.compared)
    if options.in_place and changed:
        print(
            f"note: the annotations in {options.annotations_output} were replaced, and no copy was kept; to see the "
            "changes first, and reject some, give --output and --review",
            file=sys.stderr,
        )
    if options.in_place and summary.failures:
        print(
            "note: once the faults are mended, --resume goes on with the files that have not changed", file=sys.stderr
        )
    masks = sum(one.changes.count for one in summary.compared)
    earlier = sum(one.earlier for one in summary.compared)
    verb = "would change" if options.dry_run else "changed"
    parts = [f"{changed} of {masks} masks of {len(summary.compared)} images {verb}"]
    parts += [f"{earlier} images were compared before"] if earlier else []
    parts += [f"{summary.others} boxes, points and the like kept"] if summary.others else []
    parts += [f"{len(summary.failures)} faults"] if summary.failures else []
    print(f"{'; '.join(parts)}; {seconds:.0f} s")
