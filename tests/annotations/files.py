"""The same two images, annotated in each format: two objects that touch in the first, one in the second."""

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

HEIGHT, WIDTH = 40, 48
LEFT = [[6.0, 8.0], [24.0, 8.0], [24.0, 30.0], [6.0, 30.0]]
RIGHT = [[24.0, 8.0], [42.0, 8.0], [42.0, 30.0], [24.0, 30.0]]
OBJECTS = {"a": [("cat", LEFT), ("dog", RIGHT)], "b": [("dog", LEFT)]}
IDS = {"cat": 0, "dog": 1}


def box(points: list[list[float]]) -> np.ndarray:
    """Return the mask of a rectangle."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    (left, top), _, (right, bottom), _ = points
    mask[int(top) : int(bottom), int(left) : int(right)] = True
    return mask


def write_images(root: Path) -> Path:
    """Write `images/a.png` and `images/b.png`: the rectangles, a pixel larger than they are annotated."""
    (root / "images").mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for name, objects in OBJECTS.items():
        pixels = np.full((HEIGHT, WIDTH, 3), (40, 90, 200))
        for index, (_, points) in enumerate(objects):
            (left, top), _, (right, bottom), _ = points
            pixels[int(top) - 2 : int(bottom) + 2, int(left) - 2 * (index == 0) : int(right) + 2] = (
                200,
                60 + 150 * index,
                40,
            )
        noisy = np.clip(pixels + rng.normal(0, 3, pixels.shape), 0, 255).astype(np.uint8)
        Image.fromarray(noisy).save(root / "images" / f"{name}.png")
    return root / "images"


def write_coco(root: Path, kind: str = "polygons") -> Path:
    """Write `coco.json`, with a crowd, attributes of its own and an unusual layout of text."""
    annotations, number = [], 10
    for image, (name, objects) in enumerate(OBJECTS.items(), 1):
        for category, points in objects:
            number += 1
            segmentation: object = [[value for point in points for value in point]]
            if kind == "counts":
                runs = np.flatnonzero(np.diff(np.concatenate([[False], box(points).T.ravel(), [False]])))
                counts = np.diff([0, *runs.tolist(), HEIGHT * WIDTH]).tolist()
                segmentation = {"size": [HEIGHT, WIDTH], "counts": counts}
            annotations.append(
                {"id": number, "image_id": image, "category_id": IDS[category], "segmentation": segmentation,
                 "area": 396.0, "bbox": [1.0, 2.0, 3.0, 4.0], "iscrowd": 0, "mine": {"who": "Ä"}}
            )  # fmt: skip
        del name
    annotations.append(
        {**annotations[0], "id": 99, "iscrowd": 1, "segmentation": {"size": [HEIGHT, WIDTH], "counts": [0, 5, 1915]}}
    )
    said = {
        "info": {"version": 1.50},
        "images": [
            {"id": index, "file_name": f"{name}.png", "height": HEIGHT, "width": WIDTH}
            for index, name in enumerate(OBJECTS, 1)
        ],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for name, number in IDS.items()],
    }
    path = root / "coco.json"
    path.write_text(json.dumps(said, ensure_ascii=False).replace("1.5}", "1.50 }\n"))
    return path


def write_labelme(root: Path, kind: str = "polygon") -> Path:
    """Write `labelme/a.json` and `labelme/b.json`, with a rectangle and a flag."""
    (root / "labelme").mkdir()
    for name, objects in OBJECTS.items():
        shapes: list[dict[str, object]] = [
            {"label": category, "points": points, "group_id": None, "shape_type": "polygon", "flags": {"hard": True}}
            for category, points in objects
        ]
        if kind == "mask":
            for shape, (_, ((left, top), _, (right, bottom), _)) in zip(shapes, objects, strict=True):
                buffer = io.BytesIO()
                Image.fromarray(np.ones((int(bottom - top), int(right - left)), np.uint8)).save(buffer, format="PNG")
                png = base64.b64encode(buffer.getvalue()).decode()
                shape |= {"shape_type": "mask", "points": [[left, top], [right - 1, bottom - 1]], "mask": png}
        shapes.insert(1, {"label": "box", "points": [[1, 2], [3, 4]], "shape_type": "rectangle", "flags": {}})
        said: dict[str, object] = {
            "version": "5.5.0", "flags": {}, "shapes": shapes, "imagePath": f"..\\images\\{name}.png",
            "imageData": None, "imageHeight": HEIGHT, "imageWidth": WIDTH,
        }  # fmt: skip
        (root / "labelme" / f"{name}.json").write_text(json.dumps(said, indent=2))
    return root / "labelme"


def write_cvat(root: Path, kind: str = "polygon") -> Path:
    """Write `cvat.xml`, with a comment, a box, and an attribute of an object."""
    images = []
    for number, (name, objects) in enumerate(OBJECTS.items()):
        shapes = ['    <box label="cat" xtl="1" ytl="2" xbr="3" ybr="4" z_order="0"/>']
        for category, points in objects:
            (left, top), _, (right, bottom), _ = points
            where = f'points="{";".join(f"{x:.2f},{y:.2f}" for x, y in points)}"'
            if kind == "mask":
                width, height = int(right - left), int(bottom - top)
                where = f'rle="0, {width * height}" left="{left:.0f}" top="{top:.0f}" width="{width}" height="{height}"'
            shapes.append(
                f'    <{kind} label="{category}" source="manual" occluded=\'0\' {where} z_order="0">\n'
                f'      <attribute name="note">1 &gt; 0 &amp; "points"</attribute>\n    </{kind}>'
            )
        images.append(
            f'  <image id="{number}" name="{name}.png" width="{WIDTH}" height="{HEIGHT}">\n' + "\n".join(shapes)
            + "\n  </image>\n"
        )  # fmt: skip
    labels = "".join(f"<label><name>{name}</name></label>" for name in IDS)
    path = root / "cvat.xml"
    path.write_text(
        '<?xml version="1.0" encoding="utf-8"?>\n<!-- Ä -->\n<annotations>\n'
        f"  <meta><task><labels>{labels}</labels></task></meta>\n{''.join(images)}</annotations>\n"
    )
    return path


def write_yolo(root: Path) -> Path:
    """Write `yolo/a.txt` and `yolo/b.txt`, with a box between the objects and no end of the last line."""
    (root / "yolo").mkdir()
    for name, objects in OBJECTS.items():
        lines = [
            f"{IDS[category]} " + " ".join(f"{x / WIDTH:.6f} {y / HEIGHT:.6f}" for x, y in points)
            for category, points in objects
        ]
        lines.insert(1, "1 0.5 0.5 0.10 0.20")
        (root / "yolo" / f"{name}.txt").write_bytes("\r\n".join(lines).encode())
    (root / "yolo" / "classes.txt").write_text("cat\ndog\n")
    return root / "yolo"


def write_voc(root: Path) -> Path:
    """Write `voc/SegmentationObject` and `voc/SegmentationClass`, with a void pixel and a palette."""
    for folder in ("SegmentationObject", "SegmentationClass"):
        (root / "voc" / folder).mkdir(parents=True)
        for name, objects in OBJECTS.items():
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            for number, (category, points) in enumerate(objects, 1):
                labels[box(points)] = number if folder == "SegmentationObject" else 8 + IDS[category]
            labels[0, 0] = 255
            image = Image.fromarray(labels)
            image.putpalette([value % 256 for value in range(3 * 256)])
            image.save(root / "voc" / folder / f"{name}.png")
    return root / "voc"


WRITERS: dict[str, Callable[..., Path]] = {
    "coco": write_coco,
    "cvat": write_cvat,
    "labelme": write_labelme,
    "voc": write_voc,
    "yolo": write_yolo,
}
"""The writers of annotations, by format."""
