"""The handlers of the page: for drops, moves and clicks."""

import html
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from crispseg.app import answers, views
from crispseg.app.answers import Update
from crispseg.app.limits import Limits
from crispseg.app.page import Page
from crispseg.app.samples import SAMPLES
from crispseg.app.session import Session
from crispseg.app.settings import (
    Cues,
    control_value,
    cue_defaults,
    first_config,
    offered_cue,
    read_controls,
    slider_end,
    takes_boundaries,
)
from crispseg.app.storage import Storage
from crispseg.app.visitors import PUT_AWAY, Visitors
from crispseg.config import OF_PREDICTIONS, SharpenerConfig, options
from crispseg.options import Slider, as_text

_FETCH = """(file) => {
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""
"""Makes the browser download what a button has written."""

_ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_id": "work",  # the operations take every core that there is
    "concurrency_limit": 1,
    "trigger_mode": "always_last",  # where a slider is moved on, only its last place counts
    "show_progress": "hidden",
    "api_visibility": "private",
}


class Events:
    """Connects the parts of a page with what they do.

    Args:
        page: Its parts.
        cues: Shared by all visitors.
        limits: What they may upload.
        storage: Where files for them are written.
    """

    def __init__(self, page: Page, cues: Cues, limits: Limits, storage: Storage) -> None:
        self._page = page
        self._cues = cues
        self._limits = limits
        self._storage = storage
        self._folder = storage.folder
        self._visitors = Visitors(limits.total_bytes)
        with page.blocks:
            self._state = gr.State(None, time_to_live=24 * 3600, delete_callback=self._visitors.leave)

    def connect(self) -> None:
        """Connect every part of the page with its action."""
        page, inputs, controls, results = self._page, self._page.inputs, self._page.controls, self._page.results
        with page.blocks:
            self._on(page.blocks.load, self._load_sample(next(iter(SAMPLES))))
            for name, button in inputs.samples.items():
                self._on(button.click, self._load_sample(name))
            self._on(inputs.image.upload, self._load_image, [inputs.image])
            self._on(inputs.prediction.upload, self._load_prediction, [inputs.prediction])
            self._on(inputs.boundary.upload, self._load_boundary, [inputs.boundary])
            for name, control in controls.fields.items():
                self._on(control.input, self._answers_to(name))
            self._on(controls.view.input, self._answer)
            self._on(results.picture.select, self._look)
            self._on_download(results.labels, answers.write_label_map)
            self._on_download(results.scores, answers.write_sharp_scores)
            self._on_download(results.sample, answers.write_inputs)

    def _on(self, event: Any, answer: Callable[..., Update], given: Sequence[Any] = ()) -> None:  # noqa: ANN401
        """Answer an event, given some values, the session and the controls."""
        page, inputs, controls = self._page, self._page.inputs, self._page.controls
        dropped = (inputs.image, inputs.prediction, inputs.boundary)
        outputs = [self._state, *page.results.all(), *controls.fields.values(), *dropped]
        event(self._always_answering(answer), [*given, self._state, *controls.all()], outputs, **_ONE_AT_A_TIME)

    def _on_download(self, button: gr.Button, write: Callable[[Session, SharpenerConfig], Path]) -> None:
        def make(session: Session | None) -> str:
            try:
                own = self._own(session)
                return str(write(own, own.config))
            except Exception as error:
                raise gr.Error(html.escape(answers.explained(error, self._folder)), print_exception=False) from error

        download = self._page.download
        made = button.click(make, [self._state], download, **_ONE_AT_A_TIME)
        made.success(None, download, None, js=_FETCH, api_visibility="private")

    def _always_answering(self, answer: Callable[..., Update]) -> Callable[..., Update]:
        """Turn whatever is raised into a message: Gradio would show none."""

        @wraps(answer)
        def answering(*given: Any) -> Update:  # noqa: ANN401 - as Gradio gives them
            try:
                return answer(*given)
            except Exception as error:
                return {self._page.results.message: answers.complaint(error, self._folder)}
            finally:
                self._visitors.make_room()
                self._storage.make_room()

        return answering

    def _load_sample(self, name: str) -> Callable[..., Update]:
        def load(session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
            inputs = self._page.inputs
            update = self._answer(session, *controls, change=lambda own, _: own.desk.load_sample(name))
            return update | dict.fromkeys((inputs.image, inputs.prediction, inputs.boundary))

        return load

    def _load_image(self, path: str, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        own, inputs = self._own(session), self._page.inputs
        update = self._answer(
            own, *controls, change=lambda own, _: own.desk.load_image(Path(path)), dropped=inputs.image
        )
        return update if own.desk.complete else update | dict.fromkeys((inputs.prediction, inputs.boundary))

    def _load_prediction(self, path: str, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        def load(own: Session, config: SharpenerConfig) -> None:
            own.desk.load_prediction(Path(path), config.scores, config.grid)

        return self._answer(session, *controls, change=load, dropped=self._page.inputs.prediction)

    def _load_boundary(self, path: str, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        return self._answer(
            session,
            *controls,
            change=lambda own, _: own.desk.load_boundary(Path(path)),
            dropped=self._page.inputs.boundary,
        )

    def _answers_to(self, name: str) -> Callable[..., Update]:
        """Return what the control of a field does."""
        if name == "cue":
            return self._change_cue
        if name == "window":
            return self._change_window
        return self._say if name in OF_PREDICTIONS else self._answer

    def _change_window(self, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        """Use other windows; where one becomes several or several one, with the usual number of passes."""
        own, values = self._own(session), dict(zip(self._page.controls.fields, controls, strict=False))
        before, after = own.config.windows, read_controls(values, own.config).config.windows
        if (len(before) > 1) != (len(after) > 1):
            values["passes"] = None
        return self._answer(own, *values.values(), controls[-1])

    def _say(self, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        return self._answer(session, *controls, change=lambda own, config: own.desk.say(config.scores, config.grid))

    def _change_cue(self, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        """Use another cue, with its own defaults."""
        fields = self._page.controls.fields
        values = dict(zip(fields, controls, strict=False))
        cue = offered_cue(values["cue"]).cue
        config = read_controls({**values, "window": None, "passes": None, "hardness": None}, first_config()).config
        defaults = cue_defaults(config)
        update = self._answer(session, *(values | defaults).values(), controls[-1])
        for name, option in options():
            if name in defaults and isinstance(option.control, Slider):
                end = slider_end(option.control, defaults[name])
                update[fields[name]] = gr.Slider(value=defaults[name], maximum=end)
            elif name in defaults:
                update[fields[name]] = as_text(defaults[name])
        return update | {self._page.inputs.boundary: gr.File(visible=takes_boundaries(cue))}

    def _look(self, event: gr.SelectData, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        def look(own: Session, _: SharpenerConfig) -> None:
            column, row = event.index
            own.desk.look_at(views.Scale(*own.desk.inputs.size).pixel((int(column), int(row))))

        return self._answer(session, *controls, change=look)

    def _answer(
        self,
        session: Session | None,
        *controls: Any,  # noqa: ANN401
        change: Callable[[Session, SharpenerConfig], None] | None = None,
        dropped: gr.File | None = None,
    ) -> Update:
        """Change a session and show it; where that fails, say why and clear the file that was dropped."""
        page, own = self._page, self._own(session)
        values = dict(zip(page.controls.fields, controls, strict=False))
        reading = read_controls(values, own.config)
        update: Update = {self._state: own}
        if own.was_put_away:
            update |= dict.fromkeys((page.inputs.image, page.inputs.prediction, page.inputs.boundary))
        failure = None
        try:
            if change is not None:
                change(own, reading.config)
        except Exception as error:
            if own.was_put_away and own.desk.is_empty:
                return update | answers.nothing(page, PUT_AWAY)
            failure = error
        own.config = reading.config.replaced(scores=own.desk.scores, grid=own.desk.grid)
        update |= self._corrected(own.config, values)
        if failure is not None:
            update |= {page.results.message: answers.complaint(failure, self._folder)}
            return update if dropped is None else update | {dropped: None}
        try:
            update |= answers.shown(page, own, own.config, controls[-1], self._cues.device.type)
        except Exception as error:
            return update | answers.nothing(page, answers.complaint(error, self._folder))
        if reading.errors:
            update[page.results.message] = answers.complaint(reading.errors[0], self._folder)
        return update

    def _corrected(self, config: SharpenerConfig, values: Mapping[str, Any]) -> Update:
        """Return updates of the controls whose values are not those of the config."""
        right = {name: control_value(name, config) for name in values}
        fields = self._page.controls.fields
        return {fields[name]: value for name, value in right.items() if value != values[name]}

    def _own(self, session: Session | None) -> Session:
        """Return the session of the visitor, or a new one, and note that it is used now."""
        if session is None:
            session = Session(self._cues, self._limits, Path(tempfile.mkdtemp(dir=self._folder)))
        self._visitors.use(session)
        return session
