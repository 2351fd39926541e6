"""The command line with tiles of 20 pixels: so many parts that there is time to end it in between."""

import sys
from pathlib import Path

_CODE = """
import signal, sys
from crispseg.cli.main import main
from crispseg.inference import tiles
signal.signal(signal.SIGINT, signal.default_int_handler)
tiles.tile_side = lambda *_, **__: 20
sys.exit(main(sys.argv[1:]))
"""
COMMAND = [sys.executable, "-c", _CODE]


def arguments(root: Path, *options: str) -> list[str]:
    """Return the arguments of a run of crispseg raster with the files of a folder."""
    files = [str(root / "image.tif"), "--predictions", str(root / "p.tif"), "--output", str(root / "out.tif")]
    return ["raster", *files, "--cue", "rgb", "--window", "5", "--passes", "2", "--hardness", "20", *options]
