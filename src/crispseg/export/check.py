"""Check that an ONNX file gives the same results as its sharpener."""

import math
from pathlib import Path

import onnxruntime
import torch

from crispseg.errors import InputError
from crispseg.export.program import Program
from crispseg.inference.shares import to_probabilities
from crispseg.inference.sharpener import Sharpener

_SIZES = (
    ((2, 24, 40), 3, (24, 40)),
    ((1, 33, 27), 1, (5, 4)),
    ((1, 7, 30), 21, (2, 8)),
)
"""Batch, height and width of the image, classes, rows and columns of the scores."""


def largest_difference(file: Path, program: Program, library: Path | None = None) -> float:
    """Return the largest difference between the probabilities of onnxruntime and those of PyTorch, at several sizes.

    Logits are converted to probabilities first: for a probability of 1e-38, a difference of 1e-4 in its logarithm is
    only float32 rounding.

    Args:
        file: The ONNX file.
        program: What it was exported from.
        library: The library with the operators of the file, if they are not standard ones.

    Raises:
        InputError: If onnxruntime cannot run the file.
    """
    session = _session(file, library)
    found = 0.0
    for size in _SIZES:
        given, scores = program.example(*_fitting(program.sharpener, *size))
        with torch.inference_mode():
            expected = program(given, scores)
        inputs = {program.name: given.numpy(), "scores": scores.numpy()}
        result = torch.from_numpy(session.run(None, inputs)[0])
        first, second = (to_probabilities(value.double(), program.sharpener.scores) for value in (result, expected))
        difference = float((first - second).abs().max())
        # NaN must count as a large difference, although it compares as neither larger nor smaller.
        found = max(found, math.inf if math.isnan(difference) else difference)
    return found


def _fitting(
    sharpener: Sharpener, image: tuple[int, int, int], num_classes: int, grid: tuple[int, int]
) -> tuple[tuple[int, int, int], int, tuple[int, int]]:
    """Return the sizes of image and scores, adapted where they do not fit the sharpener's grid."""
    place, (batch, height, width) = sharpener.grid, image
    if place.kind == "stride":
        return image, num_classes, place.count((height, width))
    if place.is_free:
        left, top = (math.ceil(max(number, 0)) for number in place.numbers[:2])
        width, height = width + left, height + top
        alone = sharpener.scores != "multilabel" and not place.covers((height, width), grid)
        num_classes = 1 if alone else num_classes
    elif place.kind in ("centres", "corners") and not place.explains((height, width), grid):
        grid = height // 8 + 1, width // 8 + 1
    return (batch, height, width), num_classes, grid


def _session(file: Path, library: Path | None) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        if library is not None:
            options.register_custom_ops_library(str(library))
        return onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the errors of onnxruntime have no common class
        raise InputError(f"onnxruntime cannot load the program ({str(error).strip().splitlines()[0]})") from error
