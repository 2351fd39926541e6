"""Links from names in code to the reference: in pages through `pages.py`, in docstrings as a Griffe extension."""

import re
from typing import Any

import griffe

_NAME = re.compile(r"`(crispseg(?:\.\w+)+)`")


def referred(text: str) -> str:
    """Turn every name in code into a reference; names that the site does not describe stay plain code."""
    return _NAME.sub(lambda match: _reference(match[1]), text)


def _reference(name: str) -> str:
    """Return a reference to a name, in which lines may break after a dot so that it fits narrow columns."""
    shown = name.replace(".", ".<wbr>")
    return f'<autoref optional identifier="{name}"><code>{shown}</code></autoref>'


class Docstrings(griffe.Extension):
    """Link names in docstrings, and rename the section of examples as Griffe expects it."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401 - Griffe's
        """Update the docstring of an object."""
        if obj.docstring:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = referred(text)
