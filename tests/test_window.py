"""A window may be given as a `Window`, as its size or as its text, wherever one is taken."""

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any, is_typeddict

import pytest
import torch
from torch import Tensor

from crispseg import InputError, Window, cues, figures, metrics, nn, ops
from crispseg.cues import ContourCue, RGBCue
from crispseg.figures.embedding import compute_masks
from crispseg.inference import contributions
from crispseg.metrics.pairs import count_pairs
from crispseg.window import WindowLike, Windows, WindowsLike

MAP, LABELS = torch.rand(1, 3, 5, 6), torch.randint(0, 2, (1, 5, 6))
BOUNDARY, WEIGHTS = torch.rand(1, 1, 5, 6), torch.rand(1, 9, 5, 6)

CALLS: dict[str, Callable[[Any], Any]] = {
    "affinity_filter": lambda window: ops.affinity_filter(MAP, MAP, window, 2.0),
    "affinity_weights": lambda window: ops.affinity_weights(MAP, window, 2.0),
    "embedding_loss": lambda window: ops.embedding_loss(MAP, LABELS, window),
    "local_contour": lambda window: ops.local_contour(BOUNDARY, window),
    "local_distance": lambda window: ops.local_distance(MAP, window),
    "local_filter": lambda window: ops.local_filter(MAP, WEIGHTS, window),
    "local_parity": lambda window: ops.local_parity(LABELS, window)[0],
    "Affinity": lambda window: nn.Affinity(window, 2.0)(MAP),
    "EmbeddingLoss": lambda window: nn.EmbeddingLoss(window)(MAP, LABELS),
    "LocalFilter": lambda window: nn.LocalFilter(window)(MAP, WEIGHTS),
    "Cue.weights": lambda window: cues.Cue.weights(ContourCue(), BOUNDARY, window, 2.0),
    "ContourCue.distance": lambda window: ContourCue().distance(BOUNDARY, window),
    "EmbeddingCue.distance": lambda window: RGBCue().distance(MAP, window),
    "EmbeddingCue.weights": lambda window: RGBCue().weights(MAP, window, 2.0),
    "count_pairs": lambda window: torch.tensor(count_pairs(MAP, LABELS, window).same),
    "compute_masks": lambda window: compute_masks(MAP[0], RGBCue(), window, pixels=[(2, 2)], apart=1).learned,
}
OTHERS = {"Cue.distance", "SurfaceRow", "shifts", "Affinity.forward"}
"""An abstract method, the row of a table, a helper of the references, and what takes one of several windows."""
WITH_DATA = {"count_distances"}
"""Needs a folder of images; its signature is held against the others'."""


def modules(package: ModuleType) -> Iterator[ModuleType]:
    yield package
    for found in pkgutil.walk_packages(getattr(package, "__path__", []), f"{package.__name__}."):
        yield importlib.import_module(found.name)


def takers(package: ModuleType) -> Iterator[tuple[str, inspect.Parameter]]:
    """Every public callable of a package or module with a parameter `window`, and the parameter."""
    for module in modules(package):
        for name, value in vars(module).items():
            if name.startswith("_") or getattr(value, "__module__", None) != module.__name__ or not callable(value):
                continue
            if is_typeddict(value):  # which has no signature
                continue
            methods = vars(value).items() if inspect.isclass(value) else ()
            public = {f"{name}.{key}": one for key, one in methods if callable(one) and not key.startswith("_")}
            for path, one in {name: value, **public}.items():
                window = inspect.signature(one).parameters.get("window")
                if window is not None:
                    yield path, window


def test_every_public_callable_that_takes_a_window_is_here() -> None:
    found: dict[str, inspect.Parameter] = {}
    for package in (ops, nn, cues, metrics, figures, contributions):
        found |= takers(package)
    assert found.keys() - OTHERS == CALLS.keys() | WITH_DATA
    for name in found.keys() - OTHERS:
        assert found[name].annotation in (WindowLike, WindowsLike), name


@pytest.mark.parametrize("name", CALLS)
def test_it_takes_a_size_and_a_text(name: str) -> None:
    expected = CALLS[name](Window(3))
    for window in (3, "3", "3@1"):
        assert torch.equal(CALLS[name](window), expected)
    for wrong in (8, "x", 9.5, True, None):
        with pytest.raises(InputError, match="window"):
            CALLS[name](wrong)


@pytest.mark.parametrize("window", [Window(9), Window(1), Window(9, dilation=2), Window(2**20 - 1, dilation=2**20)])
def test_its_text_gives_it_back(window: Window) -> None:
    assert Window.of(str(window)) == window == Window.of(window)


def test_a_text_says_size_and_dilation() -> None:
    assert str(Window(9)) == "9"
    assert str(Window(9, dilation=2)) == "9@2"
    assert Window.of("9@2") == Window(9, dilation=2)


@pytest.mark.parametrize(
    ("value", "said", "expected"),
    [
        (8, "8", "odd number such as 9"),
        ("8@2", "8", "odd number such as 9"),
        ("9@0", "0", "1 or more"),
        ("x", "'x'", '"9@2"'),
        ("", "''", "odd size such as 9"),
        ("9@", "'9@'", '"9@2"'),
        (" 9", "' 9'", '"9@2"'),
        ("-9", "'-9'", "odd size such as 9"),
        ("٩", "'٩'", "odd size such as 9"),
        ("9" * 5000, "'999", "odd size such as 9"),
        (9.5, "9.5", "odd size such as 9"),
        (True, "True", "odd size such as 9"),
        (None, "None", "crispseg.Window"),
        ((9, 2), r"(9, 2)", '"9@2"'),
    ],
)
def test_what_is_no_window_is_said(value: Any, said: str, expected: str) -> None:
    with pytest.raises(InputError) as caught:
        Window.of(value)
    assert said in str(caught.value)
    assert expected in str(caught.value)


def test_several_windows_come_from_a_text_and_from_a_sequence() -> None:
    windows = Windows.of("5@4, 3@2,5")
    assert windows == Windows.of(["5@4", Window(3, dilation=2), 5]) == Windows.of(windows)
    assert Windows.of(str(windows)) == windows
    assert Windows.of(Window(3)) == (Window(3),)
    wrong: list[Any] = ["5@4,", ",", "5@4;5", [5, 8], [[5]], {}, [5] * 17]
    for each in wrong:
        with pytest.raises(InputError, match="window"):
            Windows.of(each)


def test_a_size_compiles() -> None:
    try:
        compiled = torch.compile(lambda x: ops.local_distance(x, "3@2"), backend="aot_eager", fullgraph=True)
        assert torch.equal(compiled(MAP), ops.local_distance(MAP, Window(3, dilation=2)))
        other: Callable[..., Tensor] = torch.compile(ops.local_distance, backend="aot_eager", fullgraph=True)
        for size in (3, 5):
            assert torch.equal(other(MAP, size), ops.local_distance(MAP, Window(size)))
    finally:
        torch.compiler.reset()
