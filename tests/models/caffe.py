"""Caffe, as far as the tests need it: files written byte by byte, and networks evaluated layer by layer.

Shares no code with the package. Images are BGR from 0 to 255 less the mean, pooling rounds up, upsampling goes from
corner to corner.
"""

import struct
from collections.abc import Iterable, Mapping

import torch
import torch.nn.functional as F  # noqa: N812
from torch import Tensor

Blobs = dict[str, list[Tensor]]

VGG = {
    "conv1_1": (3, 64), "conv1_2": (64, 64), "conv2_1": (64, 128), "conv2_2": (128, 128), "conv3_1": (128, 256),
    "conv3_2": (256, 256), "conv3_3": (256, 256), "conv4_1": (256, 512), "conv4_2": (512, 512), "conv4_3": (512, 512),
    "conv5_1": (512, 512), "conv5_2": (512, 512), "conv5_3": (512, 512),
}  # fmt: skip


# Files ---------------------------------------------------------------------------------------------------------------


def varint(value: int) -> bytes:
    """Seven bits a byte, the lowest first."""
    head = b""
    while value > 0x7F:
        head += bytes([value & 0x7F | 0x80])
        value >>= 7
    return head + bytes([value])


def field(number: int, payload: bytes) -> bytes:
    """A field of bytes: a message, a text or packed numbers."""
    return varint(number << 3 | 2) + varint(len(payload)) + payload


def number_field(number: int, value: int) -> bytes:
    return varint(number << 3) + varint(value)


def blob_bytes(value: Tensor, *, old: bool = False, packed: bool = True, double: bool = False) -> bytes:
    """A BlobProto; an old one has four dimensions in fields of their own."""
    numbers = value.flatten().tolist()
    if old:
        shape = (1,) * (4 - value.ndim) + tuple(value.shape)
        head = b"".join(number_field(index, size) for index, size in enumerate(shape, 1))
    else:
        head = field(7, field(1, b"".join(map(varint, value.shape))))
    if double:
        return head + field(8, struct.pack(f"<{len(numbers)}d", *numbers))
    if packed:
        return head + field(5, struct.pack(f"<{len(numbers)}f", *numbers))
    return head + b"".join(varint(5 << 3 | 5) + struct.pack("<f", number) for number in numbers)


def caffemodel_bytes(
    blobs: Mapping[str, Iterable[Tensor]], *, old: bool = False, packed: bool = True, double: bool = False
) -> bytes:
    """A NetParameter with fields that a reader may not know between those that it does."""
    data = field(1, b"a network") + number_field(5, 1)
    for name, values in blobs.items():
        parts = [blob_bytes(value, old=old, packed=packed, double=double) for value in values]
        if old:
            layer = field(2, b"bottom") + field(4, name.encode()) + number_field(5, 4)
            data += field(2, layer + b"".join(field(6, part) for part in parts))
        else:
            layer = field(1, name.encode()) + field(2, b"Convolution") + field(106, number_field(1, 64))
            data += field(100, layer + b"".join(field(7, part) for part in parts))
    return data + field(100, field(1, b"relu1_1") + field(2, b"ReLU"))


# Weights -------------------------------------------------------------------------------------------------------------


def draw(shapes: Mapping[str, tuple[int, ...]], seed: int = 0) -> Blobs:
    """Random weights that neither grow nor shrink what they see, and biases."""
    rng = torch.Generator().manual_seed(seed)
    blobs = {}
    for name, shape in shapes.items():
        scale = (2 / (shape[1] * shape[2] * shape[3])) ** 0.5
        blobs[name] = [scale * torch.randn(shape, generator=rng), 0.1 * torch.randn(shape[0], generator=rng)]
    return blobs


def vgg_shapes(last: str = "conv5_3") -> dict[str, tuple[int, ...]]:
    names = list(VGG)
    return {name: (VGG[name][1], VGG[name][0], 3, 3) for name in names[: names.index(last) + 1]}


def embedding_blobs(dim: int = 64) -> Blobs:
    return draw(vgg_shapes("conv3_1") | {"weighted_avg": (dim, 643, 1, 1)})


def deeplab_blobs(num_classes: int, *, multi_scale: bool) -> Blobs:
    shapes = vgg_shapes() | {
        "fc6": (1024, 512, 3, 3), "fc7": (1024, 1024, 1, 1), "fc8_voc12": (num_classes, 1024, 1, 1),
    }  # fmt: skip
    if multi_scale:
        for tap, inputs in (("data", 3), ("pool1", 64), ("pool2", 128), ("pool3", 256), ("pool4", 512)):
            shapes |= {
                f"{tap}_conv": (128, inputs, 3, 3),
                f"{tap}_fc": (128, 128, 1, 1),
                f"{tap}_ms": (num_classes, 128, 1, 1),
            }
    return draw(shapes)


