"""Export a sharpener as an ONNX file, which other runtimes and other languages can run."""

import copy
import importlib
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from crispseg.cues import Cue, SoftSegmentationCue, single_cues
from crispseg.defaults import EXPORT_OPERATORS, EXPORT_TOLERANCE, Operators
from crispseg.errors import InputError
from crispseg.export.native import native_library
from crispseg.export.program import Precision, Program
from crispseg.extras import optional_packages
from crispseg.inference.sharpener import Sharpener
from crispseg.ops.exporting import keeping_operators
from crispseg.scores import Scores
from crispseg.value_checks import check_choice
from crispseg.versions import __version__
from crispseg.writing import check_output_file, written_whole

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram

OPSET = 18

TOLERANCE = {getattr(torch, name): tolerance for name, tolerance in EXPORT_TOLERANCE.items()}
"""The largest allowed difference of probabilities between onnxruntime and PyTorch, by dtype of inputs and network."""

_ROUNDING = 8 * torch.finfo(torch.float32).eps
"""The largest rounding difference of a distance; a weight exp(-hardness * distance) multiplies it by the hardness."""

_EXAMPLE = (41, 59)
"""The height and width that the graph is traced with; they are not multiples of any number in it."""


_RESULTS: dict[Scores, str] = {
    "logits": "log-probabilities",
    "multilabel": "logits",
    "probabilities": "probabilities",
    "multilabel_probabilities": "probabilities",
}
"""The kind of the output for each kind of scores."""


def export_onnx(
    sharpener: Sharpener,
    path: str | Path,
    *,
    precision: Precision = "float32",
    features: bool | None = None,
    operators: Operators = "standard",
) -> float:
    """Write a sharpener as an ONNX file, and compare its results in onnxruntime with PyTorch (extra `onnx`).

    The file uses standard operators (opset 18), unless others are asked for. Its inputs, all of one floating-point
    type, are

    - `image` (batch, 3, height, width), RGB in [0, 1]; or, if features are an input, `features`
      (batch, channels, height, width) instead;
    - `scores` (batch, classes, rows, columns), at any resolution;

    and its output is `crisp` (batch, classes, height, width). All sizes are dynamic. The program does not check its
    input values. Its metadata describes its inputs and the config of the sharpener, as text.

    Args:
        sharpener: A sharpener with any cue; it is not changed.
        path: The file to write, atomically.
        precision: The dtype of inputs, output and network: "float32" or "float16". The filter computes in float32.
        features: Whether the features of the cue are an input, such as the boundary map of a detector that runs
            elsewhere. None makes them an input only if ONNX cannot compute them, that is for a `ContourCue` without a
            detector and a `SoftSegmentationCue`.
        operators: "standard", with which the file runs anywhere; or "custom" for crispseg's own operators, which are as
            fast as PyTorch, but need `native_library` where the file runs.

    Returns:
        The largest difference between the probabilities of the file and those of the sharpener.

    Raises:
        InputError: If the extra is not installed, the file cannot be written, the cue cannot compute its features in
            ONNX, or a custom network cannot be exported or gives other results in onnxruntime.

    Example:
        >>> from crispseg.cues import RGBCue
        >>> path = getfixture("tmp_path") / "sharpener.onnx"
        >>> small = Sharpener(RGBCue(), window=3, passes=1, upsampling="bilinear", guard=None)
        >>> export_onnx(small, path) < 1e-4
        True
    """
    check_choice("precision", precision, tuple(EXPORT_TOLERANCE))
    check_choice("operators", operators, EXPORT_OPERATORS)
    target = Path(path)
    check_output_file(target, [])
    _require_packages()
    program = Program(_prepared(sharpener, precision), precision, takes_features=_takes_features(sharpener, features))
    library = native_library() if operators == "custom" else None
    exported = _exported(program, operators)
    _describe(exported, program, precision, operators)
    with written_whole(target) as temporary:
        exported.save(temporary)
        return _checked(temporary, program, target, library)


def _require_packages() -> None:
    with optional_packages():
        for name in ("onnx", "onnx_ir", "onnxscript", "onnxruntime"):
            importlib.import_module(name)


