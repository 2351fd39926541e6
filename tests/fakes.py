"""Tiny data sets on disk, in the formats of real ones."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 48, 64

PHOTO = torch.tensor([0.0, 1.0]).expand(1, 3, 2, 2)
"""A (1, 3, H, W) image that is not faint."""


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Draw a textured (H, W, 3) uint8 image of two regions and a disc, and its (H, W) uint8 labels 0, 1, 2."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    labels = (columns > rng.integers(20, 44) + 0.3 * rows).astype(np.uint8)
    centre, radius = rng.integers(12, 36, size=2), rng.integers(6, 11)
    labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2] = 2
    colours = np.array([[200, 60, 40], [40, 90, 200], [90, 190, 60]])[labels]
    image = np.clip(colours + rng.normal(0, 6, colours.shape), 0, 255).astype(np.uint8)
    return image, labels


def write_folder(root: Path, count: int = 3, *, void: int = 11, seed: int = 0) -> Path:
    """Write `images/NAME.png` and `labels/NAME.png` with a void border of 2 pixels, as in CamVid."""
    rng = np.random.default_rng(seed)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image, labels = draw_scene(rng)
        labels[:2] = void
        Image.fromarray(image).save(root / "images" / f"scene{index}.png")
        Image.fromarray(labels).save(root / "labels" / f"scene{index}.png")
    return root


def write_scored_folder(root: Path, count: int = 3) -> Path:
    """Write what `write_folder` writes, and the coarse scores of its labels, `scores/NAME.npy`."""
    write_folder(root, count)
    write_coarse_scores(root, root / "scores")
    return root


def options_of(root: Path) -> list[str]:
    """Return the options of a command that name what `write_scored_folder` writes."""
    return [
        "--images", f"{root}/images", "--labels", f"{root}/labels", "--predictions", f"{root}/scores", "--void", "11"
    ]  # fmt: skip


def write_clips(root: Path) -> None:
    """Write three frames `clips/NAME/NUMBER.png` of each of two clips, and scores `clip-scores/NAME/NUMBER.npy`."""
    rng = np.random.default_rng(0)
    for clip in ("street", "harbour"):
        for folder in ("clips", "clip-scores"):
            (root / folder / clip).mkdir(parents=True)
        for frame in range(1, 4):
            Image.fromarray(draw_scene(rng)[0]).save(root / "clips" / clip / f"{frame:05}.png")
            scores = rng.normal(size=(5, 6, 8)).astype(np.float32)
            np.save(root / "clip-scores" / clip / f"{frame:05}.npy", scores)


def write_camvid(root: Path, count: int = 2, *, split: str = "train", seed: int = 2) -> Path:
    """Write `SPLIT/NAME.png` and `SPLITannot/NAME.png` with a void border of 2 pixels."""
    folder = write_folder(root / "drawn", count, seed=seed)
    (folder / "images").rename(root / split)
    (folder / "labels").rename(root / f"{split}annot")
    folder.rmdir()
    return root


def outline(labels: np.ndarray) -> np.ndarray:
    """Return the pixels whose right or lower neighbour has another label, as (H, W) uint8."""
    marked = np.zeros(labels.shape, dtype=np.uint8)
    marked[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    marked[:-1] |= labels[:-1] != labels[1:]
    return marked


def write_bsds500(root: Path, count: int = 2, *, split: str = "train", seed: int = 1) -> Path:
    """Write `images/SPLIT/NAME.jpg` and `groundTruth/SPLIT/NAME.mat` of two annotators; the second merges regions."""
    rng = np.random.default_rng(seed)
    images, truth = root / "images" / split, root / "groundTruth" / split
    images.mkdir(parents=True)
    truth.mkdir(parents=True)
    for index in range(count):
        image, labels = draw_scene(rng)
        Image.fromarray(image).save(images / f"{100 + index}.jpg")
        cells = np.empty((1, 2), dtype=object)
        for annotator, regions in enumerate((labels.astype(np.uint16) + 1, (labels > 0).astype(np.uint16) + 1)):
            cells[0, annotator] = {"Segmentation": regions, "Boundaries": outline(regions)}
        savemat(truth / f"{100 + index}.mat", {"groundTruth": cells})
    return root


def write_voc2012(root: Path, *, train: int = 2, val: int = 1, seed: int = 3) -> Path:
    """Write `JPEGImages`, indexed `SegmentationClass` with a void border of 2 pixels, and the three lists."""
    rng = np.random.default_rng(seed)
    for folder in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    names = [f"2007_{index:06}" for index in range(train + val)]
    for name in names:
        image, labels = draw_scene(rng)
        labels[:2] = 255
        Image.fromarray(image).save(root / "JPEGImages" / f"{name}.jpg")
        indexed = Image.fromarray(labels)
        indexed.putpalette([value % 256 for value in range(768)])
        indexed.save(root / "SegmentationClass" / f"{name}.png")
    for split, part in (("train", names[:train]), ("val", names[train:]), ("trainval", names)):
        (root / "ImageSets" / "Segmentation" / f"{split}.txt").write_text("\n".join(part) + "\n")
    return root


def write_sbd(root: Path, *, train: list[str], val: list[str], seed: int = 4) -> Path:
    """`img/NAME.jpg`, `cls/NAME.mat` with labels 0, 15 and 20, `train.txt` and `val.txt`."""
    rng = np.random.default_rng(seed)
    for folder in ("img", "cls"):
        (root / folder).mkdir(parents=True)
    for name in (*train, *val):
        image, labels = draw_scene(rng)
        Image.fromarray(image).save(root / "img" / f"{name}.jpg")
        content = {"Segmentation": np.array([0, 15, 20], dtype=np.uint8)[labels], "CategoriesPresent": [15, 20]}
        savemat(root / "cls" / f"{name}.mat", {"GTcls": content})
    for split, part in (("train", train), ("val", val)):
        (root / f"{split}.txt").write_text("\n".join(part) + "\n")
    return root


def write_cityscapes(
    root: Path, *, split: str = "train", cities: tuple[str, ...] = ("aachen", "bochum"), seed: int = 5
) -> Path:
    """Write `leftImg8bit/SPLIT/CITY/*.png`, `gtFine/SPLIT/CITY/*.png`: ids 7 (road), 23 (sky), 26 (car), 3 at top."""
    rng = np.random.default_rng(seed)
    for city in cities:
        image_folder, label_folder = root / "leftImg8bit" / split / city, root / "gtFine" / split / city
        for folder in (image_folder, label_folder):
            folder.mkdir(parents=True)
        image, labels = draw_scene(rng)
        ids = np.array([7, 23, 26], dtype=np.uint8)[labels]
        ids[:2] = 3
        Image.fromarray(image).save(image_folder / f"{city}_000000_000019_leftImg8bit.png")
        Image.fromarray(ids).save(label_folder / f"{city}_000000_000019_gtFine_labelIds.png")
        for other in ("color", "instanceIds"):
            Image.fromarray(ids).save(label_folder / f"{city}_000000_000019_gtFine_{other}.png")
    return root


COCO_CATEGORIES = {1: "person", 17: "cat", 63: "couch", 85: "clock"}


def write_coco(
    root: Path, images: list[list[tuple[int, tuple[int, int, int, int]]]], *, split: str = "val2017"
) -> Path:
    """Write `SPLIT/NUMBER.jpg` and `annotations/instances_SPLIT.json`.

    An object is a category and the top, left, bottom and right of a rectangle. A negative category stands for a crowd,
    which is written as run lengths instead of an outline.
    """
    rng = np.random.default_rng(6)
    for folder in (root / split, root / "annotations"):
        folder.mkdir(parents=True, exist_ok=True)
    annotations: list[dict[str, object]] = []
    for index, objects in enumerate(images, start=1):
        Image.fromarray(draw_scene(rng)[0]).save(root / split / f"{index:012}.jpg")
        for category, (top, left, bottom, right) in objects:
            if category < 0:
                mask = np.zeros((HEIGHT, WIDTH), dtype=bool)
                mask[top:bottom, left:right] = True
                changes = np.flatnonzero(np.diff(mask.ravel(order="F"), prepend=False))
                counts = np.diff([0, *changes, mask.size]).tolist()
                outline_: object = {"size": [HEIGHT, WIDTH], "counts": counts}
            else:
                outline_ = [[left, top, right, top, right, bottom, left, bottom]]
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": index,
                    "category_id": abs(category),
                    "iscrowd": int(category < 0),
                    "segmentation": outline_,
                }
            )
    content = {
        "images": [
            {"id": index, "file_name": f"{index:012}.jpg", "height": HEIGHT, "width": WIDTH}
            for index in range(1, len(images) + 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in COCO_CATEGORIES.items()],
    }
    (root / "annotations" / f"instances_{split}.json").write_text(json.dumps(content))
    return root


def write_coarse_scores(root: Path, folder: Path, *, num_classes: int = 3, block: int = 8) -> Path:
    """Write `folder/NAME.npy`: log-probabilities of the labels of `root`, averaged over coarse blocks."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        one_hot = (labels == np.arange(num_classes)[:, None, None]).astype(np.float32)
        blocks = one_hot.reshape(num_classes, HEIGHT // block, block, WIDTH // block, block).mean((2, 4))
        np.save(folder / f"{path.stem}.npy", np.log(blocks + 0.01))
    return folder


def write_boundaries(root: Path, folder: Path) -> Path:
    """Write `folder/NAME.png`: 255 beside a change of label in `root`, at half the resolution of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        boundary = np.zeros(labels.shape, dtype=np.uint8)
        boundary[:, 1:][labels[:, 1:] != labels[:, :-1]] = 255
        boundary[1:][labels[1:] != labels[:-1]] = 255
        Image.fromarray(boundary.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).max((1, 3))).save(folder / f"{path.stem}.png")
    return folder


def write_raster(path: Path, bands: np.ndarray, metres: float) -> None:
    """Write (C, H, W) bands as a GeoTIFF with pixels of a size in metres."""
    count, height, width = bands.shape
    import rasterio  # noqa: PLC0415 - only tests of rasters need it
    from rasterio.transform import from_origin  # noqa: PLC0415

    place = {"crs": "EPSG:32633", "transform": from_origin(500_000, 5_000_000, metres, metres)}
    size = {"count": count, "height": height, "width": width}
    with rasterio.open(path, "w", driver="GTiff", dtype=bands.dtype, **size, **place) as raster:
        raster.write(bands)


def after_the_first(action: Callable[[], object]) -> Callable[[object], None]:
    """Return an `on_outcome` that runs an action after the first image."""
    seen: list[object] = []

    def act(outcome: object) -> None:
        seen.append(outcome)
        if len(seen) == 1:
            action()

    return act
