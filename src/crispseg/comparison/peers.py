"""Methods in common use today, each from its own package."""

import numpy as np
import torch
from torch import Tensor

from crispseg.comparison.method import CPU, Example, Method, Setting
from crispseg.data.intensity import to_bytes
from crispseg.extras import optional_packages

_RADII = (1, 2, 4, 8, 16)
_SIZES = (5, 9, 15)
_EPS = (1e-4, 1e-3, 1e-2, 1e-1)
"""Values added to the variance of colours in [0, 1]."""


class KorniaGuided(Method):
    """`kornia.filters.guided_blur` of the probabilities, guided by the image (He et al. 2010)."""

    def __init__(self, device: torch.device = CPU) -> None:
        super().__init__({"radius": _RADII, "eps": _EPS}, {"radius": 4, "eps": 1e-3}, device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the filtered probabilities."""
        with optional_packages():
            from kornia.filters import guided_blur  # noqa: PLC0415 - an optional package

        size = 2 * int(setting["radius"]) + 1
        image, scores = example.rgb_on(self.device), example.probabilities_on(self.device)
        filtered: Tensor = guided_blur(image, scores, size, setting["eps"])
        return filtered.cpu()


class KorniaJointBilateral(Method):
    """`kornia.filters.joint_bilateral_blur` of the probabilities, guided by the image."""

    def __init__(self, device: torch.device = CPU) -> None:
        values = {"size": _SIZES, "sigma_color": (0.05, 0.1, 0.2, 0.4), "sigma_space": (1, 2, 4)}
        super().__init__(values, {"size": 9, "sigma_color": 0.1, "sigma_space": 2}, device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the filtered probabilities."""
        with optional_packages():
            from kornia.filters import joint_bilateral_blur  # noqa: PLC0415 - an optional package

        size, space = int(setting["size"]), (setting["sigma_space"], setting["sigma_space"])
        image, scores = example.rgb_on(self.device), example.probabilities_on(self.device)
        filtered: Tensor = joint_bilateral_blur(scores, image, size, setting["sigma_color"], space)
        return filtered.cpu()


class OpenCVGuided(Method):
    """`cv2.ximgproc.guidedFilter` of the probabilities, guided by the image."""

    def __init__(self) -> None:
        super().__init__({"radius": _RADII, "eps": _EPS}, {"radius": 4, "eps": 1e-3})

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the filtered probabilities."""
        with optional_packages():
            from cv2 import ximgproc  # noqa: PLC0415 - an optional package

        guide = np.ascontiguousarray(to_bytes(example.image).permute(1, 2, 0).numpy().astype(np.float32))
        scores = np.ascontiguousarray(example.probabilities[0].permute(1, 2, 0).numpy())
        # Colours from 0 to 255: OpenCV treats small determinants as 0, as colours in [0, 1] have at eps below 0.01.
        filtered = ximgproc.guidedFilter(guide, scores, int(setting["radius"]), setting["eps"] * 255**2)
        return torch.from_numpy(filtered).reshape(scores.shape).permute(2, 0, 1)[None]


class RankSEG(Method):
    """RankSEG: labels that maximise the expected overlap instead of the most likely labels (Dai & Li 2023).

    It does not use the image; it chooses labels from probabilities of any source.
    """

    def __init__(self, device: torch.device = CPU) -> None:
        super().__init__({"iou": (0, 1)}, {"iou": 0}, device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the labels."""
        with optional_packages():
            from rankseg import RankSEG as Decision  # noqa: PLC0415 - an optional package

        decide = Decision(metric="IoU" if setting["iou"] else "dice", output_mode="multiclass", solver="RMA")
        scores, classes = example.probabilities_on(self.device), example.prediction.classes
        if len(classes) == 1:
            return torch.full(scores.shape[-2:], classes[0])
        if scores.shape[1] == 1:  # a class against background
            scores = torch.cat([1 - scores, scores], 1)
        decided: Tensor = decide.predict(scores.clamp(0, 1))[0].long().cpu()  # rounding may exceed 1 slightly
        return torch.tensor(classes)[decided]
