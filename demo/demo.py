"""Sharpen a photograph's coarse segmentation with the weights that ship, and leave a picture before/after.

The photograph comes with scikit-learn; the mask beside this file was drawn by hand on a grid of 16-pixel squares:
sky, building, trees, water.
"""

import sys
from pathlib import Path

import sklearn.datasets

from crispseg.cli.main import main

HERE = Path(__file__).parent
PHOTOGRAPH = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"
OUTPUT = HERE / "output"

if __name__ == "__main__":
    command = ["sharpen", str(PHOTOGRAPH), "--prediction", str(HERE / "coarse_mask.png"), "--output", str(OUTPUT)]
    code = main(command)
    if code == 0:
        print(f"before and after: {OUTPUT / 'before_after' / 'china.png'}")
    sys.exit(code)
