"""Sharpeners with weights: those that ship, and what is saved in folders and on a hub."""

from crispseg.models.shipped import SHIPPED_WEIGHTS, weights_path
from crispseg.pretrained.folder import Pretrained, load_folder, save_folder
from crispseg.pretrained.hub import download, upload
from crispseg.pretrained.load import (
    DEFAULT_WINDOW,
    holds_sharpener,
    load_pretrained,
)

__all__ = [
    "DEFAULT_WINDOW",
    "SHIPPED_WEIGHTS",
    "Pretrained",
    "download",
    "holds_sharpener",
    "load_folder",
    "load_pretrained",
    "save_folder",
    "upload",
    "weights_path",
]
