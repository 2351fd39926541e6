"""Trained weights by name: those that ship, a file, a folder, or a repository on a hub."""

from pathlib import Path

from crispseg.checks import check_choice
from crispseg.cues import Cue, LearnedCue
from crispseg.cues.cue import EmbeddingCue
from crispseg.errors import InputError
from crispseg.models.embedding_net import load_embedding_net
from crispseg.models.shipped import weights_path
from crispseg.pretrained.folder import Pretrained, load_folder
from crispseg.pretrained.hub import download, names_repository
from crispseg.window import Window

DEFAULT_WINDOW = Window(9)
"""The window where nothing says another."""


def holds_sharpener(weights: str | Path) -> bool:
    """Whether these are a whole sharpener, in a folder or on a hub, and not the weights of a network alone."""
    path = weights_path(weights)
    return path.is_dir() or (isinstance(weights, str) and names_repository(weights))


def load_pretrained(weights: str | Path, *, norm: int | None = None, revision: str | None = None) -> Pretrained:
    """Cue and options of a sharpener, as `Sharpener.from_pretrained` takes them.

    Raises:
        InputError: If there are no such weights, or `norm` is not 1 or 2, or the cue has none.
    """
    if not holds_sharpener(weights):
        if revision is not None:
            raise InputError(f"weights {weights}: are not on a hub and have no revision; leave it out")
        cue = LearnedCue(load_embedding_net(weights_path(weights)))
        return Pretrained(_with_norm(cue, norm), DEFAULT_WINDOW, cue.default_hardness, cue.default_passes, "logits")
    folder = Path(weights) if Path(weights).is_dir() else download(str(weights), revision)
    pretrained = load_folder(folder)
    _with_norm(pretrained.cue, norm)
    return pretrained


def _with_norm(cue: Cue, norm: int | None) -> Cue:
    if norm is not None:
        check_choice("norm", norm, (1, 2))
        if not isinstance(cue, EmbeddingCue):
            raise InputError(f"norm is {norm}, but {type(cue).__name__} compares no embeddings; leave it out")
        cue.norm = norm
    return cue
