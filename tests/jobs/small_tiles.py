"""The command line with tiles of 20 pixels: so many parts that there is time to end it in between."""

import sys

_CODE = """
import signal, sys
from crispseg.cli.main import main
from crispseg.inference import tiles
signal.signal(signal.SIGINT, signal.default_int_handler)
tiles.tile_side = lambda *_, **__: 20
sys.exit(main(sys.argv[1:]))
"""
COMMAND = [sys.executable, "-c", _CODE]
