"""The allocator keeps freed memory for the next image, until images turn out to differ in size."""

import os

import pytest

from crispseg import process_memory
from crispseg.process_memory import keep_freed, mapped_blocks, settle

MIB = 2**20
ARENAS, MMAP_THRESHOLD, TRIM_THRESHOLD = -8, -3, -1  # of mallopt, in malloc.h
ALL_KEPT = [("mallopt", ARENAS, 1), ("mallopt", MMAP_THRESHOLD, 32 * MIB), ("mallopt", TRIM_THRESHOLD, 2**31 - 1)]


class Allocator:
    """Notes what it is told; the memory of the process is what the test says."""

    def __init__(self) -> None:
        self.calls: list[tuple[str | int, ...]] = []
        self.held = 100 * MIB

    def find(self, name: str) -> object:
        return lambda *arguments: self.calls.append((name, *arguments))


@pytest.fixture
def allocator(monkeypatch: pytest.MonkeyPatch) -> Allocator:
    allocator = Allocator()
    monkeypatch.setattr(process_memory, "_kept", None)
    monkeypatch.setattr(process_memory, "_of_the_allocator", allocator.find)
    monkeypatch.setattr(process_memory, "is_counted", lambda: True)
    monkeypatch.setattr(process_memory, "resident_bytes", lambda: allocator.held)
    return allocator


def test_nothing_changes_for_who_did_not_ask(allocator: Allocator) -> None:
    for _ in range(5):
        settle()
        allocator.held *= 2
    assert allocator.calls == []


def test_freed_blocks_are_kept(allocator: Allocator) -> None:
    keep_freed()
    assert allocator.calls == ALL_KEPT


def test_images_that_are_alike_change_nothing(allocator: Allocator) -> None:
    keep_freed()
    for held in (100, 200, 210, 190, 219, 200):  # the first one has made what all use; 10 % more is nothing
        allocator.held = held * MIB
        settle()
    assert allocator.calls == ALL_KEPT


def test_where_memory_grows_larger_blocks_go_back_from_then_on(allocator: Allocator) -> None:
    keep_freed()
    for held in (100, 200, 221):
        allocator.held = held * MIB
        assert allocator.calls == ALL_KEPT
        settle()
    unlike = [("malloc_trim", 0), ("mallopt", MMAP_THRESHOLD, MIB)]
    assert allocator.calls == [*ALL_KEPT, *unlike]
    for held in (300, 400):
        allocator.held = held * MIB
        settle()
    assert allocator.calls == [*ALL_KEPT, *unlike], "once is enough"


def test_where_memory_is_not_counted_freed_blocks_are_kept(
    allocator: Allocator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(process_memory, "is_counted", lambda: False)
    keep_freed()
    settle()
    assert allocator.calls == ALL_KEPT


def test_other_allocators_are_let_alone(allocator: Allocator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_memory, "_of_the_allocator", lambda _name: None)
    keep_freed()
    settle()
    assert allocator.calls == []


@pytest.mark.skipif(not process_memory.is_counted(), reason="this system does not tell the memory of a process")
def test_the_allocator_of_linux_understands() -> None:
    mallopt = process_memory._of_the_allocator("mallopt")
    if mallopt is None:
        pytest.skip("another allocator than that of the GNU C library")
    assert mallopt(MMAP_THRESHOLD, 32 * MIB) == 1


def test_processes_that_are_started_map_every_larger_block(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", "7")
    monkeypatch.delenv("MALLOC_TOP_PAD_", raising=False)
    with mapped_blocks():
        assert int(os.environ["MALLOC_MMAP_THRESHOLD_"]) == 65536
        assert os.environ["MALLOC_TRIM_THRESHOLD_"] == os.environ["MALLOC_TOP_PAD_"] == "0"
    assert os.environ["MALLOC_TRIM_THRESHOLD_"] == "7"
    assert "MALLOC_TOP_PAD_" not in os.environ
