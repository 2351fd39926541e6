"""Tiny data sets on disk, in the formats of the real ones."""

from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import savemat

HEIGHT, WIDTH = 48, 64


def draw_scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """A textured image (H, W, 3) uint8 of two regions and a disc, and its labels 0, 1, 2 (H, W) uint8."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    labels = (columns > rng.integers(20, 44) + 0.3 * rows).astype(np.uint8)
    centre, radius = rng.integers(12, 36, size=2), rng.integers(6, 11)
    labels[(rows - centre[0]) ** 2 + (columns - centre[1]) ** 2 < radius**2] = 2
    colours = np.array([[200, 60, 40], [40, 90, 200], [90, 190, 60]])[labels]
    image = np.clip(colours + rng.normal(0, 6, colours.shape), 0, 255).astype(np.uint8)
    return image, labels


def write_folder(root: Path, count: int = 3, *, void: int = 11, seed: int = 0) -> Path:
    """`images/NAME.png` and `labels/NAME.png` with a void border of 2 pixels, as CamVid has them."""
    rng = np.random.default_rng(seed)
    for folder in ("images", "labels"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    for index in range(count):
        image, labels = draw_scene(rng)
        labels[:2] = void
        Image.fromarray(image).save(root / "images" / f"scene{index}.png")
        Image.fromarray(labels).save(root / "labels" / f"scene{index}.png")
    return root


def write_camvid(root: Path, count: int = 2, *, split: str = "train", seed: int = 2) -> Path:
    """`SPLIT/NAME.png` and `SPLITannot/NAME.png` with a void border of 2 pixels."""
    folder = write_folder(root / "drawn", count, seed=seed)
    (folder / "images").rename(root / split)
    (folder / "labels").rename(root / f"{split}annot")
    folder.rmdir()
    return root


def outline(labels: np.ndarray) -> np.ndarray:
    """Pixels whose right or lower neighbour has another label, (H, W) uint8."""
    marked = np.zeros(labels.shape, dtype=np.uint8)
    marked[:, :-1] |= labels[:, :-1] != labels[:, 1:]
    marked[:-1] |= labels[:-1] != labels[1:]
    return marked


def write_bsds500(root: Path, count: int = 2, *, split: str = "train", seed: int = 1) -> Path:
    """`images/SPLIT/NAME.jpg` and `groundTruth/SPLIT/NAME.mat` of two annotators, the second of whom merges regions."""
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


def write_coarse_scores(root: Path, folder: Path, *, classes: int = 3, block: int = 8) -> Path:
    """`folder/NAME.npy`: log-probabilities of the labels of `root`, averaged over blocks as in a coarse network."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        one_hot = (labels == np.arange(classes)[:, None, None]).astype(np.float32)
        blocks = one_hot.reshape(classes, HEIGHT // block, block, WIDTH // block, block).mean((2, 4))
        np.save(folder / f"{path.stem}.npy", np.log(blocks + 0.01))
    return folder


def write_boundaries(root: Path, folder: Path) -> Path:
    """`folder/NAME.png`: 255 on the pixels beside a change of label in `root`, at half the resolution of the image."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted((root / "labels").iterdir()):
        labels = np.asarray(Image.open(path))
        boundary = np.zeros(labels.shape, dtype=np.uint8)
        boundary[:, 1:][labels[:, 1:] != labels[:, :-1]] = 255
        boundary[1:][labels[1:] != labels[:-1]] = 255
        Image.fromarray(boundary.reshape(HEIGHT // 2, 2, WIDTH // 2, 2).max((1, 3))).save(folder / f"{path.stem}.png")
    return folder
