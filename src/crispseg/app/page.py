"""The page: its parts, their places and their labels. The result comes first; the controls lie beside or below it."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import gradio as gr

from crispseg.app.controls import (
    VIEWS,
    Control,
    Controls,
    lay_out_content,
    lay_out_fields,
    lay_out_filter,
    lay_out_names,
)
from crispseg.app.samples import SAMPLES
from crispseg.app.settings import first_config
from crispseg.config import OF_PREDICTIONS, options
from crispseg.data.files import IMAGE_SUFFIXES
from crispseg.data.prediction_files import PREDICTION_SUFFIXES

STYLE, SCRIPT = (files("crispseg.app").joinpath(name).read_text(encoding="utf-8") for name in ("page.css", "page.js"))

_PINK = gr.themes.colors.pink
_SLATE = gr.themes.colors.slate

THEME = gr.themes.Base(
    primary_hue=_PINK,
    neutral_hue=_SLATE,
    radius_size=gr.themes.sizes.radius_md,
    spacing_size=gr.themes.sizes.spacing_md,
    text_size=gr.themes.sizes.text_sm,
    # The fonts of the visitor's system: none is fetched.
    font=["system-ui", "Segoe UI", "Roboto", "Helvetica", "Arial", "sans-serif"],
    font_mono=["ui-monospace", "Consolas", "Menlo", "DejaVu Sans Mono", "monospace"],
).set(
    # Every pair of colours has the contrast that WCAG AA asks for.
    body_text_color_subdued=_SLATE.c600,
    body_text_color_subdued_dark=_SLATE.c300,
    block_info_text_color=_SLATE.c600,
    block_info_text_color_dark=_SLATE.c300,
    block_label_text_color=_SLATE.c700,
    block_label_text_color_dark=_SLATE.c200,
    block_title_text_color=_SLATE.c800,
    block_title_text_color_dark=_SLATE.c100,
    input_placeholder_color=_SLATE.c600,
    input_placeholder_color_dark=_SLATE.c300,
    input_border_color=_SLATE.c500,
    input_border_color_dark=_SLATE.c400,
    input_border_width="1px",
    input_background_fill="white",
    input_background_fill_dark=_SLATE.c900,
    color_accent=_PINK.c700,
    slider_color=_PINK.c700,
    slider_color_dark=_PINK.c400,
    button_primary_background_fill=_PINK.c700,
    button_primary_background_fill_dark=_PINK.c700,
    button_primary_background_fill_hover=_PINK.c800,
    button_primary_background_fill_hover_dark=_PINK.c600,
    button_primary_text_color="white",
    button_primary_text_color_dark="white",
    button_secondary_background_fill=_SLATE.c100,
    button_secondary_background_fill_hover=_SLATE.c200,
    button_secondary_text_color=_SLATE.c800,
    button_secondary_background_fill_dark=_SLATE.c800,
    button_secondary_background_fill_hover_dark=_SLATE.c700,
    checkbox_label_background_fill_dark=_SLATE.c800,
    checkbox_label_background_fill_hover_dark=_SLATE.c700,
    block_border_width="0px",
    block_background_fill="transparent",
    block_background_fill_dark="transparent",
    block_padding="0px",
    checkbox_background_color_selected=_PINK.c700,
    checkbox_border_color_dark=_SLATE.c400,
    checkbox_border_color_selected=_PINK.c700,
)

_TITLE = """\
<h1>crispseg</h1>
<p>Masks that follow the edges of the image: drop a photograph and what your segmentation network predicted.</p>"""

BUSY = '<p role="status">Sharpening the first sample …</p>'

PICK = (
    '<p class="hint">Click a pixel in the picture, or type its place, to see which pixels the filter mixes into it.</p>'
)


@dataclass(frozen=True)
class InputWidgets:
    """Where files are dropped, and buttons of samples."""

    image: gr.File
    prediction: gr.File
    samples: dict[str, gr.Button]
    boundary: gr.File
    names: gr.UploadButton
    reset: gr.Button

    @property
    def dropped(self) -> tuple[gr.File, ...]:
        """The places where files lie."""
        return self.image, self.prediction, self.boundary


@dataclass(frozen=True)
class ResultWidgets:
    """Where results are shown."""

    message: gr.HTML
    slider: gr.ImageSlider
    crops: gr.HTML
    legend: gr.HTML
    credit: gr.HTML
    picture: gr.Image
    x: gr.Number
    y: gr.Number
    tiles: gr.HTML
    command: gr.Code
    python: gr.Code
    labels: gr.Button
    scores: gr.Button
    sample: gr.Button

    def all(self) -> list[gr.components.Component]:
        """Return all of them."""
        return list(vars(self).values())


@dataclass(frozen=True)
class Page:
    """The parts of the page."""

    blocks: gr.Blocks
    inputs: InputWidgets
    controls: Controls
    results: ResultWidgets
    download: gr.DownloadButton
    """Hidden: the browser fetches through it what a button has written."""
    name: gr.Textbox
    """Hidden: the browser puts into it what the visitor calls a file. Gradio's names lack quotes, dollars and more."""


