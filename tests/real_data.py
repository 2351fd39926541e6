"""Real images and labels, which lie beside the repository on machines of its developers and are never part of it."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def needs(*parts: str) -> pytest.MarkDecorator:
    """Skip a test where a part of the data is not there, as in a plain checkout."""
    path = DATA.joinpath(*parts)
    return pytest.mark.skipif(
        not path.exists(), reason=f"needs real data, {'/'.join(parts)}, which are not distributed"
    )
