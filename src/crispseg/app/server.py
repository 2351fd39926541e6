"""Serving the page."""

import os
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crispseg.app.limits import Limits
from crispseg.app.settings import Cues
from crispseg.errors import InputError

# Read by Gradio when it is imported. Each is the name of a setting, and none reaches the page's visitors.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from starlette.middleware import Middleware

from crispseg.app.events import Events
from crispseg.app.guard import Guard
from crispseg.app.page import STYLE, THEME, Page, lay_out

_SESSIONS = 32
"""Visitors whose images are kept; who comes then displaces the one who was here longest ago."""


@contextmanager
def serving(cues: Cues, limits: Limits, *, host: str, port: int) -> Iterator[str]:
    """Serve the page as long as the context lasts.

    Args:
        cues: Says where it is computed.
        limits: What visitors may upload.
        host: Address to listen on; 127.0.0.1 is heard by this machine alone.
        port: Port to listen on.

    Yields:
        The address of the page.

    Raises:
        InputError: If it cannot listen there.
    """
    _check_address(host, port)
    with tempfile.TemporaryDirectory(prefix="crispseg-app-") as folder, _own_uploads(folder):
        page = lay_out()
        Events(page, cues, limits, Path(folder).resolve()).connect()
        try:
            yield _launch(page, limits, host, port)
        finally:
            page.blocks.close(verbose=False)


def _launch(page: Page, limits: Limits, host: str, port: int) -> str:
    page.blocks.queue(api_open=False, max_size=64)
    _, address, _ = page.blocks.launch(
        server_name=host,
        server_port=port,
        max_file_size=limits.upload_bytes,
        state_session_capacity=_SESSIONS,
        app_kwargs={"middleware": [Middleware(Guard)], "docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=THEME,
        css=STYLE,
        allowed_paths=[],
        footer_links=[],
        prevent_thread_lock=True,
        quiet=True,
        inbrowser=False,
        share=False,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        mcp_server=False,
        pwa=False,
    )
    return address


def _check_address(host: str, port: int) -> None:
    """Refuse an address that cannot be listened on, in place of Gradio, which looks at 127.0.0.1 alone."""
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise InputError(f"cannot listen on {host}, port {port} ({error}); choose another --host or --port") from error


@contextmanager
def _own_uploads(folder: str) -> Iterator[None]:
    """Uploads go to a folder of ours: Gradio's own is shared by all its servers, and each shows what lies in it."""
    name = "GRADIO_TEMP_DIR"
    before = os.environ.get(name)
    os.environ[name] = folder
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
