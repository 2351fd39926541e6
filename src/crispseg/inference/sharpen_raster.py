"""Sharpen a raster of any size, such as GeoTIFF, within a given memory."""

from collections.abc import Callable
from pathlib import Path

import torch

from crispseg.data.prediction import Prediction, ScoreKind
from crispseg.data.raster import (
    BLOCK,
    image_pixels,
    label_raster,
    opened_raster,
    prediction_pixels,
    write_box,
)
from crispseg.grid import Grid
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tiles import sharpen_tiles
from crispseg.writing import prepare_file

RASTER_SUFFIXES = (".tif", ".tiff")


def sharpen_raster(
    sharpener: Sharpener,
    image: Path,
    prediction: Path,
    output: Path,
    *,
    memory: str | int,
    scores: ScoreKind = "logits",
    grid: Grid | str | None = None,
    done: Callable[[float], object] = lambda share: None,
) -> None:
    """Read an image and its prediction in parts, and write the sharpened label map where the image lies on the ground.

    Args:
        sharpener: Does the work, where its weights are.
        image: A raster whose first three bands are red, green and blue, of 8 or 16 bits.
        prediction: A raster of the same ground at any resolution: one band of whole numbers for a label map, or a band
            of scores for each class.
        output: A .tif file, tiled and compressed.
        memory: What the process may hold, such as "2GiB".
        scores: What scores are; a label map is probabilities.
        grid: How the prediction lies on the image; None for the sharpener's.
        done: Called with the share that is done, after each part.

    Raises:
        InputError: If a file cannot be read or written, image and prediction do not fit together, or the memory holds
            no tile. Nothing is written then.
    """
    prepare_file(output)
    with opened_raster(image, "image") as rgb, opened_raster(prediction, "prediction") as said:
        pixels, classes, labelled = prediction_pixels(said)
        kind: ScoreKind = "probabilities" if labelled else scores
        names = Prediction(torch.empty(0), kind, classes)
        with label_raster(output, rgb, max(classes)) as target:
            for tile in sharpen_tiles(
                sharpener.expecting(kind, grid), image_pixels(rgb), pixels, memory=memory, multiple=BLOCK
            ):
                write_box(target, names.labels(tile.scores), tile.box)
                done(((tile.box.bottom - 1) * rgb.width + tile.box.right) / (rgb.width * rgb.height))
