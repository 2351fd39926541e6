"""The benchmark remembers each commit, and names what became slower by more than the machine did."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import machine
from benchmarks.__main__ import main
from benchmarks.cases import OURS_NCHW, SHIFT, UNFOLD
from benchmarks.contenders import OURS
from benchmarks.floors import Rates
from benchmarks.history import FLOOR, RowKey, RowTimes, StoredRun, history_of, recalled, remember, run_named, slowdowns
from crispseg.errors import InputError

LOSS, FILTER, WHOLE = (RowKey("a problem", row, "forward") for row in ("loss", "filter", "whole"))


def run_of(commit: str, slower: float = 1.0, *, load: float = 1.0, dirty: bool = False) -> StoredRun:
    """A run whose times of ours are longer by a factor, and everything by another."""
    long = slower * load
    times = {
        LOSS: RowTimes(
            {OURS: 10 * long, OURS_NCHW: 11 * load}, {UNFOLD: 900 * load, SHIFT: 30 * load, FLOOR: 5 * load}
        ),
        FILTER: RowTimes({OURS: 20 * long}, {FLOOR: 12 * load}),
        WHOLE: RowTimes({OURS: 80 * long}),
    }
    rates = Rates(multiply_adds=1e11 / load, bandwidth=3e10 / load)
    return StoredRun(commit, dirty, "2026-11-28", {"torch": "2.14.1"}, rates, times)


def test_only_what_slowed_down_more_than_the_machine_is_slower() -> None:
    now = run_of("b", 1.3, load=2)
    now.rows[LOSS].beside[UNFOLD] /= 3  # a contender that the load spared does not make us slower
    found = {(each.key, each.by): each for each in slowdowns(now, run_of("a"))}
    assert found[FILTER, OURS].beside == FLOOR
    assert {key: round(each.ratio, 6) for key, each in found.items()} == {
        (LOSS, OURS): 1.3,
        (LOSS, OURS_NCHW): 1.0,
        (FILTER, OURS): 1.3,
        (WHOLE, OURS): 1.3,
    }


def test_what_makes_the_least_of_a_change_counts() -> None:
    now = replace(run_of("b", 1.4), rates=Rates(multiply_adds=1e11, bandwidth=3e10 / 1.4))
    now.rows[LOSS].beside[SHIFT] *= 1.4
    found = {each.key: each for each in slowdowns(now, run_of("a")) if each.by == OURS}
    assert {key: each.beside for key, each in found.items()} == {LOSS: SHIFT, FILTER: FLOOR, WHOLE: "bytes a second"}
    assert {key: each.ratio for key, each in found.items()} == pytest.approx({LOSS: 1, FILTER: 1.4, WHOLE: 1})


def test_a_row_without_a_time_any_more_is_slower() -> None:
    now = run_of("b")
    now.rows[LOSS].ours.pop(OURS)
    assert [(each.key, each.ratio) for each in slowdowns(now, run_of("a")) if each.ratio > 1] == [(LOSS, math.inf)]


def test_a_commit_has_one_line_and_its_changes_another(tmp_path: Path) -> None:
    path = tmp_path / "machine.history.jsonl"
    for run in (run_of("aaaa1"), run_of("bbbb2", dirty=True), run_of("bbbb2"), run_of("aaaa1", 2.0)):
        remember(path, run)
    assert [str(run).split()[0] for run in recalled(path)] == ["bbbb2-dirty", "bbbb2", "aaaa1"]
    assert run_named("bbbb2", path) == run_of("bbbb2")
    assert run_named("aaaa1", path) == run_of("aaaa1", 2.0)
    assert run_named(str(path), tmp_path / "other") == run_of("aaaa1", 2.0)
    with pytest.raises(InputError, match=r"--against is 'cccc'; .*bbbb2, aaaa1"):
        run_named("cccc", path)
    path.write_text(path.read_text() + "<<<<<<<\n")
    with pytest.raises(InputError, match=r"line 4.*remove"):
        recalled(path)


def test_the_exit_code_and_a_table_tell_what_became_slower(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = history_of(tmp_path, machine.slug("cpu"))
    asked = ["--stored", "--output", str(tmp_path)]
    assert main(asked) == 2
    assert "measure first" in capsys.readouterr().out
    for run in (run_of("aaaa1"), run_of("bbbb2", 1.1), run_of("cccc3", 1.3, load=3)):
        remember(path, run)
    assert main(asked) == 3
    out = capsys.readouterr().out
    assert "3 of 4 times slower by more than 15 %: cccc3" in out
    assert "floor" in out
    assert main([*asked, "--threshold", "25"]) == 0  # than bbbb2
    assert main([*asked, "--threshold", "25", "--against", "aaaa1"]) == 3


def test_an_old_report_can_be_compared_with(tmp_path: Path) -> None:
    folder = Path(__file__).parents[1] / "benchmarks" / "results"
    reports = [path for path in folder.glob("*.json") if not path.stem.endswith("-table")]  # of benchmarks.gpu
    assert reports
    for report in reports:
        run = run_named(str(report), tmp_path / "none")
        assert run.commit == json.loads(report.read_text())["machine"]["commit"].removesuffix("-dirty")
        assert all(slow.ratio == 1 for slow in slowdowns(run, run))
        assert any(FLOOR in times.beside for times in run.rows.values())
