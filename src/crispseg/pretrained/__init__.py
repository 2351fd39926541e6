"""Load and save sharpeners with weights: those that ship, and those in folders and on a hub."""

from crispseg.config import SHIPPED_WEIGHTS
from crispseg.pretrained.folder import load_folder, save_folder
from crispseg.pretrained.hub import download, upload
from crispseg.pretrained.load import assigned, holds_sharpener, load_cue, load_pretrained, weights_path

__all__ = [
    "SHIPPED_WEIGHTS",
    "assigned",
    "download",
    "holds_sharpener",
    "load_cue",
    "load_folder",
    "load_pretrained",
    "save_folder",
    "upload",
    "weights_path",
]
