"""Pages in a browser, of which any error and any request to another server fails the test."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page


@contextmanager
def watched_page(browser: Browser, address: str, *allowed: str) -> Iterator[Page]:
    """Open a page on a desk; besides its address it may ask for what begins with the allowed texts."""
    context = browser.new_context(viewport={"width": 1280, "height": 800}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(60_000)
    asked: list[str] = []
    errors: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    yield page
    assert errors == []
    assert [url for url in asked if not url.startswith((address, *allowed))] == []
    context.close()
