"""A file with crispseg's own operators does in onnxruntime what the sharpener does in PyTorch."""

import importlib.util
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from crispseg import Sharpener, Window, ops
from crispseg.cues import ContourCue, RGBCue
from crispseg.export import custom, export_onnx, native_library
from crispseg.inference.shares import to_probabilities
from crispseg.ops.exporting import keeping_operators
from tests.marks import not_traced

pytestmark = [
    not_traced,
    pytest.mark.skipif(importlib.util.find_spec("crispseg._C") is None, reason="the C++ kernels were not built"),
]

SIZES = [((1, 33, 47), (5, 4, 6)), ((2, 24, 32), (1, 24, 32)), ((1, 9, 5), (150, 3, 2)), ((3, 7, 30), (2, 2, 8))]
"""Batch and size of the image; classes and size of the scores: odd ones, smaller than a window, one class and many."""


def session(file: Path | bytes) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.register_custom_ops_library(str(native_library()))
    return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])


@pytest.fixture(scope="module")
def sharpener() -> Sharpener:
    return Sharpener(RGBCue(), window="3@4,3", passes=(2, 1), hardness=3.0, score_weight=0.5, guard=0.3).eval()


@pytest.fixture(scope="module")
def file(sharpener: Sharpener, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("export") / "sharpener.onnx"
    assert export_onnx(sharpener, path, operators="custom") < 1e-5
    return path


def test_the_same_probabilities_at_any_size(sharpener: Sharpener, file: Path) -> None:
    program, generator = session(file), torch.Generator().manual_seed(0)
    for (batch, *size), (classes, *coarse) in SIZES:
        image = torch.rand(batch, 3, *size, generator=generator)
        scores = 4 * torch.randn(batch, classes, *coarse, generator=generator)
        (crisp,) = program.run(None, {"image": image.numpy(), "scores": scores.numpy()})
        with torch.inference_mode():
            expected = sharpener.with_options(negligible=0.0)(image, scores)
        found, wanted = (to_probabilities(logits, "logits") for logits in (torch.from_numpy(crisp), expected))
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)


def test_the_filter_is_one_node_for_each_window(file: Path) -> None:
    model = onnx.load(file)
    assert {opset.domain: opset.version for opset in model.opset_import} == {"": 18, "crispseg": 1}
    kinds = [node.op_type for node in model.graph.node]
    assert kinds.count("AffinityFilter") == 2
    assert "LogSoftmax" not in kinds  # scores are upsampled in one of two ways, each in a branch of its own
    assert {entry.key: entry.value for entry in model.metadata_props}["operators"] == "custom"


class Operators(nn.Module):
    """All of them."""

    def forward(self, image: Tensor, scores: Tensor, coarse: Tensor) -> tuple[Tensor, ...]:
        window = Window(3, 2)
        weights = ops.affinity_weights(image, window, 1.5, norm=2, normalize=True, scores=scores, score_weight=0.5)
        return (
            ops.local_distance(image, window, stride=2),
            weights,
            ops.local_contour(image[:, :1], window),
            ops.local_filter(scores, weights, window, passes=2, normalize=False),
            ops.affinity_filter(scores, image, window, 1.5, passes=2),
            ops.joint_upsample(coarse, image, 1.5, norm=2),
            ops.rebalance(scores, scores**2, 0.3, [4, 2], keep_thin=0.4),
            ops.rebalance(scores.unflatten(1, (2, 2)), scores.unflatten(1, (2, 2)) ** 2, 0.3, [2]),
        )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16], ids=str)
def test_every_operator_gives_what_it_gives_in_pytorch(dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    shapes = {"image": (2, 3, 9, 13), "scores": (2, 4, 9, 13), "coarse": (2, 4, 3, 4)}
    given = {name: torch.rand(shape, generator=generator).to(dtype) for name, shape in shapes.items()}
    options: dict[str, Any] = {"custom_translation_table": custom.translations(), "optimize": False, "verbose": False}
    with torch.inference_mode(), keeping_operators(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch warns about itself
        exported = torch.onnx.export(
            Operators().eval(), tuple(given.values()), dynamo=True, input_names=[*given], **options
        )
    assert exported is not None
    exported.model.opset_imports[custom.DOMAIN] = custom.VERSION
    results = session(exported.model_proto.SerializeToString()).run(None, {k: v.numpy() for k, v in given.items()})
    with torch.inference_mode():
        expected = Operators()(*given.values())
    for result, value in zip(results, expected, strict=True):
        torch.testing.assert_close(
            torch.from_numpy(result), value, rtol=0, atol=1e-6 if dtype == torch.float32 else 1e-3
        )


def test_contours(tmp_path: Path) -> None:
    sharpener = Sharpener(ContourCue(), window=3, passes=2, scores="multilabel_probabilities")
    assert export_onnx(sharpener, tmp_path / "contour.onnx", operators="custom", precision="float16") < 1e-2


def test_wrong_inputs_are_refused() -> None:
    made = onnx.helper
    node = made.make_node(
        "LocalFilter", ["s", "w"], ["r"], domain="crispseg", size=3, dilation=1, passes=1, normalize=1
    )
    values = [made.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in "swr"]
    opsets = [made.make_opsetid("", 18), made.make_opsetid("crispseg", 1)]
    model = made.make_model(made.make_graph([node], "g", values[:2], values[2:]), opset_imports=opsets, ir_version=10)
    program = session(model.SerializeToString())
    scores = np.zeros((1, 2, 4, 5), np.float32)
    with pytest.raises(Exception, match="weights has 2 elements along dimension 1; expected 9"):
        program.run(None, {"s": scores, "w": scores})
    with pytest.raises(Exception, match="weights has 3 dimensions; expected 4"):
        program.run(None, {"s": scores, "w": scores[0]})
