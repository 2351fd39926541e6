"""The page that `crispseg app` serves. Only `page`, `events` and `server` know Gradio; a session does without it."""

from crispseg.app.desk import Desk, DeskInputs
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues, offered_cues

__all__ = ["Cues", "Desk", "DeskInputs", "Limits", "Recipe", "Session", "offered_cues"]
