"""The page: its parts, their places and their labels. The controls follow from the fields of `SharpenerConfig`."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import gradio as gr

from crispseg.app.samples import SAMPLES
from crispseg.app.settings import (
    control_value,
    first_config,
    offered_cues,
    slider_end,
    takes_boundaries,
)
from crispseg.config import OF_PREDICTIONS, SharpenerConfig, options
from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.options import Choices, Option, Slider

Control = gr.Dropdown | gr.Slider
"""A control of a field."""

STYLE = files("crispseg.app").joinpath("page.css").read_text(encoding="utf-8")

THEME = gr.themes.Base(
    primary_hue=gr.themes.colors.pink,
    neutral_hue=gr.themes.colors.slate,
    radius_size=gr.themes.sizes.radius_sm,
    spacing_size=gr.themes.sizes.spacing_sm,
    text_size=gr.themes.sizes.text_sm,
    # The fonts of the visitor's system: none is fetched.
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "Menlo", "DejaVu Sans Mono", "monospace"],
)

_TITLE = """\
<h1>crispseg</h1>
<p>Drop an image and the prediction of your segmentation network. Each score becomes an average over nearby pixels of
the same object.</p>"""

VIEWS = {"changed": "changed pixels", "embedding": "embedding", "image": "image"}
"""The views that the clickable picture can show, by name."""

PICK = '<p class="hint">Click a pixel in the picture on the right to see what the filter mixes into it.</p>'


@dataclass(frozen=True)
class InputWidgets:
    """Where files are dropped, and buttons of samples."""

    image: gr.File
    prediction: gr.File
    samples: dict[str, gr.Button]
    boundary: gr.File


@dataclass(frozen=True)
class Controls:
    """The controls of the page.

    Args:
        fields: The control of each field of `SharpenerConfig`, by its name.
        view: What the picture shows that is clicked.
    """

    fields: dict[str, Control]
    view: gr.Radio

    def all(self) -> list[gr.components.Component]:
        """Return all, in the order of the arguments of a handler."""
        return [*self.fields.values(), self.view]


@dataclass(frozen=True)
class ResultWidgets:
    """Where results are shown."""

    message: gr.HTML
    slider: gr.ImageSlider
    picture: gr.Image
    tiles: gr.HTML
    command: gr.Code
    python: gr.Code
    labels: gr.Button
    scores: gr.Button
    sample: gr.Button

    def all(self) -> list[gr.components.Component]:
        """Return all of them."""
        shown = [self.message, self.slider, self.picture, self.tiles, self.command, self.python]
        return [*shown, self.labels, self.scores, self.sample]


@dataclass(frozen=True)
class Page:
    """The parts of the page."""

    blocks: gr.Blocks
    inputs: InputWidgets
    controls: Controls
    results: ResultWidgets
    download: gr.DownloadButton
    """Hidden: the browser fetches through it what a button has written."""


def lay_out() -> Page:
    """Return the page, whose parts do nothing yet."""
    blocks = gr.Blocks(title="crispseg", analytics_enabled=False, fill_width=True, delete_cache=(600, 7200))
    with blocks:
        gr.HTML(_TITLE, padding=False, elem_id="title")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=0, min_width=292, elem_id="side"):
                inputs, fields = _lay_out_side()
            with gr.Column(scale=1, min_width=320, elem_id="main"):
                view, results = _lay_out_main()
        download = gr.DownloadButton("download", elem_id="download", elem_classes="unseen")
    return Page(blocks, inputs, Controls(fields, view), results, download)


def _lay_out_side() -> tuple[InputWidgets, dict[str, Control]]:
    with gr.Row(elem_id="samples"):
        samples = {
            name: gr.Button(f"Sample: {sample.title.lower()}", size="sm", min_width=80, elem_id=f"sample-{name}")
            for name, sample in SAMPLES.items()
        }
    image = gr.File(label="Image", file_types=list(IMAGE_SUFFIXES), height=54, elem_id="image")
    prediction = gr.File(
        label="Prediction: label map or scores", file_types=list(PREDICTION_SUFFIXES), height=54, elem_id="prediction"
    )
    config = first_config()
    made = _lay_out_fields(OF_PREDICTIONS, config)
    made["cue"] = _cue_control(config)
    boundary = gr.File(label="Boundary map", file_types=[".png", ".npy"], height=54, elem_id="boundary",
                       visible=takes_boundaries(config.cue))  # fmt: skip
    left = [(name, option.rare) for name, option in options() if name not in made]
    made |= _lay_out_fields([name for name, rare in left if not rare], config)
    with gr.Accordion("More", open=False, elem_id="more"):
        made |= _lay_out_fields([name for name, rare in left if rare], config)
    fields = {name: made[name] for name, _ in options()}
    return InputWidgets(image, prediction, samples, boundary), fields


def _lay_out_fields(names: Collection[str], config: SharpenerConfig) -> dict[str, Control]:
    """Lay out the controls of some fields: sliders below each other, then the others side by side."""
    asked = [(name, option) for name, option in options() if name in names]
    with gr.Row(elem_classes="fields"):
        return {
            name: _control(name, option, config)
            for name, option in sorted(asked, key=lambda field: not isinstance(field[1].control, Slider))
        }


def _control(name: str, option: Option, config: SharpenerConfig) -> Control:
    """Return the control that a field asks for."""
    value = control_value(name, config)
    shown: dict[str, Any] = {"label": option.label, "info": hint(option.help), "elem_id": name}
    if isinstance(option.control, Slider):
        low, step = option.control.low, option.control.step
        return gr.Slider(low, slider_end(option.control, value), value, step=step, min_width=240, **shown)
    if isinstance(option.control, Choices):
        values, width = list(option.control.values), 240 if option.control.wide else 110
        return gr.Dropdown(values, value=value, allow_custom_value=option.control.free, min_width=width, **shown)
    raise TypeError(f"{name} has no control; expected a Slider or Choices")


def _cue_control(config: SharpenerConfig) -> gr.Dropdown:
    option = dict(options())["cue"]
    titles = [(choice.title, key) for key, choice in offered_cues().items()]
    return gr.Dropdown(titles, value=control_value("cue", config), label=option.label, elem_id="cue")


def hint(text: str) -> str:
    """Return the first clause of a help text, as a sentence without its full stop.

    Example:
        >>> hint("the side of the window in pixels, an odd number: how far a pixel looks; 9@2 skips pixels")
        'The side of the window in pixels, an odd number'
    """
    first = re.split(r"[.:;] ", text, maxsplit=1)[0]
    return first[0].upper() + first[1:] if first[0].isascii() else first


_PANEL: dict[str, Any] = {"height": 344, "buttons": ["fullscreen"], "format": "png"}
"""A picture. PNG keeps the colours of labels, which a lossy format would change."""


def _lay_out_main() -> tuple[gr.Radio, ResultWidgets]:
    message = gr.HTML(padding=False, elem_id="message")
    with gr.Row():
        with gr.Column(min_width=300):
            gr.HTML("Labels before │ after: drag the line", padding=False, elem_classes="panel-head")
            slider = gr.ImageSlider(show_label=False, interactive=False, elem_id="slider", **_PANEL)
        with gr.Column(min_width=300):
            view = gr.Radio(
                [(title, name) for name, title in VIEWS.items()],
                value="changed",
                show_label=False,
                container=False,
                elem_id="view",
            )
            picture = gr.Image(show_label=False, interactive=False, elem_id="picture", **_PANEL)
    with gr.Row():
        with gr.Column(scale=1, min_width=300):
            tiles = gr.HTML(PICK, padding=False, elem_id="tiles")
        with gr.Column(scale=1, min_width=300, elem_id="take"):
            with gr.Row():
                labels = gr.Button("Download label map", variant="primary", interactive=False, size="sm", min_width=80,
                                   elem_id="take-labels")  # fmt: skip
                scores = gr.Button("Download scores", interactive=False, size="sm", min_width=80, elem_id="take-scores")
                sample = gr.Button("Download sample", visible=False, size="sm", min_width=80, elem_id="take-sample")
            command, python = _lay_out_code()
    return view, ResultWidgets(message, slider, picture, tiles, command, python, labels, scores, sample)


def _lay_out_code() -> tuple[gr.Code, gr.Code]:
    with gr.Tabs(elem_id="recipe"):
        with gr.Tab("Command line"):
            command = _code(None, "command")
        with gr.Tab("Python"):
            python = _code("python", "python")
    return command, python


def _code(language: Literal["python"] | None, name: str) -> gr.Code:
    return gr.Code(
        language=language,
        interactive=False,
        show_label=False,
        show_line_numbers=False,
        wrap_lines=True,
        lines=5,
        max_lines=12,
        elem_id=name,
    )
