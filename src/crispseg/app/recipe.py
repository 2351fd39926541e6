"""A result of the page as what one would type: a command line, and lines of Python. Both give it bit for bit."""

import shlex
from dataclasses import dataclass
from pathlib import Path

from crispseg.app.desk import DeskInputs
from crispseg.app.settings import Settings
from crispseg.grid import CENTRES

OUTPUT = "crisp"
"""Folder that the command line writes to."""

_CLASSES = {"rgb": "RGBCue", "soft": "SoftSegmentationCue", "contour": "ContourCue"}


@dataclass(frozen=True)
class Recipe:
    """How a result comes about.

    Args:
        inputs: What it is made of.
        settings: The controls.
        device: Where it was computed: "cpu", "cuda" …
    """

    inputs: DeskInputs
    settings: Settings
    device: str = "cpu"

    @property
    def labels_name(self) -> str:
        """File name of the sharpened label map."""
        return f"{self.inputs.image_file.stem}_{OUTPUT}.png"

    @property
    def scores_name(self) -> str | None:
        """File name of the sharpened scores, of the kind that came in; None where that was a label map."""
        if not self.inputs.prediction.from_scores:
            return None
        return f"{self.inputs.image_file.stem}_{OUTPUT}{self.inputs.prediction_file.suffix.lower()}"

    def files(self) -> dict[str, Path]:
        """The files that it reads, by the path that the lines call them: their names, in a folder where two are one."""
        files, given = {self.inputs.image_file.name: self.inputs.image_file}, self.inputs
        for folder, path in (("predictions", given.prediction_file), ("boundaries", self._boundary_file)):
            if path is not None:
                files[f"{folder}/{path.name}" if path.name in files else path.name] = path
        return files

    def command_line(self) -> str:
        """The command that writes the result to the folder `crisp`."""
        image, prediction, *boundary = map(_argument, self.files())
        settings, choice = self.settings, self.settings.choice
        scores = ["--scores", self.inputs.kind, "--save-scores"] if self.inputs.prediction.from_scores else []
        weights = ["--weights", choice.weights] if choice.weights else []
        boundaries = ["--boundaries", *boundary] if boundary else []
        window = ["--window", str(settings.window.size), "--dilation", str(settings.window.dilation)]
        filtered = ["--hardness", str(settings.hardness), "--passes", str(settings.passes)]
        lines = [
            ["crispseg", "sharpen", image, "--predictions", prediction],
            [*scores, *(["--grid", self._grid] if self._grid else [])],
            ["--cue", choice.cue, *weights, *boundaries],
            [*window, *filtered],
            ["--device", self.device, "--output", OUTPUT],
        ]
        return " \\\n  ".join(shlex.join(words) for words in lines if words)

    def python_lines(self) -> str:
        """Lines that write the result beside the inputs, under the names that the page gives it."""
        image, prediction, *boundary = self.files()
        said = f', "{self.inputs.kind}"' if self.inputs.prediction.from_scores else ""
        said += f', grid="{self._grid}"' if self._grid else ""
        last = ", boundary" if boundary else ""
        lines = [
            *self._imports(),
            "",
            f"image = read_image(Path({image!r}))",
            f"prediction = read_prediction(Path({prediction!r}){said})",
            *(f"boundary = fitted_boundary(Path({name!r}), image)" for name in boundary),
            *self._sharpener(),
            f"result = sharpen_one(sharpener, image, prediction{last})",
            f"write_labels(Path({self.labels_name!r}), result.after, prediction.written_palette)",
        ]
        if self.scores_name is not None:
            lines.append(f"write_scores(Path({self.scores_name!r}), result.scores, prediction)")
        return "\n".join(lines)

    def _imports(self) -> list[str]:
        cue, data = self.settings.choice.cue, ["read_image", "read_prediction", "write_labels"]
        data += ["write_scores"] if self.scores_name is not None else []
        one_image = ["fitted_boundary"] if self._boundary_file is not None else []
        return [
            "from pathlib import Path",
            "",
            "from crispseg import Sharpener, Window",
            *([f"from crispseg.cues import {_CLASSES[cue]}"] if cue in _CLASSES else []),
            f"from crispseg.data import {', '.join(data)}",
            f"from crispseg.inference.one_image import {', '.join([*one_image, 'sharpen_one'])}",
        ]

    def _sharpener(self) -> list[str]:
        settings, choice = self.settings, self.settings.choice
        made = "Sharpener.from_pretrained(" if choice.weights else "Sharpener("
        first = f'"{choice.weights}"' if choice.weights else f"{_CLASSES[choice.cue]}()"
        window = f"Window({settings.window.size}, dilation={settings.window.dilation})"
        numbers = f"hardness={settings.hardness}, passes={settings.passes}"
        moved = "" if self.device == "cpu" else f'.to("{self.device}")'
        return [f"sharpener = {made}", f"    {first}, window={window}, {numbers}", f"){moved}"]

    @property
    def _grid(self) -> str | None:
        """How scores lie on the image, where that has to be said."""
        grid = self.inputs.prediction.grid
        return None if grid in (None, CENTRES) else str(grid)

    @property
    def _boundary_file(self) -> Path | None:
        """The boundary map, where the cue looks at it."""
        return self.inputs.boundary_file if self.settings.cue == "contour" else None


def _argument(name: str) -> str:
    """A file name that is not taken for an option."""
    return f"./{name}" if name.startswith("-") else name
