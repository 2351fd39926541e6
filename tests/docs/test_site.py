"""The site builds without a warning, asks nothing of the network, and describes every public name."""

import importlib
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.commands import ROOT

PACKAGES = [
    "crispseg",
    *(
        f"crispseg.{package}"
        for package in (
            *("ops", "nn", "cues", "metrics", "models", "pretrained", "inference", "jobs", "data", "evaluation"),
            *("comparison", "figures", "export", "training", "tuning", "app"),
        )
    ),
]

LOADED = {"script": "src", "img": "src", "iframe": "src", "source": "src", "video": "src", "link": "href"}
"""Tags with files that a browser fetches by itself, and the attribute that names them."""


class Page(HTMLParser):
    """Collect what a page loads, its links, and the anchors in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.anchors: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if LOADED.get(tag) and (target := values.get(LOADED[tag])):
            self.loads.append(target)
        if tag == "a" and (target := values.get("href")):
            self.leads.append(target)
        self.anchors |= {value for name, value in attrs if name in {"id", "name"} and value}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built as `make docs` builds it."""
    folder = tmp_path_factory.mktemp("site")
    # Without --quiet, which would keep warnings from being counted.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def pages(site: Path) -> Iterator[tuple[Path, Page]]:
    for path in sorted(site.rglob("*.html")):
        yield path, Page(path.read_text())


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    loaded = [target for _, page in pages(site) for target in page.loads]
    assert len(loaded) > 100
    assert not [target for target in loaded if urlsplit(target).netloc]
    for style in site.rglob("*.css"):
        assert not re.findall(r"(?:url\(|@import)\s*['\"]?(?:https?:)?//[^)]*", style.read_text()), style


def test_every_link_leads_somewhere(site: Path) -> None:
    read = {path.resolve(): page for path, page in pages(site)}
    followed = 0
    for path, page in read.items():
        if path.name == "404.html":  # its links are for the root of a server
            continue
        for target in page.leads:
            parts = urlsplit(target)
            if parts.scheme:
                continue
            leads_to = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            if leads_to.is_dir():
                leads_to /= "index.html"
            assert leads_to.is_file(), f"{path}: {target}"
            if parts.fragment and leads_to in read and not parts.fragment.startswith("__"):
                assert unquote(parts.fragment) in read[leads_to].anchors, f"{path}: {target}"
            followed += 1
    assert followed > 1000


@pytest.mark.parametrize("package", PACKAGES)
def test_every_public_name_is_described(package: str, site: Path) -> None:
    anchors = Page((site / "api" / f"{package.rpartition('.')[2]}.html").read_text()).anchors
    for name in importlib.import_module(package).__all__:
        if name != "__version__":
            assert f"{package}.{name}" in anchors


def test_examples_are_shown_as_code(site: Path) -> None:
    for path in (site / "api").iterdir():
        assert "<blockquote>" not in path.read_text(), path


def test_names_lead_to_the_reference(site: Path) -> None:
    text = (site / "paper.html").read_text()
    code = r"<code>(crispseg(?:\.<wbr>\w+)+)</code>"
    names = re.findall(code, text)
    assert len(names) > 40
    assert not set(names) - set(re.findall(rf"<a [^>]*href=\"api/[^\"]+\"[^>]*>{code}", text))
