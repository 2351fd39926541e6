"""The page that `crispseg app` serves. Only `page`, `events` and `server` know Gradio; a session does without it."""

from crispseg.app.desk import Desk, Inputs
from crispseg.app.limits import Limits
from crispseg.app.recipe import Recipe
from crispseg.app.session import Session
from crispseg.app.settings import Cues, Settings

__all__ = ["Cues", "Desk", "Inputs", "Limits", "Recipe", "Session", "Settings"]
