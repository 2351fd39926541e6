"""The sharpener at home in PyTorch: compiled for any size, exported, in half precision."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from crispseg import Sharpener, Window
from crispseg.cues import ContourCue, LearnedCue, RGBCue
from crispseg.models import EmbeddingNet
from crispseg.scores import Scores
from tests.marks import needs_tracing, not_traced

pytestmark = [not_traced, pytest.mark.slow]  # compiles

SIZES: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...] = (
    ((1, 3, 33, 41), (1, 7, 9, 11)),
    ((3, 3, 24, 32), (3, 2, 24, 32)),
    ((2, 3, 30, 23), (2, 4, 40, 31)),
)
"""Shapes of image and scores: smaller than the image, as large, larger."""


OPTIONS: tuple[dict[str, Any], ...] = (
    {"window": 5, "passes": 2},
    {"window": "5@2,3", "passes": (2, 1), "score_weight": 0.5},
)


def learned(**options: Any) -> Sharpener:
    torch.manual_seed(0)
    return Sharpener(LearnedCue(EmbeddingNet(dim=4, width=4)), **(options or OPTIONS[0])).eval()


def inputs(image: tuple[int, ...], scores: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.rand(image, generator=generator), 3 * torch.randn(scores, generator=generator)


@pytest.fixture(params=OPTIONS)
def sharpener(request: pytest.FixtureRequest) -> Iterator[Sharpener]:
    yield learned(**request.param)
    torch.compiler.reset()


@needs_tracing
@pytest.mark.filterwarnings("ignore:`torch.jit.script_method` is deprecated")  # PyTorch 2.11's own use of it
def test_compiles_to_machine_code_for_any_size() -> None:
    sharpener = Sharpener(RGBCue(), window=Window(3), passes=2).eval()  # a network would only add convolutions
    torch.compiler.reset()  # what other tests have compiled counts towards a limit
    compiled = torch.compile(sharpener, fullgraph=True, dynamic=True)
    with torch.inference_mode():
        for size in SIZES[::2]:  # each is compiled anew; test_grids.py traces scores as large as the image
            torch.testing.assert_close(compiled(*inputs(*size)), sharpener(*inputs(*size)), rtol=1e-4, atol=1e-4)
    torch.compiler.reset()


def exported(sharpener: nn.Module, **arguments: Tensor) -> torch.export.ExportedProgram:
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    sizes = {name: free | ({1: torch.export.Dim.AUTO} if name == "scores" else {}) for name in arguments}
    return torch.export.export(sharpener, (), arguments, dynamic_shapes=sizes)


FRESH = """\
import torch
from safetensors.torch import load_file, save_file
import crispseg.ops
given, program = load_file("given.safetensors"), torch.export.load("program.pt2").module()
count = len(given) // 2
crisp = {str(i): program(image=given[f"image{i}"], scores=given[f"scores{i}"]) for i in range(count)}
save_file(crisp, "crisp.safetensors")
"""


@needs_tracing
@pytest.mark.filterwarnings("ignore:The given buffer is not writable")  # PyTorch 2.11's own reading of the file
def test_an_exported_program_serves_any_size_in_a_fresh_process(tmp_path: Path) -> None:
    image, scores = inputs((2, 3, 41, 59), (2, 5, 11, 15))
    sharpener = learned(**OPTIONS[1])
    torch.export.save(exported(sharpener, image=image, scores=scores), tmp_path / "program.pt2")
    given = {f"{name}{i}": value for i, size in enumerate(SIZES) for name, value in named(inputs(*size)).items()}
    save_file(given, tmp_path / "given.safetensors")
    subprocess.run([sys.executable, "-c", FRESH], check=True, cwd=tmp_path)
    crisp = load_file(tmp_path / "crisp.safetensors")
    for index, size in enumerate(SIZES):
        with torch.inference_mode():
            torch.testing.assert_close(crisp[str(index)], sharpener(*inputs(*size)), rtol=1e-4, atol=1e-4)


def named(values: tuple[Tensor, Tensor]) -> dict[str, Tensor]:
    return dict(zip(("image", "scores"), values, strict=True))


@needs_tracing
@pytest.mark.parametrize("pool", ["2x2", "3x3"])
def test_an_exported_embedding_takes_any_size(pool: Any) -> None:
    network = EmbeddingNet(dim=2, width=4, pool=pool).eval()
    program = exported(network, image=torch.rand(2, 3, 41, 59)).module()
    with torch.inference_mode():
        for height in range(12, 16):
            for width in (17, 18, 19, 20):
                image = torch.rand(1, 3, height, width)
                torch.testing.assert_close(program(image=image), network(image))


@needs_tracing
@pytest.mark.parametrize(("kind", "options"), list(zip(("logits", "probabilities"), OPTIONS, strict=True)))
def test_an_exported_program_takes_one_class_too(kind: Scores, options: dict[str, Any]) -> None:
    sharpener = Sharpener(RGBCue(), scores=kind, **options)
    image, scores = inputs((2, 3, 41, 59), (2, 5, 11, 15))
    program = exported(sharpener, image=image, scores=scores.sigmoid()).module()
    image, scores = inputs((2, 3, 20, 24), (2, 1, 5, 6))
    scores = scores if kind == "logits" else scores.sigmoid()
    torch.testing.assert_close(program(image=image, scores=scores), sharpener(image, scores), rtol=1e-4, atol=1e-4)


@needs_tracing
def test_an_exported_program_takes_features() -> None:
    sharpener = Sharpener(ContourCue(), window=Window(3), scores="probabilities")
    image, scores, features = torch.rand(2, 3, 41, 59), torch.rand(2, 5, 11, 15).softmax(1), torch.rand(2, 1, 41, 59)
    program = exported(sharpener, image=image, scores=scores, features=features).module()
    image, scores, features = torch.rand(3, 3, 20, 24), torch.rand(3, 2, 20, 24).softmax(1), torch.rand(3, 1, 20, 24)
    expected = sharpener(image, scores, features=features)
    torch.testing.assert_close(program(image=image, scores=scores, features=features), expected)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_is_hardly_less_accurate(dtype: torch.dtype, sharpener: Sharpener) -> None:
    image, scores = inputs(*SIZES[0])
    with torch.inference_mode():
        exact = sharpener(image, scores).softmax(1)
        with torch.autocast("cpu", dtype):
            under_autocast = sharpener(image, scores)
        half = sharpener.to(dtype)(image.to(dtype), scores.to(dtype))
    assert under_autocast.dtype == torch.float32
    assert half.dtype == dtype
    for result in (under_autocast, half.float()):
        torch.testing.assert_close(result.softmax(1), exact, rtol=0, atol=0.02)
        assert not torch.equal(result.softmax(1), exact)


@pytest.mark.parametrize("half", ["to", "autocast"])
def test_half_precision_learns(half: str) -> None:
    sharpener = learned()
    image, scores = inputs(*SIZES[0])
    options: Any = {"device_type": "cpu", "dtype": torch.bfloat16, "enabled": half == "autocast"}
    with torch.autocast(**options):
        (sharpener.bfloat16() if half == "to" else sharpener)(image, scores).square().mean().backward()
    gradient = sharpener.get_parameter("cue.network.fuse.weight").grad
    assert gradient is not None
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0
