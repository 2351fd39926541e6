"""Who may come in to a page that is served, how much is kept for him, and what is left when it ends."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save

from crispseg.app.desk import Desk
from crispseg.app.limits import Limits
from crispseg.app.server import serving
from crispseg.app.settings import Cues
from crispseg.app.storage import opened_folder
from crispseg.app.visitors import PUT_AWAY
from tests.app.requests import fetch, free_port, tell, upload, uploaded

FOREIGN = {
    "host": {"Host": "evil.org"},
    "rebound": {"Host": "evil.org:{port}", "Origin": "http://evil.org:{port}"},
    "origin": {"Origin": "https://evil.org"},
    "null": {"Origin": "null"},
    "site": {"Sec-Fetch-Site": "cross-site"},
}


@pytest.mark.parametrize("who", FOREIGN)
def test_another_page_gets_nothing_and_sends_nothing(address: str, who: str) -> None:
    port = address.rstrip("/").rsplit(":", 1)[1]
    headers = {name: value.format(port=port) for name, value in FOREIGN[who].items()}
    assert upload(address, "evil.txt", b"evil", headers)[0] == 403
    assert fetch(f"{address}gradio_api/queue/join", b"{}", headers=headers)[0] == 403
    status, page = fetch(address, headers=headers)
    assert status == 403
    assert b"gradio" not in page
    asked = {"Host": f"127.0.0.1:{port}", "Access-Control-Request-Method": "POST", "Connection": "close"} | headers
    lines = [f"{name}: {value}" for name, value in asked.items()]
    with socket.create_connection(("127.0.0.1", int(port)), timeout=20) as line:
        line.sendall("\r\n".join(["OPTIONS /gradio_api/upload HTTP/1.1", *lines, "", ""]).encode())
        answer = b"".join(iter(lambda: line.recv(65536), b"")).lower()
    assert answer.startswith(b"http/1.1 403")
    assert b"access-control" not in answer


def test_the_page_sends_as_before(address: str) -> None:
    for origin in (address.rstrip("/"), address.rstrip("/").replace("127.0.0.1", "localhost")):
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        assert upload(address, "own.txt", b"mine", headers)[0] == 200


@pytest.fixture
def narrow() -> Iterator[str]:
    """A page that keeps 1 MB for all visitors."""
    limits = Limits(upload_mb=0.6, megapixels=0.5, total_mb=1)
    with serving(Cues(), limits, host="127.0.0.1", port=free_port()) as where:
        yield where


def test_uploads_have_a_total_and_the_oldest_go_first(narrow: str) -> None:
    paths = []
    for number in range(8):
        status, answer = upload(narrow, f"{number}.npy", bytes([number]) * 300_000)
        assert status == 200
        paths.append(Path(json.loads(answer)[0]))
        assert sum(path.stat().st_size for path in paths if path.exists()) <= 1_000_000
    assert [path.exists() for path in paths] == [False] * 5 + [True] * 3
    for size in (1_100_000, 20_000_000):  # which is still being sent when it is refused
        assert upload(narrow, "large.npy", b"x" * size)[0] == 413
    assert paths[-1].exists()


def test_many_visitors_keep_no_more_than_a_total_and_are_told(narrow: str) -> None:
    assert b"427 pixels" in tell(narrow, "sample-pagoda", "click", [], "visitor0")
    for number in range(1, 4):
        tell(narrow, "sample-pagoda", "click", [], f"visitor{number}")
    assert PUT_AWAY.encode() in tell(narrow, "window", "input", [], "visitor0")
    assert b"427 pixels" in tell(narrow, "sample-pagoda", "click", [], "visitor3")
    assert b"427 pixels" in tell(narrow, "sample-pagoda", "click", [], "visitor0")
    assert b"427 pixels" in tell(narrow, "window", "input", [], "visitor0")


def test_what_a_reader_did_not_expect_is_a_message(address: str) -> None:
    scores = save({"scores": torch.zeros(3, 6, 8, dtype=torch.uint8).view(torch.float4_e2m1fn_x2)})
    told = tell(address, "prediction", "upload", [uploaded(address, "scores.safetensors", scores), None], "odd")
    assert b'"success":true' in told
    assert b'role=\\"alert\\"' in told


def test_whatever_is_raised_is_a_message_and_a_line_in_the_log(
    address: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("a fault of ours")

    for name in ("load_image", "load_prediction", "load_boundary", "say", "load_sample"):
        monkeypatch.setattr(Desk, name, broken)
    image = uploaded(address, "a.png", b"x")
    for element, event, given in (
        ("image", "upload", [image, None]),
        ("prediction", "upload", [image, None]),
        ("boundary", "upload", [image, None]),
        ("scores", "input", []),
        ("sample-pagoda", "click", []),
    ):
        caplog.clear()
        with caplog.at_level(logging.ERROR):
            told = tell(address, element, event, given, f"broken-{element}")
        assert b'"success":true' in told, element
        assert b"KeyError, which crispseg did not expect" in told, element
        assert [record.exc_info is not None for record in caplog.records] == [True]


def start(port: int, folder: Path) -> subprocess.Popen[str]:
    """`crispseg app` in a process of its own, once it listens. It hears Ctrl-C, even where the tests do not."""
    command = [sys.executable, "-c", "import crispseg.cli.main as m; m.entry_point()", "app", "--port", str(port)]
    folders = {"TMPDIR": str(folder), "GRADIO_TEMP_DIR": str(folder.with_name(f"{folder.name}-gradio"))}
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a process inherits that it is ignored
    try:
        page = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | folders)
    finally:
        signal.signal(signal.SIGINT, heard)
    assert page.stdout is not None
    assert page.stdout.readline().startswith("crispseg app: http://127.0.0.1")
    return page


def test_uploads_are_gone_when_it_ends_and_those_of_a_killed_one_at_the_next_start(tmp_path: Path) -> None:
    port, other = free_port(), tmp_path / "crispseg-app-of-nobody"
    other.mkdir()
    for number, code in ((signal.SIGKILL, -9), (signal.SIGTERM, 128 + 15), (signal.SIGINT, 130)):
        page = start(port, tmp_path)
        try:
            (folder,) = (path for path in tmp_path.iterdir() if path != other)
            assert upload(f"http://127.0.0.1:{port}/", "own.txt", b"mine")[0] == 200
            assert list(folder.rglob("own.txt"))
            page.send_signal(number)
            assert page.wait(timeout=60) == code
        finally:
            page.kill()
            page.communicate()
        assert folder.exists() == (number == signal.SIGKILL)
    assert list(tmp_path.iterdir()) == [other]


def test_a_page_that_runs_keeps_its_folder(address: str) -> None:
    (path,) = json.loads(upload(address, "own.txt", b"mine")[1])
    with opened_folder() as other:
        assert other.parent == Path(tempfile.gettempdir()).resolve()
        assert Path(path).exists()
    assert not other.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::1", "[::1]", "localhost"])
def test_it_listens_where_it_is_told_and_answers_there(host: str) -> None:
    with serving(Cues(), Limits(), host=host, port=free_port(), allowed_hosts=["box"]) as where:
        port = where.rstrip("/").rsplit(":", 1)[1]
        assert fetch(where)[0] == 200
        assert fetch(where, headers={"Host": "box"})[0] == 200
        assert fetch(where, headers={"Host": f"evil.org:{port}"})[0] == 403
        assert fetch(where, headers={"Host": f"10.0.0.1:{port}"})[0] == (200 if host == "0.0.0.0" else 403)
