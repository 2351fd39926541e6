"""Sharpen a raster of any size, such as GeoTIFF, within a given memory."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import torch

from crispseg.data.intensity import ValueRange
from crispseg.data.prediction import Prediction, ScoreKind
from crispseg.data.raster import (
    BLOCK,
    image_pixels,
    label_raster,
    on_the_ground_of,
    opened_raster,
    prediction_pixels,
)
from crispseg.data.raster.output import check_output
from crispseg.grid import Grid
from crispseg.inference.memory import parse_memory
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.tiles import sharpen_tiles


def sharpen_raster(
    sharpener: Sharpener,
    image: Path,
    prediction: Path,
    output: Path,
    *,
    memory: str | int,
    scores: ScoreKind | None = None,
    grid: Grid | str | None = None,
    scale: float | None = None,
    bands: Sequence[int] | None = None,
    value_range: ValueRange = "auto",
    same_extent: bool = False,
    read: Iterable[Path] = (),
    done: Callable[[float], object] = lambda share: None,
) -> None:
    """Read an image and its prediction in parts, and write the sharpened label map where the image lies on the ground.

    Args:
        sharpener: Does the work, where its weights are.
        image: A raster of which three bands are red, green and blue.
        prediction: A raster at any resolution: one band of whole numbers for a label map, or a band of scores for each
            class. Where it says that it lies otherwise than the image, it is warped to it.
        output: A .tif file, tiled and compressed.
        memory: What the process may hold, such as "2GiB".
        scores: What scores are; None for logits, unless they look like masks of objects; a label map is probabilities.
        grid: How the prediction lies on the image; None for the sharpener's.
        scale: What stands for 1 where probabilities are whole numbers, such as 255.
        bands: Which bands of the image are red, green and blue, from 1 on; by its tags where None, which are the first
            three where it has none.
        value_range: Which numbers of the image are black and white; see `crispseg.data.read_image`.
        same_extent: Whether the prediction covers the image exactly, whatever either says of its place on the ground.
        read: Other files that must not be written over, such as that of the weights.
        done: Called with the share that is done, after each part.

    Pixels without a value in image or prediction (nodata, masks, NaN) have no label, and no say in that of others.

    Raises:
        InputError: If a file cannot be read or written, image and prediction do not fit together, or the memory holds
            no tile. Nothing is written then.
    """
    check_output(output, [image, prediction, *read])
    allowed = parse_memory(memory)
    with (
        opened_raster(image, "image", allowed) as rgb,
        opened_raster(prediction, "prediction", allowed) as source,
        on_the_ground_of(rgb, source, same_extent=same_extent) as there,
    ):
        said = prediction_pixels(there, source, scores, scale)
        names = Prediction(torch.empty(0), said.kind, said.classes)
        pixels = image_pixels(rgb, bands, value_range)
        masked = pixels.masked or said.pixels.masked
        expecting = sharpener.expecting(said.kind, grid)
        with label_raster(output, rgb, said, masked=masked) as target:
            for tile in sharpen_tiles(expecting, pixels, said.pixels, memory=memory, multiple=BLOCK):
                target.write(names.labels(tile.scores), tile.valid, tile.box)
                done(((tile.box.bottom - 1) * rgb.width + tile.box.right) / (rgb.width * rgb.height))
