"""`crispseg app`."""

import signal
import threading
from collections.abc import Sequence
from typing import NoReturn

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
its use; what visitors upload lies in a temporary folder until the page ends or --max-total is reached, when the oldest
goes first.

--host 0.0.0.0 lets everyone on the network in: whoever reaches it may use this machine's processor, and memory and disk
up to --max-total and what one image takes. There is no password and no encryption: put a proxy that has both before it,
and name the proxy's host by --allow-host. Requests for any other name are refused, and so is what other pages make a
visitor's browser send."""

_EXAMPLES = """\
  crispseg app
  crispseg app --port 8080 --max-upload 200 --max-pixels 32
  crispseg app --host 0.0.0.0
  crispseg app --allow-host crisp.example.org    # behind a proxy of that name on this machine"""


def build_parser() -> CommandParser:
    """What the command understands."""
    parser = CommandParser("app", _DESCRIPTION, _EXAMPLES)
    parser.add_argument("--host", default="127.0.0.1", metavar="ADDRESS", help="to listen on (default: %(default)s)")
    parser.add_argument("--port", type=int, default=7860, help="to listen on (default: %(default)s)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="name that the page answers to beside its own address, such as a proxy's; may be given several times",
    )
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
    parser.add_argument(
        "--max-total",
        type=float,
        default=Limits.total_mb,
        metavar="MB",
        help="what is kept for all visitors, on the disk and as much in memory, in megabytes; the oldest goes first "
        "(default: %(default)s)",
    )
    add_device_option(parser)
    return parser


def main(arguments: Sequence[str]) -> None:
    """Run the command."""
    options = build_parser().parse_args(arguments)
    if not 0 < options.port < 65536:
        raise InputError(f"port is {options.port}; expected a whole number up to 65535")
    limits = Limits(options.max_upload, options.max_pixels, options.max_total)
    device = choose_device(options.device)
    # Gradio takes seconds to import, and is not there without its extra: first all that can be wrong without it.
    from crispseg.app.server import serving  # noqa: PLC0415

    signal.signal(signal.SIGTERM, _end)
    given = {"host": options.host, "port": options.port, "allowed_hosts": options.allow_host}
    with serving(Cues(device), limits, **given) as address:
        print(f"crispseg app: {address}  (Ctrl+C ends it)", flush=True)
        threading.Event().wait()


def _end(number: int, _: object) -> NoReturn:
    """Leave by the way that removes what visitors uploaded."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise SystemExit(128 + number)
