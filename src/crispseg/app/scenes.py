"""A street drawn by code: an image, and the label of every pixel."""

from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

HEIGHT, WIDTH = 360, 480

Colour = tuple[int, int, int]

_SKY, _BUILDING, _POLE, _ROAD, _PAVEMENT, _TREE, _SIGN, _FENCE, _CAR, _PEDESTRIAN = range(10)
"""Labels of CamVid."""


class Scene:
    """An image, and beside it the label of every pixel, 0 where nothing with a label is drawn."""

    def __init__(self, ground: Colour) -> None:
        self.image = Image.new("RGB", (WIDTH, HEIGHT), ground)
        self.labels = Image.new("L", (WIDTH, HEIGHT), 0)
        self._pens = ImageDraw.Draw(self.image), ImageDraw.Draw(self.labels)

    def draw(self, shape: str, where: Any, colour: Colour, label: int | None = None) -> None:  # noqa: ANN401 - Pillow's
        """Draw a `rectangle`, `ellipse` or `polygon`, as Pillow names it; None leaves the labels below as they are."""
        getattr(self._pens[0], shape)(where, fill=colour)
        if label is not None:
            getattr(self._pens[1], shape)(where, fill=label)

    def photograph(self, rng: np.random.Generator) -> Image.Image:
        """Return the image with soft edges, uneven light and the grain of a sensor."""
        blurred = np.asarray(self.image.filter(ImageFilter.GaussianBlur(0.7)), dtype=np.float64)
        light = rng.normal(1, 0.05, (9, 12)).astype(np.float32)
        shade = np.asarray(Image.fromarray(light).resize((WIDTH, HEIGHT), Image.Resampling.BICUBIC))
        grain = rng.normal(0, 5, blurred.shape)
        return Image.fromarray(np.clip(blurred * shade[..., None] + grain, 0, 255).astype(np.uint8))


def draw_street(rng: np.random.Generator) -> Scene:
    """Return a street in the classes of CamVid: houses, a tree, a sign, two cars, two pedestrians."""
    scene = Scene((176, 205, 232))
    for left, top, right, colour in (
        (0, 60, 118, (150, 92, 74)),
        (118, 108, 196, (196, 176, 146)),
        (318, 84, 404, (132, 122, 128)),
        (404, 36, 480, (172, 120, 84)),
    ):
        _draw_house(scene, left, top, right, colour)
    scene.draw("rectangle", (0, 236, WIDTH, HEIGHT), (158, 150, 142), _PAVEMENT)
    scene.draw("polygon", [(196, 222), (322, 222), (452, 360), (28, 360)], (92, 94, 100), _ROAD)
    for near in range(240, 360, 34):
        scene.draw("polygon", [(257, near), (261, near), (264, near + 18), (256, near + 18)], (222, 220, 208))
    scene.draw("rectangle", (330, 206, WIDTH, 236), (96, 78, 60), _FENCE)
    _draw_tree(scene, rng)
    scene.draw("rectangle", (372, 70, 377, 262), (66, 68, 72), _POLE)
    scene.draw("ellipse", (354, 84, 395, 125), (204, 44, 40), _SIGN)
    scene.draw("rectangle", (361, 100, 388, 108), (240, 236, 230))
    _draw_car(scene, 206, 246, 62, (36, 70, 150))
    _draw_car(scene, 316, 262, 92, (206, 172, 40))
    _draw_pedestrian(scene, 82, 306, (172, 44, 88))
    _draw_pedestrian(scene, 112, 292, (40, 116, 110))
    return scene


def _draw_house(scene: Scene, left: int, top: int, right: int, colour: Colour) -> None:
    scene.draw("rectangle", (left, top, right, 236), colour, _BUILDING)
    for x in range(left + 12, right - 14, 26):
        for y in range(top + 14, 200, 32):
            scene.draw("rectangle", (x, y, x + 11, y + 17), (74, 84, 98))


def _draw_tree(scene: Scene, rng: np.random.Generator) -> None:
    for _ in range(46):
        x, y, radius = rng.normal(158, 26), rng.normal(130, 24), rng.uniform(8, 19)
        green = (int(rng.integers(44, 78)), int(rng.integers(96, 132)), int(rng.integers(34, 60)))
        scene.draw("ellipse", (x - radius, y - radius, x + radius, y + radius), green, _TREE)
    scene.draw("rectangle", (152, 150, 163, 242), (84, 62, 44), _TREE)


def _draw_car(scene: Scene, left: int, top: int, width: int, colour: Colour) -> None:
    height = width // 3
    for inset, sill, colour_, label in ((0, 0, colour, _CAR), (5, 3, (188, 206, 216), None)):
        roof = [(left + width // 6 + inset, top - sill), (left + width // 4 + inset // 2, top - height + inset)]
        roof += [(2 * left + width - x, y) for x, y in reversed(roof)]
        scene.draw("polygon", roof, colour_, label)
    scene.draw("rectangle", (left, top, left + width, top + height), colour, _CAR)
    radius, bottom = width // 9, top + height
    for wheel in (left + width // 5, left + 4 * width // 5):
        at = (wheel - radius, bottom - radius, wheel + radius, bottom + radius)
        scene.draw("ellipse", at, (26, 26, 28), _CAR)


def _draw_pedestrian(scene: Scene, x: int, foot: int, coat: Colour) -> None:
    scene.draw("ellipse", (x - 6, foot - 78, x + 6, foot - 65), (224, 182, 152), _PEDESTRIAN)
    outline = [(x - 10, foot - 64), (x + 10, foot - 64), (x + 12, foot - 28), (x - 12, foot - 28)]
    scene.draw("polygon", outline, coat, _PEDESTRIAN)
    for leg in (x - 9, x + 3):
        scene.draw("rectangle", (leg, foot - 28, leg + 6, foot), (40, 42, 62), _PEDESTRIAN)
