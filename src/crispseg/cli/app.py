"""`crispseg app`."""

import signal
import threading
from argparse import Namespace
from typing import NoReturn

from crispseg.app.limits import Limits
from crispseg.app.settings import Cues
from crispseg.devices import choose_device
from crispseg.errors import InputError


def run(options: Namespace) -> None:
    """Run the command."""
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
