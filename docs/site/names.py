"""Names in code lead to the reference: for pages by `pages.py`, for docstrings as an extension of Griffe."""

import re
from typing import Any

import griffe

_NAME = re.compile(r"`(crispseg(?:\.\w+)+)`")


def referred(text: str) -> str:
    """Make every name in code a reference, which is plain code again where the site does not describe the name."""
    return _NAME.sub(lambda match: _reference(match[1]), text)


def _reference(name: str) -> str:
    """A line may break after a dot, where a column of a table is narrow."""
    shown = name.replace(".", ".<wbr>")
    return f'<autoref optional identifier="{name}"><code>{shown}</code></autoref>'


class Docstrings(griffe.Extension):
    """Refer to names, and call examples what Griffe calls them."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:  # noqa: ANN401 - Griffe's
        """Change the docstring of every object."""
        if obj.docstring:
            text = re.sub(r"^Example:$", "Examples:", obj.docstring.value, flags=re.MULTILINE)
            obj.docstring.value = referred(text)
