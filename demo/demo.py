"""Sharpen a photograph's coarse segmentation with the bundled weights, and write a before/after picture.

The photograph (CC BY 2.0, danielbuechele) comes with scikit-learn. The mask beside this file was drawn by hand on a
grid of 16-pixel squares: sky, building, trees, water.
"""

import sys
from pathlib import Path

import sklearn.datasets

from crispseg.cli.main import main

HERE = Path(__file__).resolve().parent
PHOTOGRAPH = Path(sklearn.datasets.__file__).parent / "images" / "china.jpg"


def run(output: Path) -> int:
    """Sharpen into a folder, print the path of the picture, and return the exit code."""
    code = main(["sharpen", str(PHOTOGRAPH), "--predictions", str(HERE / "coarse_mask.png"), "--output", str(output)])
    if code == 0:
        print(f"before and after: {output / 'before_after' / 'china.png'}")
    return code


if __name__ == "__main__":
    sys.exit(run(HERE / "output"))
