"""The operators of `crispseg.ops` as operators of the domain `crispseg`, which `native_library` brings to onnxruntime.

Each function takes the arguments of the operator of the same name and returns the same result. Numbers that are not
whole are float64 inputs, so that the kernels get the same bits as in PyTorch.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx.defs import OpSchema
from onnxscript import opset18 as op
from onnxscript.values import Op, Opset

from crispseg.export.values import FLOAT, Value, number, reshaped, whole_numbers

DOMAIN, VERSION = "crispseg", 1


def _operator(name: str, inputs: str, attributes: str) -> Op:
    """Return an operator whose attributes are whole numbers.

    Inputs are float32, unless one names its type, as in "rows:int64"; "?" at its end marks an optional one.
    """
    schema = OpSchema(
        name,
        DOMAIN,
        VERSION,
        inputs=[_parameter(text) for text in inputs.split()],
        outputs=[_parameter("result")],
        attributes=[OpSchema.Attribute(each, OpSchema.AttrType.INT, required=True) for each in attributes.split()],
    )
    return Op(Opset(DOMAIN, VERSION), name, schema)


def _parameter(text: str) -> OpSchema.FormalParameter:
    name, _, kind = text.removesuffix("?").partition(":")
    option = OpSchema.FormalParameterOption
    return OpSchema.FormalParameter(
        name, f"tensor({kind or 'float'})", param_option=option.Optional if text.endswith("?") else option.Single
    )


_AFFINITY_FILTER = _operator(
    "AffinityFilter", "values embedding hardness:double scores? score_weight:double?", "size dilation norm passes"
)
_AFFINITY_WEIGHTS = _operator(
    "AffinityWeights", "embedding hardness:double scores? score_weight:double?", "size dilation norm normalize"
)
_JOINT_UPSAMPLE = _operator("JointUpsample", "value centres features hardness:double rows:int64 columns:int64", "norm")
_LOCAL_CONTOUR = _operator("LocalContour", "boundary", "size dilation")
_LOCAL_DISTANCE = _operator("LocalDistance", "embedding", "size dilation norm stride")
_LOCAL_FILTER = _operator("LocalFilter", "scores weights", "size dilation passes normalize")
_REBALANCE = _operator("Rebalance", "before after guard:double keep_thin:double", "large small")


def affinity_filter(
    values: Value,
    embedding: Value,
    hardness: Value,
    scores: Value | None,
    score_weight: Value | None,
    size: int,
    dilation: int,
    norm: int,
    passes: int,
) -> Value:
    """Translate `crispseg.ops.affinity_filter`."""
    given = (_float(embedding), _double(hardness), *_compared(scores, score_weight))
    result = _AFFINITY_FILTER(_float(values), *given, size=size, dilation=dilation, norm=norm, passes=passes)
    return op.CastLike(result, values)


def affinity_weights(
    embedding: Value,
    hardness: Value,
    scores: Value | None,
    score_weight: Value | None,
    size: int,
    dilation: int,
    norm: int,
    normalize: bool,
    learns: bool,
) -> Value:
    """Translate `crispseg.ops.affinity_weights`."""
    given = (_float(embedding), _double(hardness), *_compared(scores, score_weight))
    weights = _AFFINITY_WEIGHTS(*given, size=size, dilation=dilation, norm=norm, normalize=int(normalize))
    return op.CastLike(weights, embedding)


def joint_upsample(
    value: Value,
    centres: Value,
    features: Value,
    hardness: Value,
    rows: Sequence[Value],
    columns: Sequence[Value],
    norm: int,
) -> Value:
    """Translate `crispseg.ops._joint_upsample.joint_upsample_part`."""
    maps = (_float(value), _float(centres), _float(features), _double(hardness))
    return op.CastLike(_JOINT_UPSAMPLE(*maps, _axis(rows), _axis(columns), norm=norm), value)


def local_contour(boundary: Value, size: int, dilation: int) -> Value:
    """Translate `crispseg.ops.local_contour`."""
    return op.CastLike(_LOCAL_CONTOUR(_float(boundary), size=size, dilation=dilation), boundary)


def local_distance(embedding: Value, size: int, dilation: int, norm: int, stride: int) -> Value:
    """Translate `crispseg.ops.local_distance`."""
    distance = _LOCAL_DISTANCE(_float(embedding), size=size, dilation=dilation, norm=norm, stride=stride)
    return op.CastLike(distance, embedding)


def local_filter(
    scores: Value, weights: Value, size: int, dilation: int, passes: int, normalize: bool, learns: bool
) -> tuple[Value, Value, Value]:
    """Translate `crispseg.ops.local_filter`; only the first of its three results is used outside of training."""
    options = {"size": size, "dilation": dilation, "passes": passes, "normalize": int(normalize)}
    result = _LOCAL_FILTER(_float(scores), _float(weights), **options)
    return op.CastLike(result, scores), number(0.0), number(0.0)


def rebalance(before: Value, after: Value, guard: float, radii: Sequence[int], keep_thin: float) -> Value:
    """Translate `crispseg.ops.rebalance`."""
    power, kept = (op.Constant(value=onnx.numpy_helper.from_array(np.array(float(n)))) for n in (guard, keep_thin))
    result = _REBALANCE(_float(before), _float(after), power, kept, large=max(radii), small=min(radii))
    return op.CastLike(result, after)


def _float(value: Value) -> Value:
    return op.Cast(value, to=FLOAT)


def _double(value: Value) -> Value:
    return op.Cast(value, to=onnx.TensorProto.DOUBLE)


def _compared(scores: Value | None, score_weight: Value | None) -> tuple[Value | None, Value | None]:
    if scores is None or score_weight is None:
        return None, None
    return _float(scores), _double(score_weight)


def _axis(numbers: Sequence[Value]) -> Value:
    """Return the six numbers of an axis, of which some are known only when the program runs, as a vector."""
    parts = [whole_numbers(one) if isinstance(one, int) else reshaped(one, 1) for one in numbers]
    return op.Concat(*parts, axis=0)


def translations() -> dict[Callable[..., Any], Callable[..., Any]]:
    """Return the `custom_translation_table` for `torch.onnx.export`."""
    functions = (
        affinity_filter,
        affinity_weights,
        joint_upsample,
        local_contour,
        local_distance,
        local_filter,
        rebalance,
    )
    return {getattr(torch.ops.crispseg, function.__name__).default: function for function in functions}
