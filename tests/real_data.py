"""Real images and labels, which developers keep beside the repository; they are never part of it."""

from pathlib import Path

import pytest

DATA = Path(__file__).parents[2] / "shared" / "data"


def needs(*parts: str) -> pytest.MarkDecorator:
    """Skip a test if a part of the data is missing, as in a plain checkout."""
    path = DATA.joinpath(*parts)
    return pytest.mark.skipif(
        not path.exists(), reason=f"needs real data, {'/'.join(parts)}, which are not distributed"
    )
