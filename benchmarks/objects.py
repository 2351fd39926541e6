"""Measure how much masks of objects gain, beside other methods, and the time for all masks of an image.

python -m benchmarks.objects --images images --labels labels --half tuning --search    # prints --crf and --guided
python -m benchmarks.objects --images images --labels labels --half reporting --crf 4,59,5,3,3 --guided 1,1e-4
python -m benchmarks.objects --images images --labels labels --void 255 --predictions logits --grid stretched
python -m benchmarks.objects --hundred    # the time of 100 masks at 1280×720

The objects are the connected regions of the label maps. Their masks are averaged to 28×28 in their box, 160×160
letterboxed and 256 on the long side. With predictions, the masks are those of the network instead: the probability of
the object's class around it, averaged in the same way.
"""

import argparse
import math
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor

from benchmarks.object_scenes import WAYS, Coarse, ObjectScene, bilinear, coarse_masks, placed, scenes
from crispseg import Sharpener, sharpen_masks
from crispseg.inference import DenseCRF
from crispseg.scores import Scores

_CRFS = [
    *((weight, distance, colours, 0.3, 1.0) for weight in (0.1, 0.3, 1.0, 4.0) for distance in (15.0, 59.0)
      for colours in (3.0, 10.0)),
    (0.3, 30.0, 5.0, 1.0, 1.0),
    (1.0, 30.0, 5.0, 1.0, 1.0),
    (4.0, 59.0, 5.0, 3.0, 3.0),
]  # fmt: skip
"""Weight, pixels and colours of the bilateral kernel, weight and pixels of the spatial one, which a search tries."""

_GUIDED = [(cells, epsilon) for cells in (0.5, 1.0, 2.0) for epsilon in (1e-2, 1e-3, 1e-4, 1e-6)]
"""Radius in cells of the mask, and epsilon."""


