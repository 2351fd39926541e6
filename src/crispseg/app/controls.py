"""The controls of the page: they follow from the fields of `SharpenerConfig`, and hints say what each does."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import gradio as gr

from crispseg.app.contents import CONTENTS, NAMED, NUMBERS
from crispseg.app.settings import control_value, first_config, offered_cues, slider_end, takes_boundaries
from crispseg.config import OF_PREDICTIONS, SharpenerConfig, options
from crispseg.options import Choices, Option, Slider

Control = gr.Dropdown | gr.Slider
"""A control of a field."""

VIEWS = {"changed": "changed pixels", "embedding": "embedding", "image": "image"}
"""The views that the clickable picture can show, by name."""

SLIDERS = tuple(name for name, option in options() if isinstance(option.control, Slider))
"""The fields whose controls are sliders."""

HINTS = {
    "cue": "What makes two pixels alike",
    "window": "How far a pixel looks; 5@8: 5×5 pixels, 8 apart",
    "passes": "More: smoother, slower",
    "hardness": "Higher: only pixels that look alike mix. Lower: smoother",
    "score_weight": "Higher: keeps apart what the network keeps apart. 0: looks at the image alone",
    "scores": "Not for label maps",
    "upsampling": "joint follows the image, bilinear does not",
    "guard": "Keeps thin objects",
    "grid": "How it lies on the image",
    "negligible": "Classes less likely than this everywhere share one channel; faster",
}
"""The effect of each control, in plain words. A field without a hint shows the first clause of its help."""


@dataclass(frozen=True)
class Controls:
    """The controls of the page.

    Args:
        fields: The control of each field of `SharpenerConfig`, by its name.
        content: What the prediction holds.
        names: The names of its classes.
        view: What the picture shows that is clicked.
    """

    fields: dict[str, Control]
    content: gr.Radio
    names: gr.Dropdown
    view: gr.Radio

    def all(self) -> list[gr.components.Component]:
        """Return all, in the order of the arguments of a handler."""
        return [*self.fields.values(), self.content, self.names, self.view]


def lay_out_content() -> gr.Radio:
    """Build the control that says what the prediction holds."""
    return gr.Radio(
        [(title, name) for name, title in CONTENTS.items()],
        value="classes",
        label="The prediction holds",
        info="A label map or scores; a mask of greys; or one mask for each object",
        elem_id="content",
    )


def lay_out_names() -> tuple[gr.Dropdown, gr.UploadButton]:
    """Build the controls of the names of classes: typed, of a data set, or from a file."""
    with gr.Row(elem_id="naming"):
        names = gr.Dropdown(
            [NUMBERS, *NAMED],
            value=NUMBERS,
            allow_custom_value=True,
            label="Names of the classes",
            info="A data set, or: sky, road, …",
            min_width=150,
            elem_id="names",
        )
        file = gr.UploadButton(
            "From a file", file_types=[".txt", ".json"], size="sm", min_width=80, scale=0, elem_id="names-file"
        )
    return names, file


def lay_out_fields(names: Collection[str], config: SharpenerConfig) -> dict[str, Control]:
    """Build the controls of some fields: sliders below each other, then the others side by side."""
    asked = [(name, option) for name, option in options() if name in names]
    with gr.Row(elem_classes="fields"):
        return {
            name: _control(name, option, config)
            for name, option in sorted(asked, key=lambda field: not isinstance(field[1].control, Slider))
        }


def lay_out_filter() -> tuple[dict[str, Control], gr.File]:
    """Build the controls of the filter, and the place of a boundary map."""
    config = first_config()
    made: dict[str, Control] = {"cue": _cue_control(config)}
    boundary = gr.File(label="Boundary map", file_types=[".png", ".npy"], height=54, elem_id="boundary",
                       visible=takes_boundaries(config.cue))  # fmt: skip
    left = [(name, option.rare) for name, option in options() if name not in (*made, *OF_PREDICTIONS)]
    made |= lay_out_fields([name for name, rare in left if not rare], config)
    with gr.Accordion("More", open=False, elem_id="more"):
        made |= lay_out_fields([name for name, rare in left if rare], config)
    return made, boundary


def _control(name: str, option: Option, config: SharpenerConfig) -> Control:
    """Return the control that a field asks for."""
    value = control_value(name, config)
    shown: dict[str, Any] = {"label": option.label, "info": hint(name), "elem_id": name}
    if isinstance(option.control, Slider):
        low, step = option.control.low, option.control.step
        return gr.Slider(low, slider_end(value), value, step=step, min_width=240, **shown)
    if isinstance(option.control, Choices):
        values, width = list(option.control.values), 240 if option.control.wide else 110
        return gr.Dropdown(values, value=value, allow_custom_value=option.control.free, min_width=width, **shown)
    raise TypeError(f"{name} has no control; expected a Slider or Choices")


def _cue_control(config: SharpenerConfig) -> gr.Dropdown:
    option = dict(options())["cue"]
    titles = [(choice.title, key) for key, choice in offered_cues().items()]
    return gr.Dropdown(titles, value=control_value("cue", config), label=option.label, elem_id="cue")


def hint(name: str) -> str:
    """Return what the page says below the label of a field.

    Example:
        >>> hint("scores")
        'Not for label maps'
    """
    return HINTS.get(name) or first_clause(dict(options())[name].help)


def first_clause(text: str) -> str:
    """Return the first clause of a help text, as a sentence without its full stop.

    Example:
        >>> first_clause("the side of the window in pixels, an odd number: how far a pixel looks; 9@2 skips pixels")
        'The side of the window in pixels, an odd number'
    """
    first = re.split(r"[.:;] ", text, maxsplit=1)[0]
    return first[0].upper() + first[1:] if first[0].isascii() else first
