"""Measure what `crispseg annotations` gains on outlines of true labels that were simplified and moved.

python -m benchmarks.drawn_outlines --images val --labels valannot --void 11 --half reporting --every 3
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import shapely
from scipy import ndimage

from benchmarks.object_scenes import half_of, read_label_map
from crispseg import Sharpener
from crispseg.annotations.cleaning import Cleaner, overlap
from crispseg.annotations.filling import fill
from crispseg.annotations.polygons import polygons_of
from crispseg.data import read_image
from crispseg.data.run_lengths import Mask
from crispseg.defaults import (
    ANNOTATION_BAND,
    ANNOTATION_CERTAINTY,
    ANNOTATION_EVIDENCE,
    ANNOTATION_PASSES,
    ANNOTATION_WINDOW,
)

_LEAST, _LARGEST = 400, 0.6
"""Objects of fewer pixels, and those that cover more of the image, are left out."""

_MOST = 20
"""Objects of an image."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    rng = np.random.default_rng(0)
    sharpener = Sharpener.from_pretrained(options.weights, window=options.window, passes=options.passes)
    cleaner = Cleaner(sharpener, options.band, options.certainty, options.evidence)
    rows = []
    for path in half_of(sorted(options.labels.iterdir()), options.half)[:: options.every]:
        image = read_image(next(options.images.glob(f"{path.stem}.*")))
        labels = read_label_map(path).numpy()
        truth = list(_objects(np.where(np.isin(labels, options.void), -1, labels)))[:_MOST]
        drawn = [_drawn(mask, options.simplified, options.moved, rng) for mask in truth]
        pairs = [(true, mask) for true, mask in zip(truth, drawn, strict=True) if mask.any()]
        after = cleaner(image, [mask for _, mask in pairs]) if pairs else []
        for (true, before), new in zip(pairs, after, strict=True):
            wide = max(round(0.02 * float(np.hypot(*true.shape))), 1)
            rows.append([_scores(true, mask, wide) for mask in (before, new)])
    scores = 100 * np.array(rows)
    for column, name in enumerate(("IoU", "Boundary IoU of 2 % of the diagonal", "Boundary IoU of 3 px")):
        before, new = scores[:, :, column].T
        worse = 100 * (new < before - 1).mean()
        print(f"{name}: {before.mean():.2f} -> {new.mean():.2f}; {worse:.1f} % lose over 1 point")
    print(f"{len(scores)} objects")
    return 0


def _objects(labels: np.ndarray) -> Iterator[Mask]:
    for label in np.unique(labels[labels >= 0]):
        parts, count = ndimage.label(labels == label)
        sizes = np.bincount(parts.ravel())
        for part in range(1, count + 1):
            if _LEAST <= sizes[part] <= _LARGEST * labels.size:
                yield parts == part


def _drawn(mask: Mask, tolerance: float, sigma: float, rng: np.random.Generator) -> Mask:
    """Return a mask with fewer vertices on its outline, each at a place that is a little off."""
    rings = [
        [np.array(shapely.LinearRing(ring).simplify(tolerance).coords)[:-1] for ring in part]
        for part in polygons_of([mask], 0)[0]
    ]
    moved = [[ring + rng.normal(0, sigma, ring.shape) for ring in part] for part in rings]
    return fill(moved, *mask.shape)


def _scores(true: Mask, mask: Mask, wide: int) -> tuple[float, ...]:
    return overlap(true, mask), *(overlap(_ring(true, width), _ring(mask, width)) for width in (wide, 3))


def _ring(mask: Mask, width: int) -> Mask:
    """Return the pixels of a mask up to a distance from its outline; the edge of the image is none."""
    far: Mask = ndimage.distance_transform_edt(np.pad(mask, 1, mode="edge"))[1:-1, 1:-1] > width
    return mask & ~far


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--void", type=int, nargs="*", default=[255])
    parser.add_argument(
        "--half", choices=("tuning", "reporting"), help="the first or the second half of the label maps"
    )
    parser.add_argument("--every", type=int, default=1, help="take one of so many images")
    parser.add_argument("--simplified", type=float, default=3, help="tolerance of the simplification in pixels")
    parser.add_argument("--moved", type=float, default=1, help="standard deviation of the vertices in pixels")
    parser.add_argument("--weights", default="fast")
    parser.add_argument("--window", default=ANNOTATION_WINDOW)
    parser.add_argument("--passes", type=int, default=ANNOTATION_PASSES)
    parser.add_argument("--band", type=float, default=ANNOTATION_BAND)
    parser.add_argument("--certainty", type=float, default=ANNOTATION_CERTAINTY)
    parser.add_argument("--evidence", type=float, default=ANNOTATION_EVIDENCE)
    return parser


if __name__ == "__main__":
    sys.exit(main())
