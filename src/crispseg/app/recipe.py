"""A result of the page as a command line and as lines of Python. Both reproduce it bit for bit."""

import json
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from crispseg.app.contents import defaults_of
from crispseg.app.desk import DeskInputs
from crispseg.app.settings import takes_boundaries, with_defaults
from crispseg.config import SHIPPED_WEIGHTS, SharpenerConfig, options
from crispseg.cue_config import CueConfig
from crispseg.data.object_masks import ObjectMasks
from crispseg.data.prediction_files import SCORE_SUFFIXES
from crispseg.grid import CENTRES
from crispseg.options import flag
from crispseg.pretrained import assigned

OUTPUT = "crisp"
"""Folder that the command line writes to."""

_USUAL = {"weights": SHIPPED_WEIGHTS[0], "precision": "float32"}
"""The config of a cue that the command line takes by default."""

_FIRST_CUE = assigned(CueConfig(), SHIPPED_WEIGHTS[0])

_OF_MASKS = ("window", "passes", "hardness")
"""The fields that matter to masks of objects, beside the cue."""

_MADE = "sharpener = "

_LINE = 88
"""Characters of a line of Python."""

_WIDTH = 36
"""Characters of a line that words are filled into, as a phone shows them; a longer word has a line of its own."""


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
        """Return the file name of the sharpened label map, or of masks of objects in the format that came in."""
        masks = self.inputs.masks
        suffix = ".png" if masks is None or masks.numbers else self.inputs.prediction_file.suffix.lower()
        return f"{self.inputs.image_file.stem}_{OUTPUT}{suffix}"

    @property
    def download_title(self) -> str:
        """Return what the button says that downloads the file of that name."""
        return "Download label map" if self.inputs.masks is None else "Download masks"

    @property
    def scores_name(self) -> str | None:
        """Return the file name of the sharpened scores, in the format that came in or NumPy's; None for a label map."""
        if self.inputs.masks is not None or not self.inputs.prediction.from_scores:
            return None
        suffix = self.inputs.prediction_file.suffix.lower()
        return f"{self.inputs.image_file.stem}_{OUTPUT}{suffix if suffix in SCORE_SUFFIXES else '.npy'}"

    def files(self) -> dict[str, Path]:
        """Return the files to read by the path that the lines use: their name, in a folder where two share one."""
        files, given = {self.inputs.image_file.name: self.inputs.image_file}, self.inputs
        for folder, path in (("predictions", given.prediction_file), ("boundaries", self._boundary_file)):
            if path is not None:
                files[f"{folder}/{path.name}" if path.name in files else path.name] = path
        return files

    def command_line(self) -> str:
        """Return the command that writes the result to the folder `crisp`, with the options that are not its defaults.

        No command takes masks of objects: a comment says so.
        """
        if self.inputs.masks is not None:
            return (
                "# For masks of objects, use the Python lines.\n# For files of annotations: crispseg annotations --help"
            )
        image, prediction, *boundary = map(_argument, self.files())
        pairs = [("predictions", prediction), *(("boundaries", path) for path in boundary)]
        texts = self._said.texts()
        said = [name for name, _ in options() if name in self._unusual or (name == "scores" and self._is_float)]
        pairs += [(name, texts[name]) for name in said]
        pairs += [(name, text) for name, text in self._said.cue.texts().items() if text != _USUAL.get(name)]
        pairs += [*([("device", self.device)] if self.device != "cpu" else []), ("output", OUTPUT)]
        words = ["crispseg sharpen", shlex.quote(image), *(shlex.join([flag(name), text]) for name, text in pairs)]
        words += ["--save-scores"] if self.inputs.prediction.from_scores else []
        return " \\\n  ".join(" ".join(line) for line in _filled(words))

    def python_lines(self) -> str:
        """Return lines that write the result beside the inputs, under the names that the page gives it."""
        if self.inputs.masks is not None:
            return "\n".join(self._lines_of_masks(self.inputs.masks))
        image, prediction, *boundary = self.files()
        names, made = self._sharpener(self._unusual)
        data = ["read_image", "read_prediction", "write_labels", *(["write_scores"] if self.scores_name else [])]
        one_image = [*(["fitted_boundary"] if boundary else []), "sharpen_one"]
        kind = ', "logits"' if self._is_float else ""  # said, never guessed
        kind = ", sharpener.scores" if "scores" in self._unusual else kind
        usual = made == [f"{_MADE}Sharpener.from_pretrained()"]
        sharpener, made = (made[0].removeprefix(_MADE), []) if usual else ("sharpener", made)
        palette = "" if self.inputs.prediction.written_palette is None else ", prediction.written_palette"
        lines = [
            f"from crispseg import {', '.join(names)}",
            f"from crispseg.data import {', '.join(data)}",
            f"from crispseg.inference import {', '.join(one_image)}",
            "",
            *made,
            f"image = read_image({_quoted(image)})",
            f"prediction = read_prediction({_quoted(prediction)}{kind})",
            *(f"boundary = fitted_boundary({_quoted(name)}, image)" for name in boundary),
            f"result = sharpen_one(image, prediction, {sharpener}{', boundary' if boundary else ''})",
            f"write_labels({_quoted(self.labels_name)}, result.after{palette})",
        ]
        if self.scores_name is not None:
            lines.append(f"write_scores({_quoted(self.scores_name)}, result.scores, prediction)")
        return "\n".join(lines)

    def _lines_of_masks(self, masks: ObjectMasks) -> list[str]:
        """Return the lines for masks of objects."""
        image, prediction = list(self.files())[:2]
        names, made = self._sharpener([name for name in self._unusual if name in _OF_MASKS])
        usual, kind, grid = defaults_of("objects", _FIRST_CUE), self.inputs.prediction.kind, str(self.inputs.said.grid)
        same = all(getattr(self.config, name) == getattr(usual, name) for name in ("cue", *_OF_MASKS))
        is_usual = same and self.device == "cpu"
        if is_usual:
            names, made = [], []
        form = _form_of(masks, prediction, self.labels_name)
        arguments = ["image", form.given]
        arguments += [] if masks.is_hard else [f"scores={_quoted(kind)}"]
        arguments += [] if grid == str(CENTRES) else [f"grid={_quoted(grid)}"]
        arguments += [] if is_usual else ["sharpener=sharpener"]
        arguments += ["soft=True"] if masks.numbers else []
        return [
            *["import numpy as np", *form.imports, "", f"from crispseg import {', '.join([*names, 'sharpen_masks'])}"],
            *["from crispseg.data import read_image", "", *made, f"image = read_image({_quoted(image)})", *form.read],
            f"crisp = sharpen_masks({', '.join(arguments)})",
            *form.write,
        ]

    def _sharpener(self, unusual: Sequence[str]) -> tuple[list[str], list[str]]:
        """Return the names to import, and the lines that make the sharpener, with these fields."""
        config, cue, known = self._said, self._said.cue, dict(options())
        fields = [f"{name}={_quoted(known[name].write(getattr(config, name)))}" for name in unusual if name != "cue"]
        weights, plain = cue.texts().get("weights"), CueConfig.of(str(cue))
        if weights is not None and cue == assigned(plain, weights):
            said = [] if plain == CueConfig() else [f"cue={_quoted(str(cue))}"]
            which = [] if weights == _USUAL["weights"] else [_quoted(weights)]
            names, opened, closed, fields = ["Sharpener"], "from_pretrained(", ")", [*which, *said, *fields]
        elif cue == plain:
            names, opened, closed = ["Sharpener", "SharpenerConfig"], "from_config(SharpenerConfig(", "))"
            fields = [f"cue={_quoted(str(cue))}", *fields]
        else:
            names, opened, closed = ["CueConfig", "Sharpener", "SharpenerConfig"], "from_config(SharpenerConfig(", "))"
            fields = [f"cue={cue!r}", *fields]
        moved = "" if self.device == "cpu" else f".to({_quoted(self.device)})"
        line = f"{_MADE}Sharpener.{opened}{', '.join(fields)}{closed}{moved}"
        if len(line) <= _LINE:
            return names, [line]
        filled = [f"    {' '.join(line)}" for line in _filled([f"{field}," for field in fields])]
        return names, [f"{_MADE}Sharpener.{opened}", *filled, f"{closed}{moved}"]

    @property
    def _said(self) -> SharpenerConfig:
        """The config with what was said of the prediction."""
        return self.config.replaced(scores=self.inputs.said.scores, grid=self.inputs.said.grid)

    @property
    def _is_float(self) -> bool:
        """Whether the prediction holds floating-point numbers, whose kind cannot be seen."""
        return self.inputs.prediction.from_scores

    @property
    def _unusual(self) -> tuple[str, ...]:
        """The fields of the config that a sharpener does not have by itself."""
        said, usual = self._said, with_defaults(SharpenerConfig(cue=self._said.cue))
        if said.window != usual.window:
            usual = with_defaults(SharpenerConfig(cue=said.cue, window=said.window))  # whose usual passes may differ
            changed = {"window"}
        else:
            changed = set[str]()
        changed |= {name for name, _ in options() if getattr(said, name) != getattr(usual, name)}
        changed |= {"cue"} if str(said.cue) != str(_FIRST_CUE) else set()
        return tuple(name for name, _ in options() if name in changed)

    @property
    def _boundary_file(self) -> Path | None:
        """The boundary map, where the cue looks at it."""
        return self.inputs.boundary_file if takes_boundaries(self.config.cue) else None


