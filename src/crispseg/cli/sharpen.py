"""`crispseg sharpen`."""

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from crispseg.cli.arguments import (
    CommandParser,
    add_range_option,
    add_suffix_options,
    progress_bar,
    read_suffixes,
)
from crispseg.cli.stage_options import add_stage_options
from crispseg.cli.stages import build_stages, describe_stages, files_of_weights, scores_of_files
from crispseg.data.intensity import parse_range
from crispseg.errors import InputError
from crispseg.jobs import Failed, Outcome, Outputs, RayCluster, Skipped, ThisMachine, Written, sharpen_files
from crispseg.process_memory import keep_freed

_DESCRIPTION = """\
Make the segmentation of images crisp.

A prediction is what a segmentation network said of an image, at any resolution:
  - a label map: an indexed or greyscale PNG, one label number a pixel;
  - scores of shape (classes, height, width): .npy, .npz with one array, or .safetensors with one tensor.
An image is turned upright as its EXIF says; its prediction must be of the upright image.

Folders are searched with the folders below them; hidden files are passed over. NAME is the path of an image below the
folder of them all, without ending: bear/00000 for images/bear/00000.jpg. Its prediction has the same NAME below the
other folder, or goes by the last part of it. Where names go on differently, say how: --image-suffix _leftImg8bit.

For an image NAME the output folder will hold
  NAME.png                 the sharpened label map, with the palette of the prediction
  before_after/NAME.png    a picture: image, before, after, and the part that changed most (not with --no-pictures)
  scores/NAME.safetensors  the sharpened scores (with --save-scores)
and crispseg-settings.json what they were made with.

Of several images, one that cannot be read or does not fit its prediction is reported on standard error and passed
over. Exit codes: 0, all were sharpened or skipped; 1, some were passed over; 2, an error stopped the run, such as a
wrong option, a full disk, or, with --strict or for a single image, a bad file; 130, it was interrupted."""

_EXAMPLES = """\
  crispseg sharpen photo.jpg --prediction mask.png --output out
  crispseg sharpen photo.jpg --prediction logits.npy --output out --save-scores
  crispseg sharpen images/ --prediction probabilities/ --scores probabilities --output out
  crispseg sharpen images/ --prediction logits/ --cue contour --boundaries edges/ --output out
  crispseg sharpen 'images/**/*.jpg' --prediction logits/ --output out --no-pictures --resume
  crispseg sharpen /shared/images --prediction /shared/logits --output /shared/out --ray"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("sharpen", _DESCRIPTION, _EXAMPLES)
    parser.add_argument(
        "images",
        nargs="+",
        type=Path,
        metavar="IMAGE",
        help="image files, folders of them, or patterns such as 'images/*.jpg', in quotes where the shell would find "
        "them too many",
    )
    parser.add_argument(
        "--prediction",
        type=Path,
        required=True,
        metavar="FILE|FOLDER",
        help="prediction of the one image; or a folder, or a pattern in quotes, with a file of the same name for each "
        "image",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="FOLDER", help="folder to write to")
    add_range_option(parser)
    parser.add_argument("--save-scores", action="store_true", help="write the sharpened scores too")
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        help="what the sharpener may hold of an image besides its scores, as 2GiB: it works in tiles, to the same "
        "result (default: the whole image at once); rasters that do not fit: crispseg raster",
    )
    parser.add_argument("--no-pictures", action="store_true", help="leave out the pictures before/after")
    _add_run_options(parser)
    add_suffix_options(parser, "image", "prediction", "boundary")
    add_stage_options(parser)
    return parser


def _add_run_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("many images")
    group.add_argument(
        "--resume",
        action="store_true",
        help="skip the images whose output is there and was made with the same settings",
    )
    group.add_argument("--strict", action="store_true", help="stop at the first bad file")
    group.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="processes that read files ahead, 0 for none (default: 2, and none for a few images); with --ray how many "
        "sharpen at a time (default: one for each GPU of the cluster, or each CPU)",
    )
    group.add_argument(
        "--ray",
        nargs="?",
        const="auto",
        metavar="ADDRESS",
        help="run on a Ray cluster, whose machines all see the files by the same paths: auto (default), the one that "
        "this machine is part of; local, one on this machine for this run; or HOST:PORT",
    )


def main(arguments: Sequence[str]) -> int:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    runner = _runner(options)
    stages = build_stages(options)
    if stages.sharpener is None and options.memory is not None:
        raise InputError("--memory does not go with --cue none, which filters nothing; leave one of them out")
    if options.memory is None:
        keep_freed()
    with progress_bar("images") as progress, _counted() as counts:

        def note(outcome: Outcome) -> None:
            counts[type(outcome)] += 1
            _report(outcome)

        sharpen_files(
            options.images,
            options.prediction,
            Outputs(options.output, pictures=not options.no_pictures, scores=options.save_scores),
            stages.sharpener,
            boundaries=options.boundaries,
            crf=stages.crf,
            memory=options.memory,
            scores=scores_of_files(options, stages.sharpener),
            grid=getattr(options, "grid", None),
            value_range=parse_range(options.range),
            suffixes=read_suffixes(options),
            resume=options.resume,
            strict=options.strict,
            settings=describe_stages(options, stages),
            read=files_of_weights(options),
            runner=runner,
            on_outcome=note,
            progress=progress,
        )
    return 1 if counts[Failed] else 0


def _runner(options: Namespace) -> ThisMachine | RayCluster:
    if options.ray is None:
        return ThisMachine(options.workers)
    return RayCluster(options.ray, actors=options.workers, device=options.device)


def _report(outcome: Outcome) -> None:
    if isinstance(outcome, Failed):
        print(f"crispseg sharpen: passed over: {outcome.reason}", file=sys.stderr)
    if isinstance(outcome, Written):
        line = f"{100 * outcome.changed:.1f} % of the pixels changed, {1000 * outcome.seconds:.0f} ms"
        print(f"{outcome.labels}  {line}")


@contextmanager
def _counted() -> Iterator[Counter[type]]:
    """Count outcomes by their kind, and say at the end, whichever it is, how many there were."""
    counts: Counter[type] = Counter()
    start = time.perf_counter()
    try:
        yield counts
    except KeyboardInterrupt:
        raise KeyboardInterrupt("; --resume goes on") from None
    finally:
        if counts:
            rate = counts[Written] / (time.perf_counter() - start)
            kinds = {"sharpened": Written, "skipped": Skipped, "failed": Failed}
            said = ", ".join(f"{counts[kind]} {name}" for name, kind in kinds.items())
            print(f"{said}; {rate:.1f} images/s")
