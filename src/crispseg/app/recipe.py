"""A result of the page as a command line and as lines of Python. Both reproduce it bit for bit."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from crispseg.app.desk import DeskInputs
from crispseg.app.settings import takes_boundaries
from crispseg.config import SharpenerConfig, options
from crispseg.cue_config import CueConfig
from crispseg.options import flag
from crispseg.pretrained import assigned

OUTPUT = "crisp"
"""Folder that the command line writes to."""

_WIDTH = 46
"""Characters of a line that words are filled into; a longer word has a line of its own."""


@dataclass(frozen=True)
class Recipe:
    """How a result is made.

    Args:
        inputs: The files, and what was said of the prediction.
        config: The sharpener; what it says of the prediction is replaced by what was said.
        device: Where it was computed, such as "cpu" or "cuda".
    """

    inputs: DeskInputs
    config: SharpenerConfig
    device: str = "cpu"

    @property
    def labels_name(self) -> str:
        """Return the file name of the sharpened label map."""
        return f"{self.inputs.image_file.stem}_{OUTPUT}.png"

    @property
    def scores_name(self) -> str | None:
        """Return the file name of the sharpened scores, in the format that came in; None where that was a label map."""
        if not self.inputs.prediction.from_scores:
            return None
        return f"{self.inputs.image_file.stem}_{OUTPUT}{self.inputs.prediction_file.suffix.lower()}"

    def files(self) -> dict[str, Path]:
        """Return the files to read by the path that the lines use: their name, in a folder where two share one."""
        files, given = {self.inputs.image_file.name: self.inputs.image_file}, self.inputs
        for folder, path in (("predictions", given.prediction_file), ("boundaries", self._boundary_file)):
            if path is not None:
                files[f"{folder}/{path.name}" if path.name in files else path.name] = path
        return files

    def command_line(self) -> str:
        """Return the command that writes the result to the folder `crisp`."""
        image, prediction, *boundary = map(_argument, self.files())
        pairs = [("predictions", prediction), *(("boundaries", path) for path in boundary)]
        pairs += [*self._said.texts().items(), ("device", self.device), ("output", OUTPUT)]
        words = ["crispseg sharpen", shlex.quote(image), *(shlex.join([flag(name), text]) for name, text in pairs)]
        words += ["--save-scores"] if self.inputs.prediction.from_scores else []
        return " \\\n  ".join(" ".join(line) for line in _filled(words))

    def python_lines(self) -> str:
        """Return lines that write the result beside the inputs, under the names that the page gives it."""
        image, prediction, *boundary = self.files()
        names, made = self._sharpener()
        data = ["read_image", "read_prediction", "write_labels", *(["write_scores"] if self.scores_name else [])]
        one_image = [*(["fitted_boundary"] if boundary else []), "sharpen_one"]
        lines = [
            "from pathlib import Path",
            "",
            f"from crispseg import {', '.join(names)}",
            f"from crispseg.data import {', '.join(data)}",
            f"from crispseg.inference.one_image import {', '.join(one_image)}",
            "",
            *made,
            f"image = read_image(Path({image!r}))",
            f"prediction = read_prediction(Path({prediction!r}), sharpener.scores, sharpener.grid)",
            *(f"boundary = fitted_boundary(Path({name!r}), image)" for name in boundary),
            f"result = sharpen_one(sharpener, image, prediction{', boundary' if boundary else ''})",
            f"write_labels(Path({self.labels_name!r}), result.after, prediction.written_palette)",
        ]
        if self.scores_name is not None:
            lines.append(f"write_scores(Path({self.scores_name!r}), result.scores, prediction)")
        return "\n".join(lines)

    def _sharpener(self) -> tuple[list[str], list[str]]:
        """Return the names to import, and the lines that make the sharpener."""
        config, cue = self._said, self._said.cue
        fields = [
            f"{name}={_quoted(option.write(getattr(config, name)))}" for name, option in options() if name != "cue"
        ]
        weights, plain = cue.texts().get("weights"), CueConfig.of(str(cue))
        if weights is not None and cue == assigned(plain, weights):
            said = [] if plain == CueConfig() else [f"cue={_quoted(str(cue))}"]
            names, opened, closed, fields = ["Sharpener"], "from_pretrained(", ")", [_quoted(weights), *said, *fields]
        elif cue == plain:
            names, opened, closed = ["Sharpener", "SharpenerConfig"], "from_config(SharpenerConfig(", "))"
            fields = [f"cue={_quoted(str(cue))}", *fields]
        else:
            names, opened, closed = ["CueConfig", "Sharpener", "SharpenerConfig"], "from_config(SharpenerConfig(", "))"
            fields = [f"cue={cue!r}", *fields]
        moved = "" if self.device == "cpu" else f".to({_quoted(self.device)})"
        filled = [f"    {' '.join(line)}" for line in _filled([f"{field}," for field in fields])]
        return names, [f"sharpener = Sharpener.{opened}", *filled, f"{closed}{moved}"]

    @property
    def _said(self) -> SharpenerConfig:
        """The config with what was said of the prediction."""
        return self.config.replaced(scores=self.inputs.scores, grid=self.inputs.grid)

    @property
    def _boundary_file(self) -> Path | None:
        """The boundary map, where the cue looks at it."""
        return self.inputs.boundary_file if takes_boundaries(self.config.cue) else None


def _filled(words: Sequence[str]) -> Iterator[list[str]]:
    """Yield the words line by line."""
    line: list[str] = []
    for word in words:
        if line and len(" ".join([*line, word])) > _WIDTH:
            yield line
            line = []
        line.append(word)
    yield line


def _quoted(value: object) -> str:
    """Return the Python literal of a value, a text in double quotes."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else repr(value)


def _argument(name: str) -> str:
    """Return a file name so that it is not taken for an option."""
    return f"./{name}" if name.startswith("-") else name
