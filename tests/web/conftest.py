"""The built page, and a server that knows nothing but files."""

import base64
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browsers import watched_page
from tests.commands import ROOT

BUILT = ROOT / "build" / "web"

expect.set_options(timeout=60_000)


class Files(SimpleHTTPRequestHandler):
    """Serves files as any static server does, without special headers, and counts what it is asked."""

    def __init__(self, *arguments: Any, asked: list[str], **options: Any) -> None:
        self.asked = asked
        super().__init__(*arguments, **options)

    def do_GET(self) -> None:
        self.asked.append(self.path)
        super().do_GET()

    def log_message(self, *_: Any) -> None:
        pass


class Served:
    """A server of files on a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.asked: list[str] = []
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Files, directory=str(folder), asked=self.asked))
        self.address = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="session")
def served() -> Iterator[Served]:
    missing = [name for name in ("index.html", "soft.onnx", "ort/ort.js") if not (BUILT / name).is_file()]
    assert not missing, f"{BUILT} lacks {', '.join(missing)}; `make web` builds the page"
    for source in (ROOT / "web").glob("*.[chj]*s*"):
        if source.name != "package.json":
            assert (BUILT / source.name).read_bytes() == source.read_bytes(), f"{source.name} is stale; run `make web`"
    made = Served(BUILT)
    yield made
    made.close()


@pytest.fixture
def page(browser: Browser, served: Served) -> Iterator[Page]:
    """The page with its example. Whatever it asks for elsewhere, and any error in its code, fails the test."""
    with watched_page(browser, served.address, f"blob:{served.address}") as page:
        expect(page.locator("#sharpen")).to_be_enabled()
        yield page


def floats(page: Page, value: str) -> np.ndarray:
    """Return a Float32Array that an expression of the page's last result gives."""
    text = page.evaluate(
        f"""async () => {{
          const {{result}} = await import("./page.js"), bytes = new Uint8Array(({value}).buffer);
          let text = "";
          for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
          return btoa(text);
        }}"""
    )
    return np.frombuffer(base64.b64decode(text), dtype=np.float32)
