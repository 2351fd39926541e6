"""Answers to events: the parts of the page to update, and the files that it offers."""

import html
import logging
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
from PIL import Image
from torch import Tensor

from crispseg.app import views
from crispseg.app.page import PICK, Page
from crispseg.app.recipe import Recipe
from crispseg.app.samples import SAMPLES
from crispseg.app.session import Session, Shown
from crispseg.app.visitors import PUT_AWAY
from crispseg.config import SharpenerConfig
from crispseg.data import write_labels, write_scores
from crispseg.errors import InputError, one_line, ran_out_of_memory
from crispseg.inference.one_image import Sharpened
from crispseg.pictures.before_after import most_changed
from crispseg.pictures.colours import label_colours, object_palette
from crispseg.scores import PROBABILITIES
from crispseg.writing import written_whole

_log = logging.getLogger(__name__)

_ON_THE_PAGE = (
    (r"(?:pass|use) scores='(\w+)'(?: \(--scores \w+\))?", r"choose \1 as the kind of scores"),
    (r'Sharpener\(\.\.\., scores="(\w+)"\)', r"choose \1 as the kind of scores"),
    (r" \(--grid\)", ""),
)
"""Words of messages for Python and the command line, and what a visitor does instead."""

Update = dict[Any, Any]
"""New values of parts of the page, by part."""


def shown(page: Page, session: Session, config: SharpenerConfig, view: str, device: str) -> Update:
    """Return the results of a session.

    Raises:
        InputError: If they cannot be computed.
    """
    if not session.desk.complete:
        return _waiting(page, session)
    results, result, desk = page.results, session.sharpen(config), session.desk
    inputs, colours = desk.inputs, _colours(session, result)
    recipe = Recipe(inputs, config, device)
    picture = views.marked(_picture(session, config, view), views.Scale(*inputs.size), desk.pixel)
    part = most_changed(result.before, result.after)
    before, after = (views.tinted(inputs.image, labels, colours) for labels in (result.before, result.after))
    pair = [views.write_picture(views.labels_picture(tinted, part), desk.folder) for tinted in (before, after)]
    update = {
        results.message: views.summary(result, inputs.size, _held(session)) + views.range_note(desk.values),
        results.slider: (str(pair[0]), str(pair[1])),
        results.crops: views.crops(before, after, part),
        results.legend: views.legend(result, colours, desk.names.names),
        results.credit: SAMPLES[desk.sample].credit if desk.sample else "",
        results.picture: str(views.write_picture(picture, desk.folder)),
        results.tiles: _tiles(session, config),
        results.command: recipe.command_line(),
        results.python: recipe.python_lines(),
        results.labels: gr.Button(recipe.download_title, interactive=True),
        results.scores: gr.Button(interactive=recipe.scores_name is not None),
        results.sample: gr.Button(visible=desk.sample is not None),
    }
    session.shown = Shown(inputs.image, inputs.prediction, config)
    return update


def nothing(page: Page, message: str) -> Update:
    """Return empty results, and a message in HTML that says why."""
    results = page.results
    emptied: Update = dict.fromkeys((results.slider, results.picture, results.command, results.python))
    emptied |= dict.fromkeys((results.crops, results.legend, results.credit), "")
    disabled = {button: gr.Button(interactive=False) for button in (results.labels, results.scores)}
    told = {results.message: message, results.tiles: PICK, results.sample: gr.Button(visible=False)}
    return emptied | disabled | told


def complaint(error: Exception, folder: Path, *, kept: bool = False) -> str:
    """Return the message of an error as HTML, with files by their names alone.

    Args:
        error: What was raised. An error that the visitor cannot mend is written to the log.
        folder: Where uploads lie, which the message does not show.
        kept: Whether the last result is still shown.
    """
    rest = ". The last result stays." if kept else ""
    return f'<div class="wrong" role="alert">{html.escape(explained(error, folder))}{rest}</div>'


def explained(error: Exception, folder: Path) -> str:
    """Return the message of an error as text; see `complaint`."""
    if isinstance(error, InputError):
        text = one_line(error)
    elif ran_out_of_memory(error):
        text = "out of memory; take a smaller image or window"
    else:
        _log.error("the page met an error that it did not expect", exc_info=error)
        text = f"{type(error).__name__}, which crispseg did not expect; its log says more. Try another file or setting"
    for words, instead in _ON_THE_PAGE:
        text = re.sub(words, instead, text)
    return re.sub(re.escape(str(folder)) + r"(?:[/\\][^/\\]+)?[/\\]", "", text)