def _checked(file: Path, program: Program, path: Path, library: Path | None) -> float:
    from crispseg.export.check import largest_difference  # noqa: PLC0415 - optional

    found = largest_difference(file, program, library)
    allowed = TOLERANCE[program.dtype] + _ROUNDING * float(program.sharpener.hardness)
    if not found <= allowed:
        raise InputError(
            f"{path}: not written, because onnxruntime's probabilities differ from PyTorch's by {found:.2g}; expected "
            f"at most {allowed:.2g}: if the network is your own, ONNX may compute it differently; export with "
            "features=True and pass its features to the program"
        )
    return found


def _prepared(sharpener: Sharpener, precision: Precision) -> Sharpener:
    return copy.deepcopy(sharpener).eval().requires_grad_(requires_grad=False).to("cpu", getattr(torch, precision))


def _takes_features(sharpener: Sharpener, asked: bool | None) -> bool:
    cue = sharpener.cue
    soft = any(isinstance(one, SoftSegmentationCue) for one in single_cues(cue))
    cannot = soft or cue.takes_boundaries
    if asked is False and cannot:
        raise InputError(
            f"features is False, but ONNX cannot compute the features of {type(cue).__name__}; leave the option out, "
            "and pass the features to the program"
        )
    return cannot if asked is None else asked


def _exported(program: Program, operators: Operators) -> "ONNXProgram":
    from crispseg.export import custom  # noqa: PLC0415 - optional
    from crispseg.export import operators as standard  # noqa: PLC0415 - optional
    from crispseg.export.branches import choose_branches  # noqa: PLC0415 - optional

    own = operators == "custom"
    sizes = {0: "batch", 2: "height", 3: "width"}, {0: "batch", 1: "classes", 2: "rows", 3: "columns"}
    with warnings.catch_warnings(), _explained(program.sharpener.cue), keeping_operators() if own else nullcontext():
        warnings.simplefilter("ignore")  # PyTorch warns about itself, and that image and scores share the axis "batch"
        exported = torch.onnx.export(
            program,
            program.example((2, *_EXAMPLE), 5, (11, 15)),
            dynamo=True,
            verbose=False,
            opset_version=OPSET,
            dynamic_shapes=sizes,
            input_names=[program.name, "scores"],
            output_names=["crisp"],
            custom_translation_table=(custom if own else standard).translations(),
            optimize=False,  # would take minutes for this many nodes
        )
    assert exported is not None, "the new exporter always returns a program"
    _tidy(exported)
    if own:
        choose_branches(exported.model.graph)
        exported.model.opset_imports[custom.DOMAIN] = custom.VERSION
    return exported


def _tidy(exported: "ONNXProgram") -> None:
    """Inline functions, merge equal nodes, fold constants and remove unused nodes, leaving operators only."""
    with optional_packages():
        from onnx_ir.passes.common import (  # noqa: PLC0415 - optional
            CommonSubexpressionEliminationPass,
            InlinePass,
            RemoveUnusedNodesPass,
        )
        from onnxscript.optimizer import fold_constants  # noqa: PLC0415 - optional

    InlinePass()(exported.model)
    CommonSubexpressionEliminationPass()(exported.model)
    with _silent(logging.getLogger("onnxscript")):  # it logs every node that it does not fold
        fold_constants(exported.model)
    RemoveUnusedNodesPass()(exported.model)


@contextmanager
def _silent(logger: logging.Logger) -> Iterator[None]:
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


@contextmanager
def _explained(cue: Cue) -> Iterator[None]:
    try:
        yield
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise InputError(
            f"{type(cue).__name__} cannot be exported to ONNX ({reason}); export with features=True, and pass its "
            "features to the program"
        ) from error


def _describe(exported: "ONNXProgram", program: Program, precision: Precision, operators: Operators) -> None:
    """Write the metadata, and remove the origin of the operators, which takes half of the file."""
    sharpener, model = program.sharpener, exported.model
    model.producer_name, model.producer_version = "crispseg", __version__
    for node in model.graph:
        node.metadata_props.clear()
    model.metadata_props.clear()
    model.metadata_props.update(
        {
            "crispseg_version": model.producer_version,
            program.name: "features of the image, computed by the cue" if program.takes_features else "RGB in [0, 1]",
            **metadata_of(sharpener),
            "precision": precision,
            "operators": operators,
        }
    )


def metadata_of(sharpener: Sharpener) -> dict[str, str]:
    """Return the metadata that describe the sharpener in a file: its config and its output."""
    return {"crisp": _RESULTS[sharpener.scores], **sharpener.config.texts()}
