"""What happens when something on the page is dropped, moved or clicked."""

import html
import tempfile
from collections.abc import Callable, Sequence
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
from crispseg.app.settings import Cues, Settings
from crispseg.app.storage import Storage
from crispseg.app.visitors import PUT_AWAY, Visitors
from crispseg.window import Window

_FETCH = """(file) => {
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.orig_name;
  link.click();
}"""
"""Lets the browser download what a button has made."""

_ONE_AT_A_TIME: dict[str, Any] = {
    "concurrency_id": "work",  # the operations take every core that there is
    "concurrency_limit": 1,
    "trigger_mode": "always_last",  # where a slider is moved on, only its last place counts
    "show_progress": "hidden",
    "api_visibility": "private",
}


class Events:
    """The answers of a page.

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
        """Let every part of the page do what it is there for."""
        page, inputs, controls, results = self._page, self._page.inputs, self._page.controls, self._page.results
        with page.blocks:
            self._on(page.blocks.load, self._load_sample(next(iter(SAMPLES))))
            for name, button in inputs.samples.items():
                self._on(button.click, self._load_sample(name))
            self._on(inputs.image.upload, self._load_image, [inputs.image])
            self._on(inputs.prediction.upload, self._load_prediction, [inputs.prediction, inputs.kind])
            self._on(inputs.kind.input, self._say_kind, [inputs.kind])
            self._on(inputs.grid.input, self._say_grid, [inputs.grid])
            self._on(inputs.boundary.upload, self._load_boundary, [inputs.boundary])
            self._on(controls.cue.input, self._change_cue)
            for control in (controls.window, controls.dilation, controls.hardness, controls.passes, controls.view):
                self._on(control.input, self._answer)
            self._on(results.picture.select, self._look)
            self._on_download(results.labels, answers.write_label_map)
            self._on_download(results.scores, answers.write_sharp_scores)
            self._on_download(results.sample, answers.write_inputs)

    def _on(self, event: Any, answer: Callable[..., Update], given: Sequence[Any] = ()) -> None:  # noqa: ANN401
        """Answer an event by what is given, the session and the controls."""
        page, inputs, controls = self._page, self._page.inputs, self._page.controls
        changing = [controls.hardness, controls.passes, inputs.image, inputs.prediction]
        changing += [inputs.kind, inputs.grid]
        outputs = [self._state, *page.results.all(), *changing, inputs.boundary]
        event(self._always_answering(answer), [*given, self._state, *controls.all()], outputs, **_ONE_AT_A_TIME)

    def _on_download(self, button: gr.Button, write: Callable[[Session, Settings], Path]) -> None:
        def make(session: Session | None, *controls: Any) -> str:  # noqa: ANN401 - as Gradio gives them
            try:
                return str(write(self._own(session), _settings(controls)))
            except Exception as error:
                raise gr.Error(html.escape(answers.explained(error, self._folder)), print_exception=False) from error

        download = self._page.download
        made = button.click(make, [self._state, *self._page.controls.all()], download, **_ONE_AT_A_TIME)
        made.success(None, download, None, js=_FETCH, api_visibility="private")

    def _always_answering(self, answer: Callable[..., Update]) -> Callable[..., Update]:
        """Whatever is raised becomes a message: an event that ends in an error leaves a page that says nothing."""

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
            update = self._answer(session, *controls, change=lambda own: own.desk.load_sample(name))
            return update | dict.fromkeys((inputs.image, inputs.prediction, inputs.boundary))

        return load

    def _load_image(self, path: str, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        own, inputs = self._own(session), self._page.inputs
        update = self._answer(own, *controls, change=lambda own: own.desk.load_image(Path(path)), dropped=inputs.image)
        return update if own.desk.complete else update | dict.fromkeys((inputs.prediction, inputs.boundary))

    def _load_prediction(self, path: str, kind: Any, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        own, inputs = self._own(session), self._page.inputs
        return self._answer(
            own, *controls, change=lambda own: own.desk.load_prediction(Path(path), kind), dropped=inputs.prediction
        )

    def _load_boundary(self, path: str, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        return self._answer(
            session,
            *controls,
            change=lambda own: own.desk.load_boundary(Path(path)),
            dropped=self._page.inputs.boundary,
        )

    def _say_kind(self, kind: Any, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        return self._answer(session, *controls, change=lambda own: own.desk.say_kind(kind))

    def _say_grid(self, grid: Any, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        return self._answer(session, *controls, change=lambda own: own.desk.say_grid(str(grid)))

    def _change_cue(self, session: Session | None, cue: str, *controls: Any) -> Update:  # noqa: ANN401
        """Another cue starts at its own hardness and passes."""
        choice, (window, dilation, _, _, view) = Settings.of(cue).choice, controls
        page = self._page
        return self._answer(session, cue, window, dilation, choice.hardness, choice.passes, view) | {
            page.controls.hardness: gr.Slider(value=choice.hardness, maximum=choice.hardest),
            page.controls.passes: choice.passes,
            page.inputs.boundary: gr.File(visible=choice.cue == "contour"),
        }

    def _look(self, event: gr.SelectData, session: Session | None, *controls: Any) -> Update:  # noqa: ANN401
        def look(own: Session) -> None:
            column, row = event.index
            own.desk.look_at(views.Scale(*own.desk.inputs.size).pixel((int(column), int(row))))

        return self._answer(session, *controls, change=look)

    def _answer(
        self,
        session: Session | None,
        *controls: Any,  # noqa: ANN401
        change: Callable[[Session], None] | None = None,
        dropped: gr.File | None = None,
    ) -> Update:
        """Change a session and show it; where that cannot be, say why, and forget the file that was dropped."""
        page, own = self._page, self._own(session)
        update: Update = {self._state: own}
        if own.was_put_away:
            update |= dict.fromkeys((page.inputs.image, page.inputs.prediction, page.inputs.boundary))
        try:
            if change is not None:
                change(own)
        except Exception as error:
            if own.was_put_away and own.desk.is_empty:
                return update | answers.nothing(page, PUT_AWAY)
            update |= {page.results.message: answers.complaint(error, self._folder), **_said(page, own)}
            return update if dropped is None else update | {dropped: None}
        update |= _said(page, own)
        try:
            device = self._cues.device.type
            return update | answers.shown(page, own, _settings(controls), controls[-1], device)
        except Exception as error:
            return update | answers.nothing(page, answers.complaint(error, self._folder))

    def _own(self, session: Session | None) -> Session:
        """The visitor's session, used now; a new one where there is none, or none any more."""
        if session is None:
            session = Session(self._cues, self._limits, Path(tempfile.mkdtemp(dir=self._folder)))
        self._visitors.use(session)
        return session


def _said(page: Page, session: Session) -> Update:
    """Return updates of the controls that describe the prediction."""
    return {page.inputs.kind: session.desk.kind, page.inputs.grid: str(session.desk.grid)}


def _settings(controls: Sequence[Any]) -> Settings:
    cue, window, dilation, hardness, passes, _ = controls
    return Settings(cue, Window(int(window), int(dilation)), float(hardness), int(passes))
