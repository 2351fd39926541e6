"""The settings that a run notes, so that a resumed one goes on only with parts that were made in the same way."""

import json
from collections.abc import Mapping
from typing import Any

from crispseg.errors import InputError
from crispseg.versions import __version__


def with_version(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings with the version of crispseg, another of which may make something else of them."""
    return {"crispseg": __version__, **settings}


def check_same(what: str, there: Mapping[str, Any], settings: Mapping[str, Any], remedy: str) -> None:
    """Refuse to resume a run that had other settings.

    Args:
        what: The output, for the message.
        there: The settings of the earlier run, as JSON gives them.
        settings: The settings of now.
        remedy: What to do if they differ.

    Raises:
        InputError: If they differ.
    """
    now = json.loads(json.dumps(settings))
    names = sorted(name for name in {*there, *now} if there.get(name) != now.get(name))
    if names:
        differing = ", ".join(f"{name} {_short(there.get(name))} there, {_short(now.get(name))} now" for name in names)
        raise InputError(f"{what}: was made with other settings ({differing}); {remedy}")


def _short(value: object) -> str:
    return text if len(text := str(value)) <= 80 else f"{text[:8]}…"
