"""`crispseg evaluate`."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from crispseg.cli.arguments import CommandParser, add_absent_classes_option, print_remarks, progress_bar
from crispseg.cli.data_options import add_data_options, read_data
from crispseg.cli.stage_options import add_stage_options
from crispseg.cli.stages import build_stages, describe_stages, files_of_weights, scores_of_files
from crispseg.evaluation import describe_losses, evaluate
from crispseg.evaluation.report import TRIMAP
from crispseg.process_memory import keep_freed
from crispseg.writing import check_output_file, write_text

_DESCRIPTION = """\
Measure what sharpening gains on labelled images.

Prints the IoU of every class before and after: over all pixels, and in the trimap, the pixels within 4 pixels of a true
boundary. Then mean IoU, pixel accuracy, trimaps of 1 to 16 pixels, Boundary IoU and boundary F, each with the points
gained and their 95 % interval, from a bootstrap over images. All are counted over the whole data set; void pixels are
left out. Where a band of void lies on the outlines, as in PASCAL VOC, the band is the boundary: distances are counted
from it, and the heading says so."""

_EXAMPLES = """\
  crispseg evaluate --images val --labels val_labels --predictions scores --json result.json
  crispseg evaluate --data voc2012 --root VOCdevkit/VOC2012 --predictions scores
  crispseg evaluate --images val --labels val_labels --predictions masks --void 11 --num-classes 11
  crispseg evaluate --images val --labels val_labels --predictions scores --cue contour --boundaries edges
  crispseg evaluate --images val --labels val_labels --predictions scores --cue none --crf MSc-LargeFOV"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("evaluate", _DESCRIPTION, _EXAMPLES)
    add_data_options(parser)
    add_absent_classes_option(parser)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there too")
    add_stage_options(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    keep_freed()
    stages = build_stages(options)
    data = read_data(options, scores_of_files(options, stages.sharpener))
    if options.json is not None:
        check_output_file(options.json, [*data.read_from, *files_of_weights(options)])
    with progress_bar() as progress:
        comparison = evaluate(
            data,
            stages.sharpener,
            crf=stages.crf,
            settings=describe_stages(options, stages),
            absent_classes=options.absent_classes,
            progress=progress,
        )
    if options.json is not None:
        write_text(options.json, comparison.as_json())
    Console().print(comparison.class_table())
    Console().print(comparison.metric_table())
    miou, trimap = (comparison.gains[name].value for name in ("miou", TRIMAP))
    milliseconds = comparison.milliseconds / comparison.images
    print(f"mIoU {miou:+.2f}, trimap {trimap:+.2f}, {milliseconds:.0f} ms per image")
    losses = describe_losses(comparison.before, comparison.after, comparison.class_names)
    print(f"classes that lose IoU: {losses}")
    print_remarks(comparison.remarks)
