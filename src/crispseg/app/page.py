"""The page: what stands where, and what it is called."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any, Literal

import gradio as gr

from crispseg.app.samples import SAMPLES
from crispseg.app.settings import CHOICES, Settings
from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.prediction import PREDICTION_SUFFIXES
from crispseg.grid import WORDS
from crispseg.scores import SCORES

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
<p>Drop an image and what your segmentation network said of it: every score becomes an average over the pixels around it
that belong with it.</p>"""

VIEWS = {"changed": "changed pixels", "embedding": "embedding", "image": "image"}
"""What the picture that is clicked can show, by name."""

PICK = '<p class="hint">Click a pixel in the picture on the right to see what the filter mixes into it.</p>'


@dataclass(frozen=True)
class InputWidgets:
    """What is dropped or chosen."""

    image: gr.File
    prediction: gr.File
    kind: gr.Radio
    grid: gr.Dropdown
    samples: dict[str, gr.Button]
    boundary: gr.File


@dataclass(frozen=True)
class Controls:
    """What is set; the order is that of the arguments of a handler."""

    cue: gr.Dropdown
    window: gr.Slider
    dilation: gr.Slider
    hardness: gr.Slider
    passes: gr.Slider
    view: gr.Radio

    def all(self) -> list[gr.components.Component]:
        """Them all, in order."""
        return [self.cue, self.window, self.dilation, self.hardness, self.passes, self.view]


@dataclass(frozen=True)
class ResultWidgets:
    """What is shown; the order is that of what a handler returns."""

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
        """Them all, in order."""
        shown = [self.message, self.slider, self.picture, self.tiles, self.command, self.python]
        return [*shown, self.labels, self.scores, self.sample]


@dataclass(frozen=True)
class Page:
    """All parts of the page."""

    blocks: gr.Blocks
    inputs: InputWidgets
    controls: Controls
    results: ResultWidgets
    download: gr.DownloadButton
    """Out of sight: what a button has made is fetched through it."""


def lay_out() -> Page:
    """Build the page, whose parts do nothing yet."""
    blocks = gr.Blocks(title="crispseg", analytics_enabled=False, fill_width=True, delete_cache=(600, 7200))
    with blocks:
        gr.HTML(_TITLE, padding=False, elem_id="title")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=0, min_width=268, elem_id="side"):
                inputs, controls = _lay_out_side()
            with gr.Column(scale=1, min_width=320, elem_id="main"):
                view, results = _lay_out_main()
        download = gr.DownloadButton("download", elem_id="download", elem_classes="unseen")
    return Page(blocks, inputs, Controls(*controls, view), results, download)


def _lay_out_side() -> tuple[InputWidgets, tuple[gr.Dropdown, gr.Slider, gr.Slider, gr.Slider, gr.Slider]]:
    with gr.Row(elem_id="samples"):
        samples = {
            name: gr.Button(f"Sample: {sample.title.lower()}", size="sm", min_width=80, elem_id=f"sample-{name}")
            for name, sample in SAMPLES.items()
        }
    image = gr.File(label="Image", file_types=list(IMAGE_SUFFIXES), height=54, elem_id="image")
    prediction = gr.File(
        label="Prediction: label map or scores", file_types=list(PREDICTION_SUFFIXES), height=54, elem_id="prediction"
    )
    kind = gr.Radio(list(SCORES), value="logits", label="Scores are", elem_id="kind")
    grid = gr.Dropdown(
        [*WORDS, "stride=8", "box=0,0,640,640"],
        value="centres",
        allow_custom_value=True,
        label="Scores lie on the image by",
        elem_id="grid",
    )
    start = Settings.of(next(iter(CHOICES)))
    titles = [(choice.title, name) for name, choice in CHOICES.items()]
    cue = gr.Dropdown(titles, value=start.cue, label="Cue: what pixels are compared by", elem_id="cue")
    boundary = gr.File(label="Boundary map", file_types=[".png", ".npy"], height=54, visible=False, elem_id="boundary")
    window = gr.Slider(3, 21, start.window.size, step=2, label="Window, neighbours a side", elem_id="window")
    dilation = gr.Slider(1, 5, start.window.dilation, step=1, label="Dilation, pixels", elem_id="dilation")
    hardness = gr.Slider(
        0.5, start.choice.hardest, start.hardness, step=0.5, label="Hardness λ, high mixes few", elem_id="hardness"
    )
    passes = gr.Slider(1, 50, start.passes, step=1, label="Passes", elem_id="passes")
    return InputWidgets(image, prediction, kind, grid, samples, boundary), (cue, window, dilation, hardness, passes)


_PANEL: dict[str, Any] = {"height": 344, "buttons": ["fullscreen"], "format": "png"}
"""A picture that is shown: labels would suffer from any format that loses something."""


def _lay_out_main() -> tuple[gr.Radio, ResultWidgets]:
    message = gr.HTML(padding=False, elem_id="message")
    with gr.Row():
        with gr.Column(min_width=300):
            gr.HTML("Labels before │ after: move the line", padding=False, elem_classes="panel-head")
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
                scores = gr.Button("Scores", interactive=False, size="sm", min_width=60, elem_id="take-scores")
                sample = gr.Button("Sample's files", visible=False, size="sm", min_width=60, elem_id="take-sample")
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
        max_lines=7,
        elem_id=name,
    )