def write_label_map(session: Session, config: SharpenerConfig) -> Path:
    """Write the sharpened label map, or the masks of objects in the form that they came in.

    Raises:
        InputError: If there is no result, or it cannot be written.
    """
    result, inputs = session.sharpen(config), session.desk.inputs
    path = _fresh_folder(session) / Recipe(inputs, config).labels_name
    if path.suffix == ".png":
        write_labels(path, result.after, inputs.prediction.written_palette if inputs.masks is None else None)
        return path
    assert result.scores is not None
    masks = (result.scores > (0.5 if inputs.prediction.kind in PROBABILITIES else 0)).numpy()
    with written_whole(path) as temporary:
        (np.savez_compressed if path.suffix == ".npz" else np.save)(temporary, masks)
    return path


def write_sharp_scores(session: Session, config: SharpenerConfig) -> Path:
    """Write the sharpened scores, in the format that the prediction came in.

    Raises:
        InputError: If the prediction has none, or they cannot be written.
    """
    result, name = session.sharpen(config), Recipe(session.desk.inputs, config).scores_name
    if name is None or result.scores is None:
        raise InputError("the prediction was a label map and has no scores; download the label map")
    path = _fresh_folder(session) / name
    write_scores(path, result.scores, session.desk.inputs.prediction)
    return path


def write_inputs(session: Session, config: SharpenerConfig) -> Path:
    """Write an archive of the input files, named as the command line names them.

    Raises:
        InputError: If there are no inputs, or it cannot be written.
    """
    path = _fresh_folder(session) / f"{session.desk.inputs.image_file.stem}.zip"
    with written_whole(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, file in Recipe(session.desk.inputs, config).files().items():
            archive.write(file, name)
    return path


def _waiting(page: Page, session: Session) -> Update:
    if session.was_put_away and session.desk.is_empty:
        return nothing(page, _asked(PUT_AWAY))
    if session.desk.image is None:
        return nothing(page, _asked("Now drop the image."))
    picture = str(views.write_picture(views.picture(session.desk.image), session.desk.folder))
    seen = {page.results.slider: (picture, picture), page.results.picture: picture}
    refused = session.desk.refused
    asked = f"{refused.name} was refused: say what it holds, or drop another prediction." if refused else ""
    told = _asked(html.escape(asked) or "Now drop its prediction.") + views.range_note(session.desk.values)
    return nothing(page, told) | seen


def _asked(text: str) -> str:
    return f'<p role="status">{text}</p>'


def _colours(session: Session, result: Sharpened) -> Tensor:
    """Return (labels, 3) colours: of the prediction, of the data set that names the classes, or distinct ones."""
    prediction, highest = session.desk.inputs.prediction, int(max(result.before.max(), result.after.max()))
    if session.desk.said.content != "classes":
        return label_colours(object_palette(highest + 1), highest)
    return label_colours(prediction.palette or session.desk.names.palette or None, highest)


def _held(session: Session) -> str:
    """Return what the prediction holds, in words."""
    content, count = session.desk.said.content, len(session.desk.inputs.prediction.classes)
    if content == "mask":
        return "one soft mask"
    held, number = ("class", count) if content == "classes" else ("object", count - 1)
    plural = "es" if held == "class" else "s"
    return f"{number} {held}{plural if number != 1 else ''}"


def _picture(session: Session, config: SharpenerConfig, view: str) -> Image.Image:
    """Return the picture that is clicked, by its name in `page.VIEWS`."""
    image = session.desk.inputs.image
    match view:
        case "image":
            return views.picture(image)
        case "embedding":
            return views.picture(session.embedding(config))
    return views.changed_pixels(image, session.sharpen(config))


def _tiles(session: Session, config: SharpenerConfig) -> str:
    if session.desk.pixel is None:
        return PICK
    masks = session.masks(session.desk.pixel, config)
    return views.pixel_tiles(session.desk.inputs.image, session.embedding(config), masks)


def _fresh_folder(session: Session) -> Path:
    """Return a new folder, so that no browser mistakes one download for another of the same name."""
    return Path(tempfile.mkdtemp(dir=session.desk.folder))
