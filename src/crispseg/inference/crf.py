"""The fully connected CRF of Krähenbühl & Koltun (2011), which DeepLab applies to its scores."""

from dataclasses import astuple, dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from crispseg.checks import check_map, check_same_grid, value_range
from crispseg.data.prediction import TOLERANCE
from crispseg.defaults import CRF_PRESETS
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.scores import MULTILABEL, Scores
from crispseg.value_checks import check_choice, check_count, check_not_negative, check_positive

_SMALLEST = 1e-5
"""The lower limit of probabilities. With the zeros of a label map, no neighbour could ever change a label."""


def check_exclusive(kind: Scores) -> None:
    """Refuse scores of labels that may overlap, since a CRF gives every pixel exactly one label."""
    if kind in MULTILABEL:
        raise InputError(f"scores are {kind}; expected mutually exclusive classes for a CRF: leave the CRF out")


@dataclass(frozen=True)
class DenseCRF:
    """A CRF that connects all pairs of pixels, more strongly the closer they are in position, or position and colour.

    The energy is -log p of each label plus, for each pair of pixels with different labels, `bilateral_weight` times a
    Gaussian of position and colour and `spatial_weight` times a Gaussian of position. Mean-field inference runs on the
    CPU with the lattice filter of the authors' library, in about a second for 480×360 pixels and 11 classes. Gradients
    do not pass through it. It needs pydensecrf2: pip install 'crispseg[crf]'.

    Args:
        bilateral_weight: w1, the weight of the Gaussian of position and colour.
        bilateral_xy: σα, its standard deviation of position, in pixels.
        bilateral_rgb: σβ, its standard deviation of colour, in 8-bit steps (0 to 255).
        spatial_weight: w2, the weight of the Gaussian of position.
        spatial_xy: σγ, its standard deviation in pixels.
        iterations: The number of mean-field iterations.

    Raises:
        InputError: If a weight is below 0, a deviation is not above 0, or `iterations` is below 1.

    Example:
        >>> DenseCRF.preset("MSc-LargeFOV")
        DenseCRF(bilateral_weight=4, bilateral_xy=83, bilateral_rgb=5, spatial_weight=3, spatial_xy=3, iterations=10)
    """

    bilateral_weight: float
    bilateral_xy: float
    bilateral_rgb: float
    spatial_weight: float
    spatial_xy: float
    iterations: int = 10

    def __post_init__(self) -> None:
        for name in ("bilateral_weight", "spatial_weight"):
            check_not_negative(name, getattr(self, name))
        for name in ("bilateral_xy", "bilateral_rgb", "spatial_xy"):
            check_positive(name, getattr(self, name))
        check_count("iterations", self.iterations)

    @classmethod
    def preset(cls, name: str) -> Self:
        """Return the CRF with the published parameters of a released network; see `CRF_PRESETS`.

        Raises:
            InputError: If the name is unknown.
        """
        check_choice("CRF preset", name, tuple(CRF_PRESETS))
        return cls(*CRF_PRESETS[name])

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the CRF of a preset's name, or of five parameters separated by commas.

        Raises:
            InputError: If it is neither.

        Example:
            >>> str(DenseCRF.parse("4,20,3,1,1"))
            '4,20,3,1,1'
        """
        if text in CRF_PRESETS:
            return cls.preset(text)
        try:
            weight, place, colour, spatial_weight, spatial_place = map(float, text.split(","))
        except ValueError as error:
            names = ",".join(field.name for field in fields(cls)[:5])
            raise InputError(
                f"CRF is {text!r}; expected five comma-separated numbers, {names}, or one of {', '.join(CRF_PRESETS)}"
            ) from error
        return cls(weight, place, colour, spatial_weight, spatial_place)

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in astuple(self)[:5])

    @torch.no_grad()
    def __call__(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Infer the labels of a batch.

        Args:
            probabilities: (N, C, H, W), floating point; a single channel is a class against background.
            image: (N, 3, H, W) RGB, uint8.

        Returns:
            (N, C, H, W) marginal probabilities, in the dtype and on the device of `probabilities`.

        Raises:
            InputError: If shapes or devices do not match, or values are not probabilities.
            TypeError: If a dtype is not as above.
        """
        check_map("probabilities", probabilities)
        check_same_grid("probabilities", probabilities, "image", image)
        if image.dtype != torch.uint8:
            raise TypeError(
                f"image is {image.dtype}; expected torch.uint8, since bilateral_rgb is in 8-bit steps: use (image * "
                "255).round().to(torch.uint8)"
            )
        if image.shape[1] != 3:
            raise InputError(f"image has {image.shape[1]} channels; expected 3, RGB")
        # The comparison below refuses NaN too.
        low, high = value_range(probabilities)
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
            raise InputError(
                f"probabilities run from {low:.4g} to {high:.4g}; expected [0, 1]: apply a softmax to logits first"
            )
        single = probabilities.shape[1] == 1
        wide = probabilities.to("cpu", torch.float32)
        classes = torch.cat([1 - wide, wide], 1) if single else wide
        marginals = torch.empty_like(classes, memory_format=torch.contiguous_format)
        for index, (scores, pixels) in enumerate(zip(classes.numpy(), image.cpu().numpy(), strict=True)):
            marginals[index] = torch.from_numpy(self._infer(scores, pixels))
        return (marginals[:, 1:] if single else marginals).to(probabilities)

    def _infer(self, probabilities: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """Return the (C, H, W) marginals of (C, H, W) float32 probabilities and (3, H, W) uint8 pixels."""
        with optional_packages():
            from pydensecrf.densecrf import DenseCRF2D  # noqa: PLC0415 - an optional package

        classes, height, width = probabilities.shape
        model = DenseCRF2D(width, height, classes)
        model.setUnaryEnergy(np.ascontiguousarray(-np.log(probabilities.clip(_SMALLEST)).reshape(classes, -1)))
        model.addPairwiseGaussian(sxy=self.spatial_xy, compat=self.spatial_weight)
        model.addPairwiseBilateral(
            sxy=self.bilateral_xy,
            srgb=self.bilateral_rgb,
            rgbim=np.ascontiguousarray(pixels.transpose(1, 2, 0)),
            compat=self.bilateral_weight,
        )
        return np.array(model.inference(self.iterations)).reshape(classes, height, width)
