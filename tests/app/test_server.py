"""The server keeps to itself: its address, its files, its limits."""

import json
import re
import socket
import sys
from pathlib import Path

import pytest

from crispseg.app import server
from crispseg.app.limits import Limits
from crispseg.app.server import serving
from crispseg.app.settings import Cues
from crispseg.cli.main import main
from crispseg.cli.parsers import app
from crispseg.errors import InputError
from tests.app.requests import controls, fetch, upload


def test_the_page_names_nobody_else(address: str) -> None:
    status, page = fetch(address)
    assert status == 200
    loaded = re.findall(rb"""<(?:script|link|img|iframe)[^>]*(?:src|href)=["'](?:https?:)?//[^"']+""", page)
    assert loaded == []
    assert b"googleapis" not in fetch(f"{address}theme.css")[1]
    assert json.loads(fetch(f"{address}config")[1])["analytics_enabled"] is False


@pytest.mark.parametrize(
    "path",
    [
        "/etc/passwd",
        "../../../../../../etc/passwd",
        "..%2f..%2f..%2f..%2fetc%2fpasswd",
        "/proc/self/environ",
        "//etc/passwd",
        "{folder}/../../etc/passwd",
        "{folder}",
        "{source}",
    ],
)
def test_no_file_is_served_but_those_of_the_page(address: str, path: str) -> None:
    status, uploaded = upload(address, "own.txt", b"mine")
    assert status == 200
    own = Path(json.loads(uploaded)[0])
    assert fetch(f"{address}gradio_api/file={own}") == (200, b"mine")
    asked = path.format(folder=own.parents[1], source=Path(server.__file__))
    for route in ("gradio_api/file=", "file=", "gradio_api/file/", "static/", "assets/"):
        status, content = fetch(f"{address}{route}{asked}")
        assert status in {400, 403, 404, 405}, route
        assert b"root:" not in content
        assert b"GRADIO" not in content


@pytest.mark.parametrize("name", ["../../../evil.png", "/etc/evil.png", "..\\evil.png", "a/../../b.png"])
def test_an_upload_lands_in_its_folder(address: str, name: str) -> None:
    status, uploaded = upload(address, name, b"content")
    assert status == 200
    path = Path(json.loads(uploaded)[0])
    assert path.resolve() == path
    assert path.parents[1].name.startswith("crispseg-app-")


@pytest.mark.parametrize("path", ["/etc/passwd", "{source}", "http://127.0.0.1:1/x.png"])
def test_no_message_can_name_a_file_that_was_not_uploaded(address: str, path: str) -> None:
    config = json.loads(fetch(f"{address}config")[1])
    (image,) = (part["id"] for part in config["components"] if part["props"].get("elem_id") == "image")
    (event,) = (one for one in config["dependencies"] if one["targets"] == [[image, "upload"]])
    file = {"path": path.format(source=Path(server.__file__)), "meta": {"_type": "gradio.FileData"}}
    body = {"data": [file, *controls()], "fn_index": event["id"], "session_hash": "visitor"}
    status, answer = fetch(f"{address}gradio_api/queue/join", json.dumps(body).encode())
    if path.startswith("http"):
        assert (status, answer) == (403, b"this server does not fetch files from other addresses; upload the file")
        return
    assert status == 200
    _, told = fetch(f"{address}gradio_api/queue/data?session_hash=visitor")
    assert b'"success":false' in told
    assert b"root:" not in told


def test_a_large_upload_is_refused(address: str) -> None:
    assert upload(address, "small.npy", b"\0" * 900_000)[0] == 200
    status, reason = upload(address, "large.npy", b"\0" * 1_100_000)
    assert status == 413
    assert b"1000000" in reason


def test_it_listens_on_this_machine_alone(address: str) -> None:
    port = int(address.rstrip("/").rsplit(":", 1)[1])
    assert address == f"http://127.0.0.1:{port}/"
    with socket.socket() as other:  # another address of this machine would be taken, did it listen on all
        other.bind(("127.0.0.2", port))
    assert app.build_parser().parse_args([]).host == "127.0.0.1"


def test_a_port_that_is_taken_is_named() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        message = f"cannot listen on 127.0.0.1, port {port} .*; choose another --host or --port"
        with pytest.raises(InputError, match=message), serving(Cues(), Limits(), host="127.0.0.1", port=port):
            pass


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--port", "x"], "invalid int value"),
        (["--port", "70000"], "port is 70000; expected a whole number up to 65535"),
        (["--max-total", "20"], "total is 20 MB, less than the largest upload of 50 MB"),
        (["--allow-host", "http://box"], "allowed host is 'http://box'; expected a name alone"),
        (["--max-upload", "0"], "largest upload is 0.0; expected a number above 0"),
        (["--device", "nowhere"], "device 'nowhere' cannot be used here"),
    ],
)
def test_wrong_options_end_in_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["app", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_without_gradio_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("server", "events", "answers", "page"):
        monkeypatch.delitem(sys.modules, f"crispseg.app.{name}")
    monkeypatch.setitem(sys.modules, "gradio", None)
    assert main(["app"]) == 2
    assert "install it with: pip install 'crispseg[app]'" in capsys.readouterr().err
