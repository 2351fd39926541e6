"""A guard before the server. It refuses requests that the page does not need, and keeps the browser from others."""

import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from crispseg.app.callers import Callers
from crispseg.app.storage import Storage

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_HEADERS = (
    (
        b"content-security-policy",
        b"default-src 'self' 'unsafe-inline' 'unsafe-eval' data: blob:; object-src 'none'; base-uri 'self'; "
        b"form-action 'self'; frame-ancestors 'self'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
)
"""With these a browser loads scripts, fonts and pictures from this server and from nowhere else."""

_FETCHING = ("/proxy=", "file=http:", "file=https:", "file/http:", "file/https:")
"""Addresses at which Gradio would fetch something elsewhere on behalf of whoever asks."""

_MOST_SKIPPED = 256_000_000
"""Bytes of an upload without room that are read before it is refused."""

_LONGEST_MESSAGE = 1_000_000
"""Bytes of a message that is no upload: the state of the controls, which is a few hundred."""

_UPLOAD = "/upload"
_MESSAGES = ("/queue/join", "/reset", "/cancel")
"""Where a page sends its messages to; Gradio has a dozen other places that take some."""


class Guard:
    """Middleware that keeps a Gradio server to itself.

    Requests that another page makes a visitor's browser send are refused. Gradio fetches files by their address, for
    the browser and for what a message names as an uploaded file. Both are refused, and so is a message that is too long
    to be one of the page. Uploads make room for themselves in the storage.

    Args:
        app: What is guarded.
        callers: Who may call.
        storage: Where uploads go.
    """

    def __init__(self, app: Application, callers: Callers, storage: Storage) -> None:
        self._app = app
        self._callers = callers
        self._storage = storage

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or hand it on."""
        if scope["type"] not in {"http", "websocket"}:
            await self._app(scope, receive, send)
            return
        refusal = self._callers.refusal(scope.get("method", "CONNECT"), scope["headers"])
        if scope["type"] == "websocket":  # the page has none
            await send({"type": "websocket.close", "code": 1008, "reason": refusal or "this page has no sockets"})
        elif refusal is not None:
            await _refuse(send, 403, refusal)
        else:
            await self._pass_on(scope, receive, _with_headers(send))

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        path = scope["path"].lower().rstrip("/")
        if any(part in path for part in _FETCHING):
            await _refuse(send, 403, "this server fetches nothing from elsewhere")
        elif scope["method"] in {"GET", "HEAD"}:
            await self._app(scope, receive, send)
        elif scope["method"] == "POST" and path.endswith(_UPLOAD):
            await self._pass_upload(scope, receive, send)
        elif scope["method"] == "POST" and path.endswith(_MESSAGES):
            await self._pass_message(scope, receive, send)
        else:
            await _refuse(send, 405, "the page has no need of this")

    async def _pass_upload(self, scope: Scope, receive: Receive, send: Send) -> None:
        length = dict(scope["headers"]).get(b"content-length", b"")
        if not length.isdigit():
            await _refuse(send, 411, "an upload needs a Content-Length")
            return
        with self._storage.upload(int(length[:18])) as has_room:
            if has_room:
                await self._app(scope, receive, send)
            else:
                await _skip(receive)
                await _refuse(send, 413, "not enough space for this upload; upload less at once, or try again later")

    async def _pass_message(self, scope: Scope, receive: Receive, send: Send) -> None:
        body, more = b"", True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, more = body + message.get("body", b""), message.get("more_body", False)
            if len(body) > _LONGEST_MESSAGE:
                await _refuse(send, 413, "this message is too long; use the upload for files")
                return
        if _names_address(body):
            await _refuse(send, 403, "this server does not fetch files from other addresses; upload the file")
            return
        await self._app(scope, _replay(body, receive), send)


async def _skip(receive: Receive) -> None:
    """Read a body and drop it. A browser that is still sending would report a broken connection, not our answer."""
    left = _MOST_SKIPPED
    while left > 0:
        message = await receive()
        left -= len(message.get("body", b""))
        if message["type"] == "http.disconnect" or not message.get("more_body", False):
            return


def _replay(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that gives what was read once more, and then whatever follows."""
    pending = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return pending.pop() if pending else await receive()

    return again


def _with_headers(send: Send) -> Send:
    async def send_with_headers(message: Message) -> None:
        if message["type"] == "http.response.start":
            message["headers"] = [*message.get("headers", ()), *_HEADERS]
        await send(message)

    return send_with_headers


async def _refuse(send: Send, status: int, reason: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), *_HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": reason.encode()})


def _names_address(body: bytes) -> bool:
    """Return whether a JSON message gives an address in place of the path of an uploaded file."""
    try:
        waiting = [json.loads(body)]
    except (ValueError, RecursionError):
        return False  # no message that Gradio understands
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            path = value.get("path")
            if isinstance(path, str) and path.strip().lower().startswith(("http:", "https:")):
                return True
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
    return False
