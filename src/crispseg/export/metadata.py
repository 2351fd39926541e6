"""What an ONNX file says of itself."""

from typing import TYPE_CHECKING

from crispseg.cues import CUES, Cue
from crispseg.export.program import Precision, Program
from crispseg.pretrained.folder import shortest
from crispseg.scores import Scores
from crispseg.versions import installed_versions

if TYPE_CHECKING:
    from torch.onnx import ONNXProgram


_RESULTS: dict[Scores, str] = {
    "logits": "log-probabilities",
    "multilabel": "logits",
    "probabilities": "probabilities",
    "multilabel_probabilities": "probabilities",
}
"""What comes out, by what goes in."""


def describe(exported: "ONNXProgram", program: Program, precision: Precision) -> None:
    """Say in the file what it takes and is; leave out where its operators come from, which is half of its size."""
    sharpener, model = program.sharpener, exported.model
    model.producer_name, model.producer_version = "crispseg", installed_versions(["crispseg"])["crispseg"]
    for node in model.graph:
        node.metadata_props.clear()
    model.metadata_props.clear()
    model.metadata_props.update(
        {
            "crispseg_version": model.producer_version,
            program.name: "what the cue computes of the image" if program.takes_features else "RGB in [0, 1]",
            "scores": sharpener.scores,
            "crisp": _RESULTS[sharpener.scores],
            "cue": _kind(sharpener.cue),
            "window": str(sharpener.window.size),
            "dilation": str(sharpener.window.dilation),
            "hardness": str(shortest(sharpener.hardness)),
            "passes": str(sharpener.filter.passes),
            "upsampling": sharpener.upsampling,
            "grid": str(sharpener.grid),
            "guard": "none" if sharpener.guard is None else str(sharpener.guard),
            "precision": precision,
        }
    )


def _kind(cue: Cue) -> str:
    return next((name for name, kind in CUES.items() if type(cue) is kind), type(cue).__name__)
