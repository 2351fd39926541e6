"""Requests to a page that is served."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

from crispseg.app.settings import control_value, offered_cue
from crispseg.config import options


def fetch(
    url: str, data: bytes | None = None, kind: str = "application/json", headers: Mapping[str, str] | None = None
) -> tuple[int, bytes]:
    given = {"Content-Type": kind} if data is not None else {}
    request = urllib.request.Request(url, data, given | dict(headers or {}))
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def upload(address: str, name: str, content: bytes, headers: Mapping[str, str] | None = None) -> tuple[int, bytes]:
    head = f'--limit\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
    body = head.encode() + content + b"\r\n--limit--\r\n"
    return fetch(f"{address}gradio_api/upload", body, "multipart/form-data; boundary=limit", headers)


def controls(cue: str = "rgb", **values: Any) -> list[Any]:
    """Return what a browser sends of the session and the controls."""
    config = offered_cue(cue).start.replaced(hardness=5)
    return [
        None,
        *({name: control_value(name, config) for name, _ in options()} | values).values(),
        "classes",
        "numbers",
        "changed",
    ]


def tell(address: str, element: str, event: str, given: list[Any], visitor: str, **values: Any) -> bytes:
    """Send an event with the cue of colours and other values of some controls; return the answer of the page."""
    config = json.loads(fetch(f"{address}config")[1])
    (part,) = (part["id"] for part in config["components"] if part["props"].get("elem_id") == element)
    number = next(one["id"] for one in config["dependencies"] if one["targets"] == [[part, event]])
    body = {"data": [*given, *controls(**values)], "fn_index": number, "session_hash": visitor}
    assert fetch(f"{address}gradio_api/queue/join", json.dumps(body).encode())[0] == 200
    return fetch(f"{address}gradio_api/queue/data?session_hash={visitor}")[1]


def uploaded(address: str, name: str, content: bytes) -> dict[str, Any]:
    """An uploaded file as a message names it."""
    return {"path": json.loads(upload(address, name, content)[1])[0], "meta": {"_type": "gradio.FileData"}}
