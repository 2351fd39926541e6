"""The options of `crispseg tune`."""

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.data_options import add_data_options, add_mean_over_option
from crispseg.cli.parsers.shared_options import add_device_option, add_resume_option
from crispseg.cli.parsers.stage_options import add_boundaries_option, add_sharpener_options
from crispseg.defaults import CRF_GRID, CRF_ROUNDS, OBJECTIVES

DESCRIPTION = """\
Find the options of a sharpener on labelled images, or with --crf the parameters of the dense CRF.

Measures every combination of the given values and prints its gain in points of mIoU and of trimap mIoU, and at the end
the best combination. If you give no values of window, passes or hardness, several are tried, around the options of the
sharpener that --weights names. For label maps, windows that do not act on them are left out, such as 5@64 with the
default weights of cue and scores. Classes without true pixels on these images are left out of the means. Tune on images
that you do not report on.

With --crf every option of the sharpener before the CRF has one value. The search goes from coarse to fine and is slow:
by default 27 CRFs for each image and up to 52 more, each about a second for 480x360 pixels and 11 classes. Use --every
to take fewer images."""

EXAMPLES = """\
  crispseg tune --images val --labels val_labels --predictions scores
  crispseg tune --images val --labels val_labels --predictions scores --window 9 9@2 --guard none 0.4 --every 6
  crispseg tune --images val --labels val_labels --predictions scores --weights my-sharpener
  crispseg tune --images val --labels val_labels --predictions scores --cue contour --boundaries edges
  crispseg tune --images val --labels val_labels --predictions scores --crf --every 20 --resume counts.jsonl"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("tune", DESCRIPTION, EXAMPLES)
    add_data_options(parser)
    add_mean_over_option(parser)
    add_sharpener_options(parser, several=True)
    add_boundaries_option(parser)
    _add_crf_options(parser)
    parser.add_argument(
        "--objective",
        choices=OBJECTIVES,
        default=OBJECTIVES[-1],
        help="the gain to maximise; both is the mean of the two (default: %(default)s)",
    )
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take every N-th image (default: all)")
    add_resume_option(parser)
    add_device_option(parser)
    return parser


def _add_crf_options(parser: CommandParser) -> None:
    group = parser.add_argument_group("CRF")
    group.add_argument(
        "--crf",
        action="store_true",
        help="tune the dense CRF that follows the sharpener, or with --cue none runs alone",
    )
    for option, help_ in (
        ("bilateral-weight", "weights of the Gaussian of position and colour"),
        ("bilateral-xy", "its deviations in pixels"),
        ("bilateral-rgb", "its deviations in colour values from 0 to 255"),
        ("spatial-weight", "weights of the Gaussian of position"),
        ("spatial-xy", "its deviations in pixels"),
    ):
        default = " ".join(f"{value:g}" for value in CRF_GRID[option.replace("-", "_")])
        group.add_argument(f"--{option}", type=float, nargs="+", metavar="NUMBER", help=f"{help_} (default: {default})")
    group.add_argument(
        "--rounds",
        type=int,
        metavar="N",
        help=f"number of finer rounds around the best, each with half the step (default: {CRF_ROUNDS})",
    )
