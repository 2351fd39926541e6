"""The rows of a table that are chosen, and those that are left out."""

import pytest

from crispseg import InputError
from crispseg.comparison.rows import ROWS
from crispseg.comparison.table import _installed, choose_rows


def test_rows_come_with_what_they_build_on() -> None:
    chosen, left_out = choose_rows(["fast embedding, tuned + RankSEG"], boundaries=False)
    assert [row.name for row in chosen] == ["baseline", "fast embedding, tuned", "fast embedding, tuned + RankSEG"]
    assert not left_out


def test_rows_without_their_input_are_left_out_with_a_word(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crispseg.comparison.table.find_spec", lambda name: None if name == "pydensecrf" else True)
    chosen, left_out = choose_rows(None, boundaries=False)
    assert len(chosen) + len(left_out) == len(ROWS)
    assert left_out["contours 9x9 x1"] == "there are no boundary maps"
    assert "pydensecrf is not installed" in left_out["dense CRF"]
    assert "embedding 9x9 x7 + dense CRF" in left_out
    with pytest.raises(InputError, match=r"row 'contours 9x9 x1' .*: there are no boundary maps"):
        choose_rows(["contours 9x9 x1"], boundaries=False)


def test_a_part_of_a_package_may_be_missing() -> None:
    assert _installed("cv2.ximgproc")
    assert not _installed("cv2.no_such_part")
    assert not _installed("no_such_package.part")
