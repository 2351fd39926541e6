"""The row of whole sharpeners: from an image and coarse scores to crisp scores, with the embedding."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from torch import Tensor

from benchmarks.contenders import FORWARD, OURS, BenchmarkRow, Contender
from benchmarks.inputs import FEW, MANY, PRESENT, scores_of
from crispseg import Sharpener, Window
from crispseg.defaults import Operators
from crispseg.inference import DenseCRF
from crispseg.inference.upsampling import resize

WHOLE = f"sharpener, {FEW} classes"
BEST, PAPER = "crispseg, best", "crispseg, the paper's single window"
MANY_CLASSES = f"crispseg, {MANY} classes, {PRESENT} of them present"
STANDARD, CUSTOM = "onnxruntime, standard operators", "onnxruntime, custom operators"
CRF = "dense CRF"

_PLAIN = {"passes": 7, "score_weight": 0.0, "guard": None, "negligible": 0.0, "upsampling": "bilinear"}
_FOUND = "4,20,3,1,1"
"""The parameters of the dense CRF that a search on CamVid val found."""


@cache
def _made(weights: str, device: torch.device, options: tuple[tuple[str, Any], ...]) -> Sharpener:
    return Sharpener.from_pretrained(weights, device=device, **dict(options))


def _sharpened(image: Tensor, scores: Tensor, window: Window, *, weights: str = "fast") -> Tensor:
    crisp: Tensor = _made(weights, image.device, ())(image, scores)
    return crisp


def _as_in_the_paper(image: Tensor, scores: Tensor, window: Window) -> Tensor:
    crisp: Tensor = _made("fast", image.device, tuple({**_PLAIN, "window": window.size}.items()))(image, scores)
    return crisp


@cache
def _program(operators: Operators) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the exported default sharpener as a function."""
    from benchmarks.exported import session_of  # noqa: PLC0415 - imports onnxruntime, which is optional

    made = _made("fast", torch.device("cpu"), ())
    with TemporaryDirectory() as folder:
        session = session_of(made, Path(folder) / "made.onnx", operators, torch.get_num_threads())

    def run(image: Tensor, scores: Tensor) -> Tensor:
        return torch.from_numpy(session.run(None, {"image": image.numpy(), "scores": scores.numpy()})[0])

    return run


def _exported(image: Tensor, scores: Tensor, window: Window, *, operators: Operators) -> Tensor:
    return _program(operators)(image, scores)


def _crf(image: Tensor, scores: Tensor, window: Window) -> Tensor:
    wide = resize(scores, (image.shape[-2], image.shape[-1])).softmax(1)
    return DenseCRF.parse(_FOUND)(wide, (255 * image).to(torch.uint8))


_FEW = ("image", scores_of(FEW))

# Only the exported programs compute what the first contender computes; other tests compare them.
ROWS = (
    BenchmarkRow(
        WHOLE,
        ("joint_upsample", "affinity_filter", "rebalance"),
        "",
        (
            Contender(OURS, _FEW, _sharpened),
            Contender(BEST, _FEW, partial(_sharpened, weights="best"), ours=True, same=False),
            Contender(PAPER, _FEW, _as_in_the_paper, ours=True, same=False),
            Contender(MANY_CLASSES, ("image", scores_of(MANY)), _sharpened, ours=True, same=False),
            Contender(
                STANDARD,
                _FEW,
                partial(_exported, operators="standard"),
                ours=True,
                same=False,
                packages=("onnxruntime", "onnxscript"),
                on_gpu=False,
                slow_to_make=True,
            ),
            Contender(
                CUSTOM,
                _FEW,
                partial(_exported, operators="custom"),
                ours=True,
                same=False,
                packages=("onnxruntime", "onnxscript", "crispseg._C"),
                on_gpu=False,
                slow_to_make=True,
            ),
            Contender(CRF, _FEW, _crf, same=False, packages=("pydensecrf",), on_gpu=False),
        ),
        (FORWARD,),
    ),
)
