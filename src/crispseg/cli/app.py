"""`crispseg app`."""

import threading
from collections.abc import Sequence

from crispseg.app.limits import Limits
from crispseg.app.settings import Cues
from crispseg.cli.arguments import CommandParser, add_device_option, choose_device
from crispseg.errors import InputError

_DESCRIPTION = """\
Serve a page to try crispseg on.

Drop an image and its prediction, or take a sample that is drawn by code. The page shows the labels before and after,
where they changed, and what the filter mixes into a pixel that is clicked; cue, window, hardness and passes answer at
once. It gives the result as a file, and the command line and Python lines that make the same.

The page is for this machine alone unless --host says otherwise. It asks nobody else for anything and tells nobody of
its use; what visitors upload lies in a temporary folder until the page ends. Whoever reaches an open address may use
this machine's processor: put a password before it."""

_EXAMPLES = """\
  crispseg app
  crispseg app --port 8080 --max-upload 200 --max-pixels 32
  crispseg app --host 0.0.0.0"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("app", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="to listen on (default: %(default)s)")
    parser.add_argument(
        "--max-upload",
        type=float,
        default=Limits.upload_mb,
        metavar="MB",
        help="largest file that is taken, in megabytes (default: %(default)s)",
    )
    parser.add_argument(
        "--max-pixels",
        type=float,
        default=Limits.megapixels,
        metavar="MEGAPIXELS",
        help="largest image that is taken, in millions of pixels; memory for windows and classes goes with it "
        "(default: %(default)s)",
    )
    add_device_option(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    if not 0 < options.port < 65536:
        raise InputError(f"port is {options.port}; expected a whole number up to 65535")
    limits, device = Limits(options.max_upload, options.max_pixels), choose_device(options.device)
    # Gradio takes seconds to import, and is not there without its extra: first all that can be wrong without it.
    from crispseg.app.server import serving  # noqa: PLC0415

    with serving(Cues(device), limits, host=options.host, port=options.port) as address:
        print(f"crispseg app: {address}  (Ctrl+C ends it)", flush=True)
        threading.Event().wait()
