"""However scores lie on their image: exported and compiled programs do what the sharpener does, at any size."""

from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

from crispseg import Sharpener, Window
from crispseg.cues import RGBCue
from crispseg.export import export_onnx
from tests.marks import not_traced

pytestmark = not_traced

LYING = {
    "corners": (
        "logits",
        (((1, 33, 47), (9, 13)), ((2, 24, 32), (24, 32)), ((1, 9, 5), (3, 2)), ((1, 20, 31), (30, 46))),
    ),
    "stretched": ("logits", (((1, 33, 47), (9, 9)), ((2, 24, 32), (24, 32)), ((1, 20, 31), (40, 40)))),
    "letterbox": ("probabilities", (((1, 33, 47), (9, 9)), ((2, 47, 33), (9, 9)), ((1, 20, 31), (40, 40)))),
    "padded": ("logits", (((1, 33, 47), (9, 9)), ((2, 47, 33), (9, 12)), ((1, 20, 31), (40, 40)))),
    "stride=4,1.5": ("logits", (((1, 33, 47), (8, 12)), ((2, 24, 32), (6, 8)))),
    "stride=1": ("logits", (((1, 33, 47), (33, 47)), ((2, 24, 32), (24, 32)))),
    "box=-9,-5.5,60,50": ("logits", (((1, 33, 47), (9, 9)), ((2, 24, 32), (60, 60)))),
    "box=5,6,20,18.5": ("multilabel", (((1, 33, 47), (7, 7)), ((2, 24, 32), (28, 28)))),
}
"""Kind of scores, and sizes of images and scores, by how they lie."""


SHORT: dict[str, Any] = {"window": Window(3), "hardness": 5.0, "passes": 1, "guard": None}
WHOLE: dict[str, Any] = {"window": "3@2,3", "hardness": 5.0, "passes": (2, 1), "guard": 0.3, "score_weight": 0.5}
"""All that a program may hold."""

PROGRAMS = {"letterbox": WHOLE, "stride=4,1.5": SHORT | {"hardness": 1e-3}}
"""Options beside `SHORT`, by grid: what follows after upsampling is the same for all grids."""


def made(grid: str) -> Sharpener:
    options = PROGRAMS.get(grid, SHORT)
    return Sharpener(RGBCue(), scores=LYING[grid][0], grid=grid, **options).eval()  # type: ignore[arg-type]


def inputs(grid: str) -> list[tuple[Tensor, Tensor]]:
    generator, (kind, sizes) = torch.Generator().manual_seed(0), LYING[grid]
    pairs = []
    for (batch, *size), coarse in sizes:
        scores = 3 * torch.randn(batch, 4, *coarse, generator=generator)
        image = torch.rand(batch, 3, *size, generator=generator)
        pairs.append((image, scores.softmax(1) if kind == "probabilities" else scores))
    # Scores in doubt along boundaries alone, which are filtered more gently.
    sure = 200 * torch.randn(*pairs[0][1].shape[:2], 2, 2, generator=generator)
    sure = F.interpolate(sure, size=pairs[0][1].shape[-2:], mode="bilinear")
    pairs.append((pairs[0][0], sure.softmax(1) if kind == "probabilities" else sure))
    return pairs


EXPORTED_TO_ONNX = ["corners", "letterbox", "stride=4,1.5", "box=-9,-5.5,60,50", "box=5,6,20,18.5"]
"""One of each pair that makes the same operators. PyTorch exports them first; so the others are tried in it alone."""


@pytest.mark.parametrize("grid", EXPORTED_TO_ONNX)
def test_onnx(grid: str, tmp_path: Path) -> None:
    path, sharpener = tmp_path / "sharpener.onnx", made(grid)
    assert export_onnx(sharpener, path) < 1e-4
    assert {entry.key: entry.value for entry in onnx.load(path).metadata_props}["grid"] == grid
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for image, scores in inputs(grid):
        (crisp,) = session.run(None, {"image": image.numpy(), "scores": scores.numpy()})
        with torch.inference_mode():
            expected = sharpener(image, scores).clamp(-80, 80)  # beyond, some parts of a sum are denormal: 0 there
        torch.testing.assert_close(torch.from_numpy(crisp).clamp(-80, 80), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grid", [grid for grid in LYING if grid not in EXPORTED_TO_ONNX])
def test_torch_export(grid: str) -> None:
    sharpener, (first, *_) = made(grid), inputs(grid)
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    traced = tuple(torch.cat([value, value]) for value in first)
    sizes = {"image": free, "scores": free | {1: torch.export.Dim.AUTO}}
    with torch.inference_mode():
        program = torch.export.export(
            sharpener, (), dict(zip(("image", "scores"), traced, strict=True)), dynamic_shapes=sizes
        ).module()
        for image, scores in inputs(grid):
            found = program(image=image, scores=scores)
            torch.testing.assert_close(found, sharpener(image, scores), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("grid", EXPORTED_TO_ONNX)
def test_torch_compile(grid: str) -> None:
    torch.compiler.reset()
    sharpener = made(grid)
    compiled = torch.compile(sharpener, fullgraph=True, dynamic=True, backend="eager")
    with torch.inference_mode():
        for image, scores in inputs(grid):
            torch.testing.assert_close(compiled(image, scores), sharpener(image, scores), rtol=1e-4, atol=1e-4)
