"""Serving the page."""

import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager

from crispseg.app.limits import Limits
from crispseg.app.settings import Cues
from crispseg.errors import InputError

# Read by Gradio when it is imported. Each is the name of a setting, and none reaches the page's visitors.
os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"

from starlette.applications import Starlette

from crispseg.app.callers import Callers
from crispseg.app.events import Events
from crispseg.app.guard import Guard
from crispseg.app.page import SCRIPT, STYLE, THEME, Page, lay_out
from crispseg.app.storage import Storage, opened_folder

_SESSIONS = 256
"""Visitors whom Gradio remembers; what is kept for them is far less (`crispseg.app.visitors`)."""


@contextmanager
def serving(cues: Cues, limits: Limits, *, host: str, port: int, allowed_hosts: Sequence[str] = ()) -> Iterator[str]:
    """Serve the page as long as the context lasts.

    Args:
        cues: Says where it is computed.
        limits: What visitors may upload.
        host: Address to listen on; 127.0.0.1 is heard by this machine alone.
        port: Port to listen on.
        allowed_hosts: Names that it answers to beside its own, such as that of a proxy before it.

    Yields:
        The address of the page.

    Raises:
        InputError: If it cannot listen there, or a name is not one of a host.
    """
    host = host.strip("[]")
    callers = Callers.of(host, port, allowed_hosts)
    _check_address(host, port)
    with opened_folder() as folder, _own_uploads(str(folder)):
        page, storage = lay_out(), Storage(folder, limits.total_bytes)
        Events(page, cues, limits, storage).connect()
        try:
            yield _launch(page, limits, host, port, _guarded(callers, storage))
        finally:
            page.blocks.close(verbose=False)


def _guarded(callers: Callers, storage: Storage) -> Callable[[Starlette], AbstractAsyncContextManager[None]]:
    """Return a lifespan that puts the guard before the middleware of Gradio, which answers preflights by itself."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        if app.middleware_stack is None:
            raise RuntimeError("the server has no middleware yet; expected it to be built when it starts")
        app.middleware_stack = Guard(app.middleware_stack, callers, storage)
        yield

    return lifespan


def _launch(page: Page, limits: Limits, host: str, port: int, lifespan: object) -> str:
    page.blocks.queue(api_open=False, max_size=64)
    _, address, _ = page.blocks.launch(
        server_name=f"[{host}]" if ":" in host else host,
        server_port=port,
        max_file_size=limits.upload_bytes,
        state_session_capacity=_SESSIONS,
        app_kwargs={"lifespan": lifespan, "docs_url": None, "redoc_url": None, "openapi_url": None},
        theme=THEME,
        css=STYLE,
        js=SCRIPT,
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
    """Send uploads to a folder of our own: all servers of Gradio share its folder, and each serves what lies there."""
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
