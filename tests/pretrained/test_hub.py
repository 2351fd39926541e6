"""Sharpeners go to a hub and come from its cache; without a network a line says so."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import huggingface_hub
import pytest
from huggingface_hub import constants

from crispseg import InputError, Sharpener, Window
from crispseg.cues import LearnedCue, RGBCue
from crispseg.window import Windows

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def save_cached(cache: Path, repository: str) -> Path:
    """A sharpener as the hub's package keeps one that it downloaded."""
    root = cache / f"models--{repository.replace('/', '--')}"
    Sharpener(RGBCue(norm=2), window=Window(3), hardness=9.0).save_pretrained(root / "snapshots" / COMMIT)
    (root / "refs").mkdir()
    (root / "refs" / "main").write_text(COMMIT)
    return root


class Hub:
    """Record the calls of `HfApi`."""

    def __init__(self) -> None:
        self.created: dict[str, Any] = {}
        self.uploaded: dict[str, bytes] = {}
        self.message = ""

    def create_repo(self, repository: str, *, private: bool, exist_ok: bool) -> None:
        self.created = {"repository": repository, "private": private, "exist_ok": exist_ok}

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> Any:
        assert repo_id == self.created["repository"]
        self.message = commit_message
        self.uploaded = {path.name: path.read_bytes() for path in Path(folder_path).iterdir()}
        return SimpleNamespace(commit_url=f"https://hub.example/{repo_id}/commit/{COMMIT}")


def test_push_to_hub_uploads_what_comes_back(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)
    sharpener = Sharpener.from_pretrained(hardness=6.0)
    address = sharpener.push_to_hub("someone/streets", private=True, license="apache-2.0", message="First")
    assert address == f"https://hub.example/someone/streets/commit/{COMMIT}"
    assert (hub.created["private"], hub.created["exist_ok"], hub.message) == (True, True, "First")
    assert sorted(hub.uploaded) == ["README.md", "config.json", "model.safetensors"]
    assert b"from_pretrained('someone/streets')" in hub.uploaded["README.md"]
    for name, content in hub.uploaded.items():
        (tmp_path / name).write_bytes(content)
    again = Sharpener.from_pretrained(tmp_path)
    assert repr(again) == repr(sharpener)
    assert again.hardness == 6.0


def test_what_cannot_be_saved_reaches_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "HfApi", lambda: hub)

    class OwnCue(RGBCue):
        pass

    with pytest.raises(InputError, match="OwnCue cannot be saved"):
        Sharpener(OwnCue()).push_to_hub("someone/streets")
    assert not hub.created


CODE = """\
import sys
from crispseg import InputError, Sharpener
print(Sharpener.from_pretrained("someone/cached"))
for name in ("someone/elsewhere", "some one/streets"):
    try:
        Sharpener.from_pretrained(name)
    except InputError as error:
        print(error)
try:
    Sharpener.from_pretrained().push_to_hub("someone/streets")
except InputError as error:
    print(error)
"""


def test_offline_the_cache_serves_and_the_rest_is_explained(tmp_path: Path) -> None:
    save_cached(tmp_path, "someone/cached")
    environment = os.environ | {"HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(tmp_path)}
    run = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=True)
    assert "norm=2" in run.stdout
    assert "window=3," in run.stdout
    assert run.stdout.splitlines()[-3:] == [
        "weights someone/elsewhere: cannot reach the hub; it is neither a local folder nor in the local cache: connect "
        "to the internet once, or give a local path",
        "weights some one/streets: no such file",
        "weights someone/streets: cannot reach the hub; nothing was uploaded",
    ]


class Refusing(BaseHTTPRequestHandler):
    """A hub that knows no repository, and takes no token."""

    def do_GET(self) -> None:
        self._refuse(404, "RevisionNotFound" if "tag" in self.path else "RepoNotFound")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._refuse(401, "")

    do_HEAD = do_GET  # noqa: N815 - the name is the server's

    def _refuse(self, status: int, code: str) -> None:
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """The address of a hub on this machine, which the package takes for the only one."""
    with HTTPServer(("127.0.0.1", 0), Refusing) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(constants, "ENDPOINT", address)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield address
        server.shutdown()
        thread.join()


@pytest.mark.usefixtures("endpoint")
def test_what_the_hub_refuses_is_explained() -> None:
    with pytest.raises(InputError, match=r"weights someone/none: the hub has no such repository, or requires a login"):
        Sharpener.from_pretrained("someone/none")
    with pytest.raises(InputError, match=r"weights someone/none: the repository has no such revision"):
        Sharpener.from_pretrained("someone/none", revision="tag")
    with pytest.raises(InputError, match=r"weights someone/none: .*; nothing was uploaded"):
        Sharpener(RGBCue()).push_to_hub("someone/none")


def test_a_hub_that_does_not_answer_is_explained(
    endpoint: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(InputError, match="weights someone/none: cannot reach the hub"):
        Sharpener.from_pretrained("someone/none")
    with pytest.raises(InputError, match=r"weights someone/none: .*; nothing was uploaded"):
        Sharpener(RGBCue()).push_to_hub("someone/none")
    save_cached(tmp_path / "cache", "someone/cached")
    assert Sharpener.from_pretrained("someone/cached").hardness == 9.0


def test_a_bad_name_is_explained() -> None:
    with pytest.raises(InputError, match=r"weights some--one/a..b: is not a valid owner/name"):
        Sharpener.from_pretrained("some--one/a..b")


def test_without_the_package_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match=r"install it with: pip install 'crispseg\[hub\]'"):
        Sharpener.from_pretrained("someone/streets")
    with pytest.raises(InputError, match=r"install it with: pip install 'crispseg\[hub\]'"):
        Sharpener.from_pretrained().push_to_hub("someone/streets")
    assert Sharpener.from_pretrained().window == Windows.of(LearnedCue.default_window)
