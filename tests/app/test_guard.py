"""The door before the server, without a server."""

import asyncio
import json
from typing import Any

import pytest

from crispseg.app.guard import Guard, Message, Receive, Scope, Send


def ask(
    path: str, body: bytes = b"", *, method: str = "POST", pieces: int = 1
) -> tuple[int, dict[bytes, bytes], bytes]:
    """Status, headers and body of the answer; what is let through is answered by what it was asked."""
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

    asyncio.run(Guard(echo)({"type": "http", "method": method, "path": path}, receive, send))
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


def test_a_message_is_no_way_to_upload() -> None:
    long = b'{"data": "' + b"x" * 1_000_000 + b'"}'
    assert ask("/gradio_api/queue/join", long, pieces=20)[0] == 413
    assert ask("/gradio_api/upload", long, pieces=20)[0] == 200  # Gradio counts these itself


@pytest.mark.parametrize("body", [b"no json", b"[" * 100_000, b""])
def test_what_is_no_message_is_left_to_the_server(body: bytes) -> None:
    assert ask("/gradio_api/reset", body)[2] == body
