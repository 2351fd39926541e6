"""Every operator, made of standard ONNX operators, gives what it gives in PyTorch: one program of them all."""

import warnings

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from crispseg import Window, ops
from crispseg.export import distances, operators
from tests.marks import not_traced

pytestmark = not_traced

SIZES = [(1, 1, 1), (2, 3, 17), (1, 18, 11)]
"""Batches, heights and widths: smaller than a window, one block wide, and beyond the end of a block."""

WIDEST = Window(11)


class Operators(nn.Module):
    """All of them, by name: two windows, both norms, two strides, normalised or not, soft and hard."""

    def forward(self, embedding: Tensor, weights: Tensor) -> dict[str, Tensor]:
        boundary, scores, results = embedding[:, :1], embedding[:, 1:], {}
        for window in (Window(3), Window(3, 2)):
            results[f"contour_{window.dilation}"] = ops.local_contour(boundary, window)
            for norm in (1, 2):
                name = f"{window.dilation}_{norm}"
                results[f"distance_{name}"] = ops.local_distance(embedding, window, norm=norm, stride=norm)
                results[f"weights_{name}"] = ops.affinity_weights(
                    embedding, window, 1.5, norm=norm, normalize=norm == 2
                )
                results[f"scored_{name}"] = ops.affinity_weights(
                    embedding, window, 1.5, norm=norm, scores=scores, score_weight=0.5
                )
                results[f"filter_{name}"] = ops.local_filter(
                    scores, weights[:, : window.count], window, passes=norm, normalize=norm == 1
                )
        for hardness in (1e-3, 1e5):
            results[f"weights_hardness_{hardness:g}"] = ops.affinity_weights(embedding, Window(3), hardness)
        results["contour_wide"] = ops.local_contour(boundary, Window(7))
        results["filter_wide"] = ops.local_filter(scores, weights, WIDEST, passes=2)
        results["filter_single"] = ops.local_filter(scores, weights[:, :1], Window(1))
        results["distance_single"] = ops.local_distance(embedding, Window(1))
        results["weights_single"] = ops.affinity_weights(embedding, Window(1), 1.5)
        results["log_softmax"] = (100 * scores.float()).log_softmax(1)
        return results


def inputs(size: tuple[int, int, int]) -> tuple[Tensor, Tensor]:
    """Random weights point outside the image too, where they must not count; those of one pixel are 0."""
    generator = torch.Generator().manual_seed(0)
    batch, *pixels = size
    embedding = torch.rand(batch, 4, *pixels, generator=generator)
    weights = torch.rand(batch, WIDEST.count, *pixels, generator=generator)
    weights[..., 0, 0] = 0
    return embedding, weights


@pytest.fixture(scope="module", params=[torch.float32, torch.float16], ids=str)
def program(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[onnxruntime.InferenceSession, torch.dtype]:
    """The operators in onnxruntime, and the dtype they take."""
    path = tmp_path_factory.mktemp("operators") / "operators.onnx"
    free = {0: torch.export.Dim.AUTO, 2: torch.export.Dim.AUTO, 3: torch.export.Dim.AUTO}
    example = tuple(value.to(request.param) for value in inputs((2, 13, 15)))
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(distances, "_NUMBERS_AT_ONCE", 200)  # bands of a few rows
        warnings.simplefilter("ignore")  # of PyTorch 2.11 about itself
        torch.onnx.export(
            Operators().eval(),
            example,
            path,
            dynamo=True,
            verbose=False,
            opset_version=18,
            dynamic_shapes=(free, free),
            input_names=["embedding", "weights"],
            output_names=list(Operators()(*example)),
            custom_translation_table=operators.translations(),
            optimize=False,
        )
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]), request.param


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_it_gives_what_pytorch_gives(
    size: tuple[int, int, int], program: tuple[onnxruntime.InferenceSession, torch.dtype]
) -> None:
    session, dtype = program
    embedding, weights = (value.to(dtype) for value in inputs(size))
    found = session.run(None, {"embedding": embedding.numpy(), "weights": weights.numpy()})
    expected = Operators()(embedding, weights)
    assert len(found) == len(expected) == 26
    # What is computed in float32 and rounded once differs by one rounding at most.
    tolerance = {torch.float32: 2e-6, torch.float16: 1e-3}[dtype]
    for value, (name, reference) in zip(found, expected.items(), strict=True):
        result = torch.from_numpy(value)
        assert torch.allclose(result, reference, rtol=tolerance, atol=1e-6), name


def test_every_operator_that_a_sharpener_calls_has_a_translation() -> None:
    names = {str(operator) for operator in operators.translations()}
    expected = ("affinity_weights", "local_contour", "local_distance", "local_filter")
    assert names == {f"crispseg.{name}.default" for name in expected} | {"aten.log_softmax.int"}
