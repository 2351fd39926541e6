"""The options of `crispseg app`."""

from crispseg.cli.parsers.command_parser import CommandParser
from crispseg.cli.parsers.shared_options import add_device_option
from crispseg.defaults import MEGAPIXELS, TOTAL_MB, UPLOAD_MB

DESCRIPTION = """\
Serve a page to try crispseg in your browser.

Drop an image and its prediction on the page, or choose a sample. The prediction may hold classes, one soft mask, or
masks of objects. The page shows the labels before and after, where they changed, and, for a pixel that you choose, how
much each neighbour contributes to it. Every option takes effect at once. Save the result as a file, or as the command
or the Python code that makes it.

Only this machine can open the page, unless --host says otherwise. It loads nothing from other servers and reports
nothing to anyone. Uploads lie in a temporary folder until the page ends; beyond --max-total the oldest are deleted.

With --host 0.0.0.0 everyone on the network can open the page. They can use this machine's processor, and its memory and
disk up to --max-total and the size of one image. The page has no password and no encryption: put a proxy that has both
in front of it, and give the proxy's host name to --allow-host. Requests for other names are refused, and so are
requests that other sites make a visitor's browser send."""

EXAMPLES = """\
  crispseg app
  crispseg app --port 8080 --max-upload 200 --max-pixels 32
  crispseg app --host 0.0.0.0
  crispseg app --allow-host crisp.example.org    # behind a proxy of that name on this machine"""


def build_parser() -> CommandParser:
    """Return the parser of the command."""
    parser = CommandParser("app", DESCRIPTION, EXAMPLES)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: %(default)s)"
    )
    parser.add_argument("--port", type=int, default=7860, help="port to listen on (default: %(default)s)")
    parser.add_argument(
        "--allow-host",
        action="append",
        default=[],
        metavar="NAME",
        help="another host name that the page answers to, such as that of a proxy; may be repeated",
    )
    parser.add_argument(
        "--max-upload",
        type=float,
        default=UPLOAD_MB,
        metavar="MB",
        help="largest file that may be uploaded, in megabytes (default: %(default)s)",
    )
    parser.add_argument(
        "--max-pixels",
        type=float,
        default=MEGAPIXELS,
        metavar="MEGAPIXELS",
        help="largest image, in millions of pixels; it also limits windows and numbers of classes "
        "(default: %(default)s)",
    )
    parser.add_argument(
        "--max-total",
        type=float,
        default=TOTAL_MB,
        metavar="MB",
        help="limit of the data of all visitors together, on disk and also in memory, in megabytes; the oldest data "
        "are deleted first (default: %(default)s)",
    )
    add_device_option(parser)
    return parser
