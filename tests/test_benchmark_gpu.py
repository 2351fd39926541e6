"""The table of a GPU runs anywhere in small, keeps what it measured, and holds its time."""

import importlib.util
import json
import time
from pathlib import Path

import pytest
import torch

from benchmarks import gpu, gpu_rows
from benchmarks.attention import PACKAGES, flex_filter, neighbour_mask
from benchmarks.contenders import OURS
from benchmarks.floors import work_of_levels
from crispseg import Sharpener, Window, ops
from crispseg.window import Level

QUICK = ["--device", "cpu", "--quick"]

flex = pytest.mark.skipif(
    importlib.util.find_spec("torch.nn.attention.flex_attention") is None, reason="PyTorch 2.4 has no FlexAttention"
)
eager = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")


def test_a_quick_table_holds_every_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []
    windows: list[Window] = []

    def attend(embedding: torch.Tensor, scores: torch.Tensor, window: Window, passes: int) -> torch.Tensor:
        windows.append(window)
        return scores

    monkeypatch.setattr(gpu_rows, "flex_filter", attend)  # it starts in seconds; it has tests of its own
    monkeypatch.setitem(PACKAGES, "FlexAttention", "torch")
    monkeypatch.setitem(PACKAGES, "NATTEN", "no.such.package")

    def gate(operation: str, seconds: float) -> str:
        asked.append(operation)
        assert 0 < seconds < 180
        return "contract red" if operation == "rebalance" else "contract green"

    assert gpu.main([*QUICK, "--output", str(tmp_path)], gate=gate) == 1
    report = json.loads(next(tmp_path.glob("*-table.json")).read_text())
    assert asked == list(report["contracts"])
    names = [row.name for row in gpu_rows.rows("cpu", quick=True)]
    assert list(dict.fromkeys(row["row"] for row in report["rows"])) == names
    for row in report["rows"]:
        if row["row"].startswith("sharpener"):
            assert row["no_time"] == "contract red: rebalance"
        elif row["by"] == "NATTEN":
            assert row["no_time"] == "not installed"
        else:
            assert row["milliseconds"]["median"] > 0, row
            assert row.get("floor", 1) > 0, row  # of rates measured beside other work, so it may exceed the time
    assert {*Sharpener.from_pretrained().window, Window(3)} == set(windows)
    markdown = next(tmp_path.glob("*-table.md")).read_text()
    assert all(name in markdown for name in names)
    assert " %" in markdown
    assert "rebalance: contract red" in capsys.readouterr().out


def test_what_time_ends_is_kept_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def rows(device: str, *, quick: bool) -> list[gpu_rows.GpuRow]:
        def row(name: str, call: object) -> gpu_rows.GpuRow:
            return gpu_rows.GpuRow(name, (), lambda: ({OURS: call}, {}))  # type: ignore[dict-item]

        def broken() -> tuple[torch.Tensor, ...]:
            raise ValueError("no kernel for this card\nmore")

        return [row("broken", broken), row("long", lambda: time.sleep(4)), row("late", "not installed")]

    monkeypatch.setattr(gpu, "rows", rows)
    arguments = [*QUICK, "--minutes", "0.005", "--output", str(tmp_path)]
    start = time.monotonic()
    assert gpu.main(arguments, gate=lambda *_: "contract green") == 1
    assert time.monotonic() - start < 4
    report = json.loads(next(tmp_path.glob("*-table.json")).read_text())
    assert [row["no_time"] for row in report["rows"]] == [
        "failed: ValueError: no kernel for this card",
        "not reached",
        "not reached",
    ]
    assert "2 rows not reached in 0.005 minutes" in capsys.readouterr().out


@pytest.mark.slow  # FlexAttention compiles even here
@flex
@eager
@pytest.mark.parametrize("window", [Window(3), Window(3, dilation=2)])
def test_flex_attention_attends_to_the_window(window: Window) -> None:
    embedding, scores = torch.rand(1, 5, 6, 7), torch.rand(1, 2, 6, 7)
    inside = ops.local_distance(torch.zeros(1, 1, 6, 7), window).isfinite()[0]
    keys = embedding.flatten(2)[0].T
    among = (keys @ keys.T / 16**0.5).masked_fill(~_pairs(inside, window), -torch.inf).softmax(1)
    expected = (among @ among @ scores.flatten(2)[0].T).T.reshape(scores.shape)
    torch.testing.assert_close(flex_filter(embedding, scores, window, 2), expected)


@flex
def test_blocks_of_neighbours_hold_every_pair_in_the_window() -> None:
    window, height, width = Window(5, dilation=4), 40, 33
    mask = neighbour_mask(height, width, window, torch.device("cpu"))
    inside = ops.local_distance(torch.zeros(1, 1, height, width), window).isfinite()[0]
    needed = torch.zeros(11 * 128, 11 * 128, dtype=torch.bool)
    needed[: height * width, : height * width] = _pairs(inside, window)
    needed = needed.reshape(11, 128, 11, 128).any(3).any(1)
    kept = mask.to_dense()[0, 0].bool()
    assert kept[needed].all()
    assert not kept.all()


def _pairs(inside: torch.Tensor, window: Window) -> torch.Tensor:
    """(H·W, H·W): which pixel has which in its window, given which of its neighbours are in the image."""
    _, height, width = inside.shape
    pixels = torch.arange(height * width).reshape(height, width)
    pairs = torch.zeros(height * width, height * width, dtype=torch.bool)
    for k, (down, right) in enumerate(window.offsets):
        pairs[pixels[inside[k]], pixels[inside[k]] + down * width + right] = True
    return pairs


def test_the_work_of_levels_counts_pairs_inside_the_image() -> None:
    level = Level(Window(3), passes=2, score_weight=0.5)
    work = work_of_levels([level, level], (2, 3), channels=4, compared=3, values=5)
    # Of 6 pixels, the 4 in the corners reach 4 and the 2 between them 6: 28 with the centres, 11 pairs without.
    assert work.operations == 2 * (2 * (4 + 3) * 11 + 2 * 28 * 5)
    assert work.bytes == 2 * 4 * 6 * (4 + 3 + 2 * 5)
