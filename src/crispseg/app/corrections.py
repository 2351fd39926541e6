"""Updates of the controls: where their values are not those of the session, and which of them have an effect."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gradio as gr

from crispseg.app.answers import Update
from crispseg.app.controls import hint
from crispseg.app.page import Page
from crispseg.app.session import Session
from crispseg.app.settings import control_value, slider_end, takes_boundaries
from crispseg.config import SharpenerConfig, options
from crispseg.errors import InputError, one_line
from crispseg.options import Slider

_OF_CLASSES = ("score_weight", "upsampling", "guard", "negligible")
"""Fields without effect on masks of objects."""


class Given(NamedTuple):
    """The values of the controls, as the browser sends them."""

    fields: dict[str, Any]
    content: str
    names: str | None
    view: str

    @classmethod
    def of(cls, page: Page, controls: Sequence[Any]) -> "Given":
        """Return the values that a handler gets."""
        fields = page.controls.fields
        return cls(dict(zip(fields, controls, strict=False)), *controls[len(fields) :])


def corrected(page: Page, session: Session, given: Given, errors: Mapping[str, InputError]) -> Update:
    """Return updates of the controls whose values are not those of the session.

    Args:
        page: The page.
        session: The session, after the values were read; it remembers which controls say why they were refused.
        given: The values of the controls.
        errors: Why values were refused, by the names of their fields: the control says so until its next value.
    """
    fields, update = page.controls.fields, Update()
    for name, value in given.fields.items():
        control, right = type(fields[name]), control_value(name, session.config)
        if name in errors:
            update[fields[name]] = control(value=right, info=one_line(errors[name]), elem_classes=["refused"])
        elif name in session.refused:
            update[fields[name]] = control(value=right, **_plain(name))
        elif right != value:
            update[fields[name]] = right
    session.refused = set(errors)
    if session.desk.said.content != given.content:
        update[page.controls.content] = session.desk.said.content
    return update


def taken_back(page: Page, session: Session, given: Given, error: Exception) -> Update:
    """Return to the config of the result that is shown, as its controls could not be followed; they say why.

    Another cue stays chosen: it may wait for a file.
    """
    assert session.shown is not None
    last, now = session.shown.config, session.config
    if not isinstance(error, InputError) or last.cue != now.cue:
        return {}
    changed = [name for name, _ in options() if getattr(last, name) != getattr(now, name)]
    session.config = last.replaced(scores=now.scores, grid=now.grid)
    return corrected(page, session, given, dict.fromkeys(changed, error))


def with_effect(page: Page, session: Session) -> Update:
    """Return updates that show the controls that have an effect on what the prediction holds, and hide the others."""
    fields, seen = page.controls.fields, session.desk.said.content != "objects"
    return {
        fields[name]: type(fields[name])(value=control_value(name, session.config), visible=seen)
        for name in _OF_CLASSES
    }


def showing(page: Page, config: SharpenerConfig, names: Sequence[str]) -> Update:
    """Return updates with which the controls of some fields show a config; a slider's end follows its value."""
    update: Update = {page.inputs.boundary: gr.File(visible=takes_boundaries(config.cue))}
    for name, option in options():
        if name in names:
            value, control = control_value(name, config), page.controls.fields[name]
            update[control] = type(control)(value=value, **_plain(name))
            if isinstance(option.control, Slider):
                update[control] = gr.Slider(value=value, maximum=slider_end(value), **_plain(name))
    return update


def _plain(name: str) -> dict[str, Any]:
    """Return what a control of a field shows where its last value was not refused."""
    return {"info": hint(name) if name != "cue" else None, "elem_classes": []}