def lay_out() -> Page:
    """Return the page, whose parts do nothing yet."""
    blocks = gr.Blocks(title="crispseg", analytics_enabled=False, fill_width=True, delete_cache=(600, 7200))
    with blocks:
        gr.HTML(_TITLE, padding=False, elem_id="title")
        with gr.Row(elem_id="desk"):
            with gr.Column(scale=1, min_width=320, elem_id="main"):
                samples, result = _lay_out_main()
            with gr.Column(scale=0, min_width=312, elem_id="side"):
                inputs, fields, content, names = _lay_out_side(samples)
            with gr.Column(scale=1, min_width=320, elem_id="below"):
                view, pixel = _lay_out_pixel()
                command, python = _lay_out_code()
        controls = Controls(fields, content, names, view)
        results = ResultWidgets(**result, **pixel, command=command, python=python)
        download = gr.DownloadButton("download", elem_id="download", elem_classes="unseen")
        name = gr.Textbox(visible=False)
    return Page(blocks, inputs, controls, results, download, name)


def _lay_out_side(
    samples: dict[str, gr.Button],
) -> tuple[InputWidgets, dict[str, Control], gr.Radio, gr.Dropdown]:
    gr.HTML("<h2>Your files</h2>", padding=False)
    with gr.Row(elem_id="drops"):
        image = gr.File(label="Image", file_types=list(IMAGE_SUFFIXES), height=64, min_width=130, elem_id="image")
        prediction = gr.File(
            label="Prediction", file_types=list(PREDICTION_SUFFIXES), height=64, min_width=130, elem_id="prediction"
        )
    content = lay_out_content()
    made = lay_out_fields(OF_PREDICTIONS, first_config())
    names, names_file = lay_out_names()
    with gr.Row(elem_id="filter-head"):
        gr.HTML("<h2>Filter</h2>", padding=False)
        reset = gr.Button("Reset", size="sm", min_width=64, scale=0, elem_id="reset")
    filters, boundary = lay_out_filter()
    made |= filters
    fields = {name: made[name] for name, _ in options()}
    return InputWidgets(image, prediction, samples, boundary, names_file, reset), fields, content, names


_PICTURE: dict[str, Any] = {"buttons": ["fullscreen"], "format": "png", "interactive": False}
"""A picture. PNG keeps the colours of labels, which a lossy format would change."""


def _lay_out_main() -> tuple[dict[str, gr.Button], dict[str, Any]]:
    """Lay out samples and result; return the parts of the result by their names."""
    with gr.Row(elem_id="samples"):
        samples = {
            name: gr.Button(sample.title, size="sm", min_width=60, scale=0, elem_id=f"sample-{name}")
            for name, sample in SAMPLES.items()
        }
    message = gr.HTML(BUSY, padding=False, elem_id="message")
    with gr.Row(elem_id="result"):
        with gr.Column(scale=7, min_width=300):
            slider = gr.ImageSlider(label="Labels before and after", show_label=False, elem_id="slider", height=376,
                                    max_height=1200, **_PICTURE)  # fmt: skip
            gr.HTML("<p>Before │ after: drag the line. The framed part is enlarged.</p>", padding=False,
                    elem_classes="caption")  # fmt: skip
        with gr.Column(scale=3, min_width=150, elem_id="most"):
            crops = gr.HTML(padding=False, elem_id="crops")
    legend = gr.HTML(padding=False, elem_id="legend")
    with gr.Row(elem_id="take"):
        labels = gr.Button("Download label map", variant="primary", interactive=False, size="sm", min_width=80,
                           scale=0, elem_id="take-labels")  # fmt: skip
        scores = gr.Button(
            "Download scores", interactive=False, size="sm", min_width=80, scale=0, elem_id="take-scores"
        )
        sample = gr.Button("Download sample", visible=False, size="sm", min_width=80, scale=0, elem_id="take-sample")
        credit = gr.HTML(padding=False, elem_id="credit")
    shown = {"message": message, "slider": slider, "crops": crops, "legend": legend, "credit": credit}
    return samples, shown | {"labels": labels, "scores": scores, "sample": sample}


def _lay_out_pixel() -> tuple[gr.Radio, dict[str, Any]]:
    """Lay out the picture that is clicked, the place of the pixel, and what the filter mixes into it."""
    gr.HTML("<h2>Why a pixel changed</h2>", padding=False)
    with gr.Row(elem_id="why"):
        with gr.Column(scale=3, min_width=300):
            view = gr.Radio(
                [(title, name) for name, title in VIEWS.items()],
                value="changed",
                label="What the picture shows",
                show_label=False,
                container=False,
                elem_id="view",
            )
            picture = gr.Image(label="Click a pixel", show_label=False, elem_id="picture", height=330, **_PICTURE)
            with gr.Row(elem_id="pixel"):
                x, y = (_place(name, side) for name, side in (("x", "left"), ("y", "top")))
        with gr.Column(scale=2, min_width=300):
            tiles = gr.HTML(PICK, padding=False, elem_id="tiles")
    return view, {"picture": picture, "x": x, "y": y, "tiles": tiles}


def _place(name: str, side: str) -> gr.Number:
    """Lay out a coordinate of the pixel."""
    label = f"{name}: pixels from the {side}"
    return gr.Number(label=label, value=None, precision=0, min_width=110, elem_id=f"pixel-{name}")


def _lay_out_code() -> tuple[gr.Code, gr.Code]:
    gr.HTML("<h2>Do it again elsewhere</h2>", padding=False)
    with gr.Tabs(elem_id="recipe"):
        with gr.Tab("Command line"):
            command = _code("command")
        with gr.Tab("Python"):
            python = _code("python")
    return command, python


def _code(name: str) -> gr.Code:
    """Lay out lines to copy, in one colour: those of the editor for Python are too pale."""
    return gr.Code(
        interactive=False,
        show_label=False,
        show_line_numbers=False,
        wrap_lines=True,
        lines=3,
        max_lines=16,
        elem_id=name,
    )