def hed_blobs() -> Blobs:
    sides = {f"score-dsn{depth}": (1, inputs, 1, 1) for depth, inputs in enumerate((64, 128, 256, 512, 512), 1)}
    blobs = draw(vgg_shapes() | sides | {"new-score-weighting": (1, 5, 1, 1)})
    for scale in (2, 4, 8, 16):
        line = torch.tensor([(k + 0.5) / scale for k in range(scale)])
        line = torch.cat([line, line.flip(0)])
        blobs[f"upsample_{scale}"] = [(line[:, None] * line)[None, None], torch.zeros(1)]
    return blobs


# Networks ------------------------------------------------------------------------------------------------------------


def data(rgb: Tensor, bgr_mean: tuple[float, float, float] = (104.008, 116.669, 122.675)) -> Tensor:
    """The blob `data` of an image in [0, 1]."""
    return 255 * rgb.double().flip(1) - torch.tensor(bgr_mean, dtype=torch.float64)[:, None, None]


def convolve(blobs: Blobs, name: str, x: Tensor, pad: int = 0, hole: int = 1) -> Tensor:
    weight, bias = blobs[name]
    return F.conv2d(x, weight.double(), bias.double(), padding=pad, dilation=hole)


def pool(x: Tensor, size: int, stride: int, pad: int) -> Tensor:
    """Largest of each window, the last of which may hang over the edge."""
    height, width = (-(-(side + 2 * pad - size) // stride) + 1 for side in x.shape[-2:])
    height, width = (
        count - (pad > 0 and (count - 1) * stride >= side + pad)
        for count, side in zip((height, width), x.shape[-2:], strict=True)
    )
    wide = F.pad(x, (pad, size + pad, pad, size + pad), value=-torch.inf)
    return F.max_pool2d(wide, size, stride)[..., :height, :width]


def interp(x: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(x, size=size, mode="bilinear", align_corners=True)


def embedding(blobs: Blobs, rgb: Tensor) -> Tensor:
    """`weighted_avg`."""
    size = (rgb.shape[-2], rgb.shape[-1])
    x = data(rgb)
    fused = [0.0039215 * x]
    for name in vgg_shapes("conv3_1"):
        x = F.relu(convolve(blobs, name, x, 1))
        fused.append(interp(x, size))
        if name in ("conv1_2", "conv2_2"):
            x = pool(x, 3, 2, 1)
    return convolve(blobs, "weighted_avg", torch.cat(fused, 1))


def deeplab(blobs: Blobs, rgb: Tensor) -> Tensor:
    """`fc8` at an eighth of the resolution, or `fc_fusion` at the image's where there are branches."""
    x = data(rgb)
    taps = {"data": x}
    for name in VGG:
        hole = 2 if name.startswith("conv5") else 1
        x = F.relu(convolve(blobs, name, x, hole, hole))
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            x = pool(x, 3, 2 if name < "conv4" else 1, 1)
            taps[f"pool{name[4]}"] = x
    x = F.conv2d(x, torch.full((512, 1, 3, 3), 1 / 9, dtype=torch.float64), padding=1, groups=512)
    x = F.relu(convolve(blobs, "fc7", F.relu(convolve(blobs, "fc6", x, 12, 12))))
    scores = convolve(blobs, "fc8_voc12", x)
    if "data_ms" not in blobs:
        return scores
    size = (rgb.shape[-2], rgb.shape[-1])
    fusion = interp(scores, size)
    for tap in ("data", "pool1", "pool2", "pool3", "pool4"):
        x = F.relu(convolve(blobs, f"{tap}_conv", taps[tap], 1))
        fusion = fusion + interp(convolve(blobs, f"{tap}_ms", F.relu(convolve(blobs, f"{tap}_fc", x))), size)
    return fusion


def hed(blobs: Blobs, rgb: Tensor) -> Tensor:
    """The five `upscore-dsn` and `upscore-fuse`."""
    height, width = rgb.shape[-2:]
    x = data(rgb, (104.00699, 116.66877, 122.67892))
    sides: list[Tensor] = []
    for name in VGG:
        if name in ("conv2_1", "conv3_1", "conv4_1", "conv5_1"):
            x = pool(x, 2, 2, 0)
        x = F.relu(convolve(blobs, name, x, 35 if name == "conv1_1" else 1))
        if name in ("conv1_2", "conv2_2", "conv3_3", "conv4_3", "conv5_3"):
            scale, start = 2 ** len(sides), (34, 35, 36, 38, 42)[len(sides)]
            side = convolve(blobs, f"score-dsn{len(sides) + 1}", x)
            if scale > 1:
                side = F.conv_transpose2d(side, blobs[f"upsample_{scale}"][0].double(), stride=scale)
            sides.append(side[..., start : start + height, start : start + width])
    fused = convolve(blobs, "new-score-weighting", torch.cat(sides, 1))
    return torch.cat([*sides, fused], 1)