Method = Callable[[ObjectScene, Coarse, list[Tensor]], list[Tensor]]
"""Returns (H, W) bool masks, given the coarse ones and the same upsampled bilinearly."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    options = _parser().parse_args(arguments)
    if options.hundred:
        _time_hundred()
        return 0
    if options.search:
        _search(list(scenes(options)))
        return 0
    methods: dict[str, Method] = {
        "bilinear": _alone,
        f"guided filter of OpenCV ({_text(options.guided)})": partial(_guided, *options.guided),
        f"dense CRF, a mask at a time ({_text(options.crf)})": partial(_crf, _crf_of(options.crf)),
        "sharpen_masks": _ours,
    }
    found: dict[tuple[str, str], list[tuple[float, float]]] = defaultdict(list)
    times: dict[tuple[str, str], list[float]] = defaultdict(list)
    sharpen_masks(torch.zeros(3, 64, 64), torch.ones(1, 32, 32, dtype=torch.bool))  # reads the weights
    for scene in scenes(options):
        for way in WAYS:
            coarse = coarse_masks(scene, way)
            if options.hard:
                coarse = coarse._replace(cells=[cells > 0.5 for cells in coarse.cells])
            soft = [bilinear(cells.float(), grid, scene) for cells, grid in placed(coarse)]
            for name, method in methods.items():
                start = time.process_time()
                masks = method(scene, coarse, soft)
                times[way, name].append(time.process_time() - start)
                found[way, name] += [
                    _both(mask, truth, scene.known) for mask, truth in zip(masks, scene.truths, strict=True)
                ]
    sys.stdout.write("\n".join(_table(found, times)) + "\n")
    return 0


def _alone(_scene: ObjectScene, _coarse: Coarse, soft: list[Tensor]) -> list[Tensor]:
    return [each > 0.5 for each in soft]


def _guided(
    radius_cells: float, epsilon: float, scene: ObjectScene, coarse: Coarse, soft: list[Tensor]
) -> list[Tensor]:
    from cv2 import ximgproc  # noqa: PLC0415 - a peer, which only this row needs

    guide = np.ascontiguousarray(scene.image.permute(1, 2, 0).numpy()).astype(np.float32) / 255
    size = scene.image.shape[-2], scene.image.shape[-1]
    masks = []
    for each, (cells, grid) in zip(soft, placed(coarse), strict=True):
        rows, columns = grid.lines(size, (cells.shape[-2], cells.shape[-1]))
        radius = max(1, round(radius_cells * max(rows.pixels / rows.steps, columns.pixels / columns.steps)))
        masks.append(torch.from_numpy(ximgproc.guidedFilter(guide, each.numpy(), radius, epsilon)) > 0.5)
    return masks


def _crf_of(numbers: Sequence[float]) -> DenseCRF:
    weight, pixels, colours, *spatial = numbers
    return DenseCRF(
        bilateral_weight=weight, bilateral_xy=pixels, bilateral_rgb=colours,
        spatial_weight=spatial[0], spatial_xy=spatial[1],
    )  # fmt: skip


def _crf(crf: DenseCRF, scene: ObjectScene, _coarse: Coarse, soft: list[Tensor]) -> list[Tensor]:
    return [crf(torch.stack([1 - each, each])[None], scene.image[None])[0, 1] > 0.5 for each in soft]


def _ours(scene: ObjectScene, coarse: Coarse, _soft: list[Tensor]) -> list[Tensor]:
    grid = coarse.grid if coarse.boxes is None else None
    kind: Scores | None = None if coarse.cells[0].dtype == torch.bool else "multilabel_probabilities"
    crisp = sharpen_masks(scene.image, coarse.cells, coarse.boxes, scores=kind, grid=grid)
    return list(torch.as_tensor(crisp))


def _search(scenes: Sequence[ObjectScene]) -> None:
    """Print the three best parameters of the guided filter and the CRF, by the sum of IoU and Boundary IoU."""
    tried: dict[str, Method] = {f"--guided {_text(one)}": partial(_guided, *one) for one in _GUIDED}
    tried |= {f"--crf {_text(one)}": partial(_crf, _crf_of(one)) for one in _CRFS}
    scores: dict[str, list[float]] = defaultdict(list)
    for scene in scenes:
        for coarse in (coarse_masks(scene, way) for way in WAYS):
            soft = [bilinear(cells, grid, scene) for cells, grid in placed(coarse)]
            for name, method in tried.items():
                masks = method(scene, coarse, soft)
                scores[name] += [
                    sum(_both(mask, truth, scene.known)) for mask, truth in zip(masks, scene.truths, strict=True)
                ]
    for option in ("--guided", "--crf"):
        names = sorted((name for name in scores if name.startswith(option)), key=lambda name: -np.mean(scores[name]))
        for name in names[:3]:
            sys.stdout.write(f"{name}    {50 * np.mean(scores[name]):.2f} on average of {len(scores[name])}\n")


def _text(numbers: Sequence[float]) -> str:
    """Return numbers as an option has them."""
    return ",".join(f"{number:g}" for number in numbers)


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


def _both(mask: Tensor, truth: Tensor, known: Tensor) -> tuple[float, float]:
    """Return the IoU and the Boundary IoU (Cheng et al. 2021) within 2 % of the diagonal."""
    by = max(1, round(0.02 * math.hypot(*mask.shape)))
    return _iou(mask, truth, known), _iou(_rim(mask, by), _rim(truth, by), known)


def _iou(one: Tensor, other: Tensor, known: Tensor) -> float:
    return float((one & other & known).sum() / ((one | other) & known).sum().clamp(min=1))


def _rim(mask: Tensor, by: int) -> Tensor:
    """Return the pixels of a mask that lie within `by` pixels of its outside, or of that of the image."""
    outside = F.pad((~mask).float()[None, None], (by,) * 4, value=1.0)
    wide = F.max_pool2d(F.max_pool2d(outside, (2 * by + 1, 1), stride=1), (1, 2 * by + 1), stride=1)
    return mask & (wide[0, 0] > 0)


def _table(
    found: dict[tuple[str, str], list[tuple[float, float]]], times: dict[tuple[str, str], list[float]]
) -> list[str]:
    lines = [
        "| masks | method | IoU | Boundary IoU | lose over 1 point | processor seconds an image |",
        "|---|---|---|---|---|---|",
    ]
    for (way, name), values in found.items():
        before, after = torch.tensor(found[way, "bilinear"]) * 100, torch.tensor(values) * 100
        gains = "{:.2f} | {:.2f}".format(*after.mean(0).tolist())
        if name != "bilinear":
            gains = "{:+.2f} | {:+.2f}".format(*(after - before).mean(0).tolist())
        worse = " / ".join(f"{100 * share:.0f} %" for share in ((after - before) < -1).float().mean(0).tolist())
        seconds = sum(times[way, name]) / len(times[way, name])
        lines.append(f"| {way}, {len(values)} | {name} | {gains} | {worse} | {seconds:.2f} |")
    return lines


def _time_hundred() -> None:
    """Print the time of 100 masks of 28×28 in boxes, and of 21 classes at 1/8, for the same 1280×720 pixels."""
    generator = torch.Generator().manual_seed(0)
    image = F.interpolate(torch.rand(1, 3, 45, 80, generator=generator), size=(720, 1280), mode="bilinear")
    corner = torch.rand(100, 2, generator=generator) * torch.tensor([1100.0, 560.0])
    sides = 40 + 200 * torch.rand(100, 2, generator=generator).square()
    boxes = torch.cat([corner, corner + sides], 1)
    cells = F.interpolate(torch.rand(100, 1, 7, 7, generator=generator), size=28, mode="bicubic").clamp(0, 1)
    classes = F.interpolate(torch.randn(1, 21, 12, 20, generator=generator) * 6, size=(90, 160), mode="bicubic")
    sharpener = Sharpener.from_pretrained()
    calls: dict[str, Callable[[], object]] = {
        "21 classes at 1/8": lambda: sharpener(image, classes),
        "100 masks in boxes": lambda: sharpen_masks(image[0], cells, boxes, scores="multilabel_probabilities"),
    }
    with torch.inference_mode():
        for name, call in calls.items():
            seconds = []
            for _ in range(4):
                start = time.process_time()
                call()
                seconds.append(time.process_time() - start)
            sys.stdout.write(f"{name}: {min(seconds[1:]):.2f} s\n")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.objects", description=__doc__)
    parser.add_argument("--images", type=Path, help="a folder of photographs")
    parser.add_argument("--labels", type=Path, help="a folder of their label maps")
    parser.add_argument("--void", type=int, default=255, help="the label of pixels that are not counted")
    parser.add_argument("--beside", type=int, nargs="*", default=[0], help="labels that are no objects")
    parser.add_argument("--predictions", type=Path, help="a folder of logits of classes, of which the masks are made")
    parser.add_argument("--grid", default="stretched", help="how these lie on the image")
    parser.add_argument(
        "--half", choices=("tuning", "reporting"), help="the first or the second half of the label maps"
    )
    parser.add_argument("--hard", action="store_true", help="make the masks bool")
    parser.add_argument("--search", action="store_true", help="find the parameters of the other methods instead")
    parser.add_argument("--crf", type=_numbers, default=[4, 59, 5, 3, 3], help="five numbers, as --search prints them")
    parser.add_argument("--guided", type=_numbers, default=[1, 1e-4], help="radius in cells of the mask, and epsilon")
    parser.add_argument("--first", type=int, default=0, help="the first label map")
    parser.add_argument("--every", type=int, default=1, help="take one label map of so many")
    parser.add_argument("--most", type=int, default=20, help="the most images")
    parser.add_argument("--hundred", action="store_true", help="measure the time of 100 masks instead")
    return parser


if __name__ == "__main__":
    sys.exit(main())
