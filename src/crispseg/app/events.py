"""The handlers of the page: for drops, moves and clicks."""

import html
import json
import tempfile
from collections.abc import Callable, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import gradio as gr

from crispseg.app import answers, corrections, views
from crispseg.app.answers import Update
from crispseg.app.contents import NUMBERS, defaults_of, names_said
from crispseg.app.controls import SLIDERS
from crispseg.app.corrections import Given
from crispseg.app.limits import Limits
from crispseg.app.page import Page
from crispseg.app.samples import SAMPLES
from crispseg.app.session import Session
from crispseg.app.settings import Cues, control_value, first_config, offered_cue, read_controls
from crispseg.app.storage import Storage
from crispseg.app.visitors import PUT_AWAY, Visitors
from crispseg.config import OF_PREDICTIONS, SharpenerConfig, options
from crispseg.data.class_names import read_class_names
from crispseg.data.classes import Classes

_FETCH = """(file) => {
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""
"""Makes the browser download what a button has written."""

_SNAP = """(...sent) => {
  for (const [place, name] of %s) {
    const slider = document.querySelector(`#${name} input[type=range]`);
    if (slider) sent[place] = Math.min(Math.max(sent[place], Number(slider.min)), Number(slider.max));
  }
  if (%s) sent[1] = [sent[0]].flat()[0]?.orig_name ?? null;
  return sent;
}"""
"""Keeps numbers that are typed within the ends of their sliders, as the sliders will show them; says a file's name."""

_ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_id": "work",  # the operations take every core that there is
    "concurrency_limit": 1,
    "trigger_mode": "always_last",  # where a slider is moved on, only its last place counts
    "show_progress": "hidden",
    "api_visibility": "private",
}

