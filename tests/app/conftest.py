"""A server with small limits, and files to drop."""

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, expect

from crispseg.app.limits import Limits
from crispseg.app.server import serving
from crispseg.app.settings import Cues
from tests.browsers import watched_page
from tests.fakes import write_scored_folder


class Given(NamedTuple):
    """An image with what was said of it."""

    image: Path
    scores: Path
    labels: Path


@pytest.fixture
def given(tmp_path: Path) -> Given:
    """64×48 pixels, three classes: scores at 1/8 as `.npz`, and a label map of all pixels."""
    coarse = write_scored_folder(tmp_path, 1) / "scores" / "scene0.npy"
    np.savez(coarse.with_suffix(".npz"), np.load(coarse))
    return Given(tmp_path / "images" / "scene0.png", coarse.with_suffix(".npz"), tmp_path / "labels" / "scene0.png")


@pytest.fixture
def boundary(tmp_path: Path, given: Given) -> Path:
    """A boundary map of the image: its left half is one object."""
    values = np.zeros((48, 64), dtype=np.uint8)
    values[:, 32] = 255
    Image.fromarray(values).save(tmp_path / "edges.png")
    return tmp_path / "edges.png"


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the page is; it takes files up to 1 MB and images up to half a megapixel."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving(Cues(), Limits(upload_mb=1, megapixels=0.5), host="127.0.0.1", port=port) as where:
        yield where


@pytest.fixture
def page(browser: Browser, address: str, tmp_path: Path) -> Iterator[Page]:
    """The page after it has opened with its sample. Whatever it asks for elsewhere would fail the test."""
    with watched_page(browser, address, "data:", "blob:") as page:
        expect(page.locator("#message")).to_contain_text("640 × 427 pixels, 4 classes")
        yield page
        page.screenshot(path=tmp_path / "last.png")