class _Form(NamedTuple):
    """How lines of Python read and write masks of objects in one of their forms."""

    imports: list[str]
    read: list[str]
    given: str
    """The masks, as `sharpen_masks` takes them."""
    write: list[str]


def _form_of(masks: ObjectMasks, prediction: str, output: str) -> _Form:
    """Return the form for a stack of masks or a map of object numbers, from one file to another."""
    name = "numbers" if masks.numbers else "masks"
    loaded, suffix = f"np.load({_quoted(prediction)})", Path(prediction).suffix.lower()
    read = f"({name},) = {loaded}.values()" if suffix == ".npz" else f"{name} = {loaded}"
    if not masks.numbers:
        save = "np.savez_compressed" if suffix == ".npz" else "np.save"
        return _Form([], [read], name, [f"{save}({_quoted(output)}, crisp)"])
    if suffix not in (".npy", ".npz"):
        read = f"numbers = np.asarray(Image.open({_quoted(prediction)}))"
    width = 8 if max(masks.numbers) < 256 else 16
    return _Form(
        ["from PIL import Image"],
        [read, "objects = np.unique(numbers[numbers > 0])"],
        "numbers == objects[:, None, None]",
        [
            "labels = np.where(crisp.max(0) > 0.5, objects[crisp.argmax(0)], 0)",
            f"Image.fromarray(labels.astype(np.uint{width})).save({_quoted(output)})",
        ],
    )


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
