"""The door before the server, without a server."""

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from crispseg.app.callers import Callers
from crispseg.app.guard import Guard, Message, Receive, Scope, Send
from crispseg.app.storage import Storage
from crispseg.errors import InputError

OWN = {"host": "127.0.0.1:7860"}


def ask(
    path: str,
    body: bytes = b"",
    *,
    method: str = "POST",
    pieces: int = 1,
    headers: dict[str, str] = OWN,
    storage: Storage | None = None,
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer; what is let through is answered by what it was asked."""
    given = [(name.encode(), value.encode()) for name, value in (OWN | headers).items()]
    if "content-length" not in headers:
        given.append((b"content-length", str(len(body)).encode()))
    scope = {"type": "http", "method": method, "path": path, "headers": given}
    guarded = Callers.of("127.0.0.1", 7860), storage or Storage(Path("none"), 10**7)
    size = max(-(-len(body) // pieces), 1)
    waiting = [body[start : start + size] for start in range(0, len(body), size)] or [b""]
    sent: list[Message] = []

    async def receive() -> Message:
        piece = waiting.pop(0)
        return {"type": "http.request", "body": piece, "more_body": bool(waiting)}

    async def send(message: Message) -> None:
        sent.append(message)

    async def echo(scope: Scope, receive: Receive, send: Send) -> None:
        heard, more = b"", True
        while more:
            message = await receive()
            heard, more = heard + message["body"], message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body", "body": heard})

    asyncio.run(Guard(echo, *guarded)(scope, receive, send))
    return sent[0]["status"], dict(sent[0]["headers"]), sent[1]["body"]


def message(path: str) -> bytes:
    file: dict[str, Any] = {"path": path, "url": "http://localhost/gradio_api/file=/uploads/a.png"}
    return json.dumps({"data": [[1, file], None], "fn_index": 0}).encode()


def test_a_message_goes_through_whole_and_comes_back_with_headers() -> None:
    body = message("/uploads/a.png")
    status, headers, heard = ask("/gradio_api/queue/join", body, pieces=3)
    assert (status, heard) == (200, body)
    assert headers[b"x-own"] == b"1"
    assert headers[b"content-security-policy"].startswith(b"default-src 'self'")
    assert headers[b"x-content-type-options"] == b"nosniff"


@pytest.mark.parametrize("path", ["http://10.0.0.1/x.png", "https://example.org/x.png", " HTTP://example.org/x"])
def test_an_address_in_place_of_an_upload_is_refused(path: str) -> None:
    status, headers, reason = ask("/gradio_api/queue/join", message(path), pieces=2)
    assert status == 403
    assert b"upload the file" in reason
    assert b"content-security-policy" in headers


@pytest.mark.parametrize(
    "path",
    [
        "/gradio_api/file=http://example.org/x.png",
        "/gradio_api/file=HTTPS://example.org/x.png",
        "/file/http://example.org",
        "/gradio_api/proxy=https://example.org",
    ],
)
def test_nothing_is_fetched_from_elsewhere(path: str) -> None:
    assert ask(path, method="GET")[0] == 403


def test_a_file_of_ours_is_served() -> None:
    assert ask("/gradio_api/file=/uploads/http.png", method="GET")[0] == 200


def test_a_message_is_no_way_to_upload(tmp_path: Path) -> None:
    long = b'{"data": "' + b"x" * 1_000_000 + b'"}'
    assert ask("/gradio_api/queue/join", long, pieces=20)[0] == 413
    assert (
        ask("/gradio_api/upload", long, pieces=20, storage=Storage(tmp_path, 10**7))[0] == 200
    )  # Gradio counts these itself


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/gradio_api/run/predict"),
        ("POST", "/gradio_api/call/predict"),
        ("POST", "/gradio_api/process_recording"),
        ("POST", "/login"),
        ("PUT", "/gradio_api/upload"),
        ("OPTIONS", "/gradio_api/upload"),
        ("DELETE", "/"),
    ],
)
def test_what_the_page_has_no_need_of_is_refused(method: str, path: str) -> None:
    assert ask(path, b"{}", method=method)[0] == 405


FOREIGN = {
    "a form of another page": {"origin": "https://evil.org"},
    "a form in a sandbox": {"origin": "null"},
    "another page of this machine": {"origin": "http://localhost:8888"},
    "a name that was rebound": {"host": "evil.org:7860", "origin": "http://evil.org:7860"},
    "a name that was rebound, without an origin": {"host": "evil.org:7860"},
    "an address": {"host": "10.0.0.1:7860"},
    "our name at another port": {"host": "localhost:80"},
    "our name before another": {"host": "localhost:7860.evil.org"},
    "our name as a user": {"host": "localhost:7860@evil.org"},
    "no host": {"host": ""},
    "a browser that tells the site alone": {"sec-fetch-site": "cross-site"},
    "another port of this site": {"sec-fetch-site": "same-site"},
    "an extension": {"origin": "chrome-extension://abc"},
    "an origin that is none": {"origin": "localhost:7860"},
}


@pytest.mark.parametrize("path", ["/gradio_api/upload", "/gradio_api/queue/join", "/"])
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
@pytest.mark.parametrize("who", FOREIGN)
def test_what_another_page_sends_is_refused(who: str, method: str, path: str) -> None:
    status, headers, _ = ask(path, b"{}", method=method, headers=FOREIGN[who])
    assert status == 403
    assert not any(name.startswith(b"access-control") for name in headers)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "http://127.0.0.1:7860", "sec-fetch-site": "same-origin"},
        {"host": "LOCALHOST:7860", "origin": "http://localhost:7860"},
        {"host": "[::1]:7860", "origin": "http://[::1]:7860"},
        {"origin": "http://localhost:7860", "sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "none"},
    ],
)
def test_the_page_itself_may_send(headers: dict[str, str]) -> None:
    assert ask("/gradio_api/queue/join", b"{}", headers=headers)[0] == 200


def test_a_link_to_the_page_may_be_followed() -> None:
    followed = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert ask("/", method="GET", headers=followed)[0] == 200
    assert ask("/gradio_api/queue/join", b"{}", headers=followed)[0] == 403


def test_a_host_that_is_forwarded_is_looked_at_too() -> None:
    """The server believes it: a page that named itself so was told to answer there."""
    assert ask("/", method="GET", headers=OWN | {"x-forwarded-host": "evil.org"})[0] == 403
    assert ask("/", method="GET", headers=OWN | {"x-forwarded-host": OWN["host"]})[0] == 200


@pytest.mark.parametrize("headers", [OWN, OWN | {"origin": "http://evil.org"}])
def test_a_socket_is_closed(headers: dict[str, str]) -> None:
    sent: list[Message] = []

    async def send(message: Message) -> None:
        sent.append(message)

    async def never(*_: object) -> Any:
        raise AssertionError("a socket was passed on")

    scope = {"type": "websocket", "path": "/", "headers": [(k.encode(), v.encode()) for k, v in headers.items()]}
    guard = Guard(never, Callers.of("127.0.0.1", 7860), Storage(Path("none"), 1))
    asyncio.run(guard(scope, never, send))
    assert [message["type"] for message in sent] == ["websocket.close"]


@pytest.mark.parametrize(
    ("host", "named", "answered", "refused"),
    [
        ("127.0.0.1", (), ["127.0.0.1:7860", "localhost:7860", "[::1]:7860"], ["10.0.0.1:7860", "127.0.0.1"]),
        ("::1", (), ["[::1]:7860", "localhost:7860"], ["[::2]:7860"]),
        ("localhost", ["Proxy.example"], ["proxy.example", "proxy.example:443"], ["example:7860", "x.proxy.example"]),
        (
            "0.0.0.0",
            (),
            ["10.0.0.1:7860", "localhost:7860", "[fe80::1]:7860"],
            ["10.0.0.1", "box:7860", "evil.org:7860"],
        ),
        ("0.0.0.0", ["box"], ["box:7860", "box", "10.0.0.1:7860"], ["box.evil.org:7860"]),
    ],
)
def test_a_page_answers_to_its_own_names(host: str, named: list[str], answered: list[str], refused: list[str]) -> None:
    callers = Callers.of(host, 7860, named)
    assert [name for name in answered if not callers.answers_as(name)] == []
    assert [name for name in refused if callers.answers_as(name)] == []


def test_an_origin_at_an_address_is_foreign_where_all_addresses_are_answered() -> None:
    callers = Callers.of("0.0.0.0", 7860)
    host = (b"host", b"10.0.0.1:7860")
    assert callers.refusal("POST", [host, (b"origin", b"http://10.0.0.1:7860")]) is None
    assert callers.refusal("POST", [host, (b"origin", b"http://6.6.6.6:7860")]) is not None
    assert callers.refusal("POST", [host, host]) is not None
    assert callers.refusal("POST", [host, (b"origin", b"http://10.0.0.1:7860"), (b"origin", b"null")]) is not None


@pytest.mark.parametrize("name", ["http://box", "box:80", "", "a b", "box/"])
def test_an_allowed_host_is_a_name(name: str) -> None:
    with pytest.raises(InputError, match=r"allowed host is .*; expected a name alone"):
        Callers.of("127.0.0.1", 7860, [name])


def test_a_host_that_is_none_is_said() -> None:
    with pytest.raises(InputError, match=r"cannot listen on no\.such.host.invalid"):
        Callers.of("no.such.host.invalid", 7860)


def test_an_upload_says_how_long_it_is_and_there_is_room_for_it(tmp_path: Path) -> None:
    storage = Storage(tmp_path, 1000)
    for length in ("", "-1", "many", "1e3"):
        assert ask("/gradio_api/upload", b"x", headers={"content-length": length}, storage=storage)[0] == 411
    for length in ("1001", "9" * 5000):
        assert ask("/gradio_api/upload", b"x", headers={"content-length": length}, storage=storage)[0] == 413
    assert ask("/gradio_api/upload", b"x" * 1000, storage=storage)[0] == 200


def test_the_oldest_files_make_room_and_torn_ones_go(tmp_path: Path) -> None:
    storage = Storage(tmp_path, 3 * 2**20)
    for age, name in enumerate(("c", "b", "a", "tiny")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "file").write_bytes(b"x" * (2**20 if name != "tiny" else 1))
        os.utime(tmp_path / name / "file", (age, age))
    (tmp_path / "torn").write_bytes(b"half of an upload")
    (tmp_path / "lock").write_bytes(b"")
    with storage.upload(2**20) as has_room:
        assert has_room
        assert sorted(path.parent.name for path in tmp_path.glob("*/file")) == ["a", "tiny"]
        with storage.upload(2**21 + 1) as more:
            assert not more
    assert not (tmp_path / "torn").exists()
    assert (tmp_path / "lock").exists()


@pytest.mark.parametrize("body", [b"no json", b"[" * 100_000, b""])
def test_what_is_no_message_is_left_to_the_server(body: bytes) -> None:
    assert ask("/gradio_api/reset", body)[2] == body


@pytest.mark.parametrize("name", [None, "", "..", "/", "a/..", "a.png", "nul\0.png", "x" * 300 + ".png"])
def test_a_name_that_no_file_can_have_leaves_an_upload_as_it_is(tmp_path: Path, name: str | None) -> None:
    upload = tmp_path / "hash" / "a.png"
    upload.parent.mkdir()
    upload.write_bytes(b"pixels")
    assert Storage(tmp_path, 10**7).named(upload, name) == upload


@pytest.mark.parametrize(("name", "own"), [('a "b" $c.png', 'a "b" $c.png'), ("../../b.png", "b.png")])
def test_an_upload_gets_the_name_that_its_visitor_knows(tmp_path: Path, name: str, own: str) -> None:
    upload = tmp_path / "hash" / "a b c.png"
    upload.parent.mkdir()
    upload.write_bytes(b"pixels")
    named = Storage(tmp_path, 10**7).named(upload, name)
    assert (named.name, named.parent.parent, named.read_bytes()) == (own, tmp_path, b"pixels")
