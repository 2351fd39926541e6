"""Compare the georeferences of two rasters, and warp one onto the other."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from crispseg.data.raster.opening import RasterDataset, rasterio_
from crispseg.errors import InputError

_log = logging.getLogger(__name__)
_POINTS = 41
"""Points along a side of the grid that measures the overlap."""
_WHOLE = 0.999


@contextmanager
def on_the_ground_of(
    image: RasterDataset, prediction: RasterDataset, *, same_extent: bool = False
) -> Iterator[RasterDataset]:
    """Warp a prediction to the extent of an image, at about its own resolution.

    If both have the same extent and CRS, or neither is georeferenced, the prediction is given unchanged. Otherwise it
    is warped: labels by the nearest pixel, scores bilinearly. Pixels that it does not cover are missing.

    Args:
        image: An open `rasterio` dataset.
        prediction: An open `rasterio` dataset.
        same_extent: Whether the prediction covers the image, whatever the georeferences say.

    Raises:
        InputError: If only one of the two is georeferenced, or no part of the image is covered.
    """
    if same_extent or not (_is_placed(image) or _is_placed(prediction)):
        yield prediction
        return
    _check_comparable(image, prediction)
    if image.crs == prediction.crs and _is_same_extent(image, prediction):
        yield prediction
        return
    share = _covered(image, prediction)
    _log.warning(
        "prediction %s: its grid differs from the image's; it is warped to the image (%s to %s)%s", prediction.name,
        prediction.crs, image.crs, "" if share > _WHOLE else f"; it covers {100 * share:.0f} % of the image",
    )  # fmt: skip
    with _warped(image, prediction) as there:
        yield there


def is_said_to_cover(image: RasterDataset, prediction: RasterDataset) -> bool:
    """Return whether the georeferences of both say that the prediction covers the image exactly."""
    placed = _is_placed(image) and _is_placed(prediction)
    return placed and image.crs == prediction.crs and _is_same_extent(image, prediction)


def _is_placed(dataset: RasterDataset) -> bool:
    return not dataset.transform.is_identity or bool(dataset.gcps[0]) or dataset.rpcs is not None


def _check_comparable(image: RasterDataset, prediction: RasterDataset) -> None:
    for dataset, what in ((image, "image"), (prediction, "prediction")):
        if dataset.transform.is_identity:
            how = "by control points or RPCs" if _is_placed(dataset) else "nowhere"
            raise InputError(
                f"{what} {dataset.name}: is placed {how} on the ground and the other on a grid, so that the two cannot "
                "be compared; pass --same-extent if the prediction covers the image, or georeference it (gdalwarp, "
                "gdal_edit.py)"
            )
    if (image.crs is None) != (prediction.crs is None):
        raise InputError(
            f"image {image.name} has the reference system {image.crs}, prediction {prediction.name} "
            f"{prediction.crs}; expected both to have one: pass --same-extent if the prediction covers the image, "
            "or set it (gdal_edit.py -a_srs)"
        )


def _is_same_extent(image: RasterDataset, prediction: RasterDataset) -> bool:
    """Return whether the corners agree to half a pixel of the image or a tenth of a pixel of the prediction."""
    to_image = ~image.transform * prediction.transform
    sides = (image.width, prediction.width), (image.height, prediction.height)
    allowed = [max(0.5, 0.1 * of_image / own) for of_image, own in sides]
    for right, down in ((0, 0), (1, 0), (0, 1), (1, 1)):
        x, y = to_image * (right * prediction.width, down * prediction.height)
        if abs(x - right * image.width) > allowed[0] or abs(y - down * image.height) > allowed[1]:
            return False
    return True


def _in_prediction(
    image: RasterDataset, prediction: RasterDataset, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Convert pixel coordinates of the image to those of the prediction; infinite where the projection has none."""
    xs, ys = image.transform * (x, y)
    if image.crs != prediction.crs:
        warp = rasterio_().warp
        try:
            xs, ys = map(np.array, warp.transform(image.crs, prediction.crs, xs.ravel(), ys.ravel()))
        except Exception as error:  # GDAL's errors share no base class of their own
            raise _elsewhere(image, prediction, f"; {error}") from error
    found: tuple[np.ndarray, np.ndarray] = ~prediction.transform * (xs.ravel(), ys.ravel())
    return found


def _covered(image: RasterDataset, prediction: RasterDataset) -> float:
    """Return the share of the image that the prediction covers.

    Raises:
        InputError: If it covers nothing.
    """
    steps = (np.arange(_POINTS) + 0.5) / _POINTS
    x, y = np.meshgrid(steps * image.width, steps * image.height)
    columns, rows = _in_prediction(image, prediction, x, y)
    inside = (columns >= 0) & (columns < prediction.width) & (rows >= 0) & (rows < prediction.height)
    if not inside.any():
        raise _elsewhere(image, prediction)
    return float(inside.mean())


def _elsewhere(image: RasterDataset, prediction: RasterDataset, reason: str = "") -> InputError:
    where = [
        f"{dataset.name} at {', '.join(f'{edge:.10g}' for edge in dataset.bounds)} ({dataset.crs})"
        for dataset in (prediction, image)
    ]
    return InputError(
        f"prediction {where[0]} does not overlap image {where[1]}{reason}; expected it to cover the image: give the "
        "prediction of this image, or pass --same-extent if a georeference is wrong"
    )


@contextmanager
def _warped(image: RasterDataset, prediction: RasterDataset) -> Iterator[RasterDataset]:
    rasterio = rasterio_()
    vrt, resampling = rasterio.vrt, rasterio.enums.Resampling
    x, y = np.array([0.25, 0.75, 0.5, 0.5]) * image.width, np.array([0.5, 0.5, 0.25, 0.75]) * image.height
    columns, rows = _in_prediction(image, prediction, x, y)
    lengths = np.hypot(np.diff(columns)[::2], np.diff(rows)[::2])  # of half a width and half a height
    if not np.isfinite(lengths).all():
        raise _elsewhere(image, prediction)
    finest = min(1.0, max(2 * lengths[0] / image.width, 2 * lengths[1] / image.height))  # pixels keep their shape
    width, height = max(1, round(finest * image.width)), max(1, round(finest * image.height))
    scaled = rasterio.Affine.scale(image.width / width, image.height / height)
    kind = np.dtype(prediction.dtypes[0])
    labels = np.issubdtype(kind, np.integer) and prediction.count == 1
    crs = image.crs or rasterio.crs.CRS.from_epsg(3857)  # any will do where both lie in the same unnamed one
    options = {"crs": crs, "src_crs": prediction.crs or crs, "transform": image.transform * scaled}
    options |= {"width": width, "height": height, "warp_mem_limit": 64}
    options["resampling"] = resampling.nearest if labels else resampling.bilinear
    masked = {rasterio.enums.MaskFlags.alpha, rasterio.enums.MaskFlags.per_dataset} & {*prediction.mask_flag_enums[0]}
    if np.issubdtype(kind, np.floating):
        options |= {"src_nodata": np.nan if prediction.nodata is None else prediction.nodata, "nodata": np.nan}
    elif prediction.nodata is not None:
        options |= {"src_nodata": prediction.nodata, "nodata": prediction.nodata}
    elif rasterio.enums.MaskFlags.alpha not in masked:
        options["add_alpha"] = True
    with vrt.WarpedVRT(prediction, **options) as there:
        yield there
