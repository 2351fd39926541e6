"""The metadata of an ONNX file: its inputs, its output, and the config of its sharpener."""

from typing import TYPE_CHECKING

from crispseg.defaults import Operators
from crispseg.export.program import Precision, Program
from crispseg.inference.sharpener import Sharpener
from crispseg.scores import Scores
from crispseg.versions import __version__

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram


_RESULTS: dict[Scores, str] = {
    "logits": "log-probabilities",
    "multilabel": "logits",
    "probabilities": "probabilities",
    "multilabel_probabilities": "probabilities",
}
"""The kind of the output for each kind of scores."""


def describe(exported: "ONNXProgram", program: Program, precision: Precision, operators: Operators) -> None:
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