_OF_CUE = ("window", "passes", "hardness")
"""The fields whose defaults depend on the cue, and on what the prediction holds."""


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
            self._on(inputs.image.upload, self._load_image, [inputs.image, page.name])
            self._on(inputs.prediction.upload, self._load_prediction, [inputs.prediction, page.name])
            self._on(inputs.boundary.upload, self._load_boundary, [inputs.boundary, page.name])
            self._on(inputs.names.upload, self._load_names, [inputs.names])
            self._on(inputs.reset.click, self._reset)
            self._on(controls.content.input, self._say)
            self._on(controls.names.input, self._name)
            for name, control in controls.fields.items():
                self._on(control.input, self._answers_to(name))
            self._on(controls.view.input, self._answer)
            self._on(results.picture.select, self._look)
            for place in (results.x, results.y):
                self._on(place.input, self._look_at, [results.x, results.y])
            self._on_download(results.labels, answers.write_label_map)
            self._on_download(results.scores, answers.write_sharp_scores)
            self._on_download(results.sample, answers.write_inputs)

    def _on(self, event: Any, answer: Callable[..., Update], dropped: Sequence[Any] = ()) -> None:  # noqa: ANN401
        """Answer an event, given the paths of dropped files, the session and the values of the controls."""
        page, inputs, controls = self._page, self._page.inputs, self._page.controls
        changed = [*controls.fields.values(), controls.content, controls.names]
        outputs = [self._state, *page.results.all(), *changed, *inputs.dropped]
        sliders = [(len(dropped) + 1 + at, name) for at, name in enumerate(controls.fields) if name in SLIDERS]
        sent = [*dropped, self._state, *controls.all()]
        event(
            self._always_answering(answer),
            sent,
            outputs,
            js=_SNAP % (json.dumps(sliders), json.dumps(page.name in dropped)),
            **_ONE_AT_A_TIME,
        )

    def _on_download(self, button: gr.Button, write: Callable[[Session, SharpenerConfig], Path]) -> None:
        def make(session: Session | None) -> str:
            try:
                own = self._own(session)
                return str(write(own, own.shown.config if own.shown else own.config))
            except Exception as error:
                raise gr.Error(html.escape(answers.explained(error, self._folder)), print_exception=False) from error

        download = self._page.download
        made = button.click(make, [self._state], download, **_ONE_AT_A_TIME)
        made.success(None, download, None, js=_FETCH, api_visibility="private")

    def _always_answering(self, answer: Callable[..., Update]) -> Callable[..., Update]:
        """Give an answer what it takes, and turn whatever is raised into a message: Gradio would show none."""
        count = len(self._page.controls.all())

        @wraps(answer)  # Gradio reads there whether the place of a click is wanted
        def answering(*sent: Any) -> Update:  # noqa: ANN401 - as Gradio gives them
            *first, session = sent[:-count]
            try:
                return answer(*first, self._own(session), Given.of(self._page, sent[-count:]))
            except Exception as error:
                return {self._page.results.message: answers.complaint(error, self._folder)}
            finally:
                self._visitors.make_room()
                self._storage.make_room()

        return answering

    def _load_sample(self, name: str) -> Callable[..., Update]:
        def load(own: Session, given: Given) -> Update:
            update = self._answer(own, given, change=lambda _: own.desk.load_sample(name))
            named = {self._page.controls.names: SAMPLES[name].names}
            return update | named | dict.fromkeys(self._page.inputs.dropped)

        return load

    def _load_image(self, path: str, name: str | None, own: Session, given: Given) -> Update:
        inputs, file = self._page.inputs, self._storage.named(Path(path), name)
        update = self._answer(own, given, change=lambda _: own.desk.load_image(file), dropped=inputs.image)
        return update if own.desk.complete else update | dict.fromkeys((inputs.prediction, inputs.boundary))

    def _load_prediction(self, path: str, name: str | None, own: Session, given: Given) -> Update:
        def load(config: SharpenerConfig) -> None:
            own.desk.load_prediction(self._storage.named(Path(path), name), config.scores, config.grid, given.content)

        return self._answer(own, given, change=load)

    def _load_names(self, path: str, own: Session, given: Given) -> Update:
        """Take the names of classes from a file."""

        def load(_: SharpenerConfig) -> None:
            own.desk.names = Classes(read_class_names(Path(path)), ())

        update = self._answer(own, given, change=load)
        return {self._page.controls.names: Path(path).name} | update

    def _name(self, own: Session, given: Given) -> Update:
        def name(_: SharpenerConfig) -> None:
            own.desk.names = names_said(given.names)

        return self._answer(own, given, change=name)

    def _reset(self, own: Session, given: Given) -> Update:
        """Use the defaults of the filter. What was said of the files stays: it is true of them."""
        config = defaults_of(own.desk.said.content, first_config().cue)
        names = [name for name, _ in options() if name not in OF_PREDICTIONS]
        return self._set(own, given, config, names)

    def _load_boundary(self, path: str, name: str | None, own: Session, given: Given) -> Update:
        dropped, file = self._page.inputs.boundary, self._storage.named(Path(path), name)
        return self._answer(own, given, change=lambda _: own.desk.load_boundary(file), dropped=dropped)

    def _answers_to(self, name: str) -> Callable[..., Update]:
        """Return what the control of a field does."""
        if name == "cue":
            return self._change_cue
        if name == "window":
            return self._change_window
        return self._say if name in OF_PREDICTIONS else self._answer

    def _change_window(self, own: Session, given: Given) -> Update:
        """Use other windows; where one becomes several or several one, with the usual number of passes."""
        before, after = own.config.windows, read_controls(given.fields, own.config).config.windows
        if (len(before) > 1) != (len(after) > 1):
            given.fields["passes"] = None
        return self._answer(own, given)

    def _say(self, own: Session, given: Given) -> Update:
        def say(config: SharpenerConfig) -> None:
            becomes_mask = given.content == "mask" and own.desk.said.content != "mask"
            kind = "probabilities" if becomes_mask and config.scores == "logits" else config.scores
            own.desk.say(kind, config.grid, given.content)

        return self._answer(own, given, change=say)

    def _change_cue(self, own: Session, given: Given) -> Update:
        """Use another cue, with its own defaults."""
        config = defaults_of(own.desk.said.content, offered_cue(given.fields["cue"]).cue)
        return self._set(own, given, config, _OF_CUE)

    def _set(self, own: Session, given: Given, config: SharpenerConfig, names: Sequence[str]) -> Update:
        """Answer as if the controls of some fields showed a config, and make them show it."""
        values = {name: control_value(name, config) for name in names}
        update = self._answer(own, given._replace(fields=given.fields | values))
        return update | corrections.showing(self._page, config, names)

    def _look(self, event: gr.SelectData, own: Session, given: Given) -> Update:
        def look(_: SharpenerConfig) -> None:
            column, row = event.index
            own.desk.look_at(views.Scale(*own.desk.inputs.size).pixel((int(column), int(row))))

        update, results = self._answer(own, given, change=look), self._page.results
        return update | dict(zip((results.x, results.y), own.desk.pixel or (None, None), strict=True))

    def _look_at(self, x: int | None, y: int | None, own: Session, given: Given) -> Update:
        """Look at the pixel whose place is typed, once both numbers are."""
        if x is None or y is None:
            return {self._state: own}
        return self._answer(own, given, change=lambda _: own.desk.look_at((x, y)))

    def _answer(
        self,
        own: Session,
        given: Given,
        *,
        change: Callable[[SharpenerConfig], None] | None = None,
        dropped: gr.File | None = None,
    ) -> Update:
        """Change a session and show it.

        Where that fails, say why, near the result and at the control. What was shown stays, as long as its files lie
        on the desk; a file that was refused is cleared, but for a prediction, which another description may fit.
        """
        page = self._page
        reading, content = read_controls(given.fields, own.config), own.desk.said.content
        was_sample = own.desk.sample is not None
        update: Update = {self._state: own, **dict.fromkeys(page.inputs.dropped if own.was_put_away else ())}
        failure = None
        try:
            if change is not None:
                change(reading.config)
        except Exception as error:
            if own.was_put_away and own.desk.is_empty:
                return update | answers.nothing(page, PUT_AWAY)
            failure = error
            update |= {} if dropped is None else {dropped: None}
        own.config = reading.config.replaced(scores=own.desk.said.scores, grid=own.desk.said.grid)
        if own.desk.said.content != content:
            defaults = defaults_of(own.desk.said.content, own.config.cue)
            own.config = own.config.replaced(**{name: getattr(defaults, name) for name in _OF_CUE})
        update |= dict.fromkeys((page.results.x, page.results.y)) if own.desk.pixel is None else {}
        update |= corrections.corrected(page, own, given, reading.errors)
        update |= {page.controls.names: NUMBERS} if was_sample and own.desk.sample is None else {}
        if own.desk.said.content != content:
            update |= corrections.showing(page, own.config, _OF_CUE) | corrections.with_effect(page, own)
        try:
            update |= answers.shown(page, own, own.config, given.view, self._cues.device.type)
        except Exception as error:
            failure = failure or error
            if not own.shows_its_files:
                return update | answers.nothing(page, answers.complaint(failure, self._folder))
            update |= corrections.taken_back(page, own, given, failure)
        failure = failure or next(iter(reading.errors.values()), None)
        if failure is None:
            return update
        return update | {page.results.message: answers.complaint(failure, self._folder, kept=own.shows_its_files)}

    def _own(self, session: Session | None) -> Session:
        """Return the session of the visitor, or a new one, and note that it is used now."""
        if session is None:
            session = Session(self._cues, self._limits, Path(tempfile.mkdtemp(dir=self._folder)))
        self._visitors.use(session)
        return session
