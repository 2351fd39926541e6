"""The fully connected CRF of Krähenbühl & Koltun (2011), as DeepLab uses it after its scores."""

from dataclasses import astuple, dataclass, fields
from typing import Self

import numpy as np
import torch
from torch import Tensor

from crispseg.checks import (
    check_choice,
    check_count,
    check_map,
    check_not_negative,
    check_positive,
    check_same_grid,
    value_range,
)
from crispseg.crf_presets import PRESETS
from crispseg.data.prediction import TOLERANCE
from crispseg.errors import InputError
from crispseg.extras import optional_packages
from crispseg.scores import MULTILABEL, Scores

_SMALLEST = 1e-5
"""Probabilities below count as this much: with the 0 of a label map no neighbour could ever change a label."""


def check_exclusive(kind: Scores) -> None:
    """Refuse scores of labels that do not exclude each other: a CRF gives every pixel one of several.

    Raises:
        InputError: If the kind is one of "multilabel".
    """
    if kind in MULTILABEL:
        raise InputError(f"scores are {kind}, but a CRF takes classes that exclude each other; leave it out")


@dataclass(frozen=True)
class DenseCRF:
    """Every pixel is connected with every other, more strongly the nearer they are in place, and in place and colour.

    The energy is -log p of each label, plus, for each pair of pixels of different labels, `bilateral_weight` times a
    Gaussian of place and colour and `spatial_weight` times one of place. Mean field inference by the lattice filter of
    the authors' library, on the CPU, about a second for 480×360 and 11 classes; no gradient goes through it. Needs
    pydensecrf2: pip install 'crispseg[crf]'.

    Args:
        bilateral_weight: w1, weight of the Gaussian of place and colour.
        bilateral_xy: σα, its standard deviation in pixels.
        bilateral_rgb: σβ, its standard deviation in steps of 255 of a colour.
        spatial_weight: w2, weight of the Gaussian of place.
        spatial_xy: σγ, its standard deviation in pixels.
        iterations: Mean field iterations.

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
        """The parameters that were found for a released network; see `PRESETS`.

        Raises:
            InputError: If there is none of that name.
        """
        check_choice("CRF preset", name, tuple(PRESETS))
        return cls(*PRESETS[name])

    @classmethod
    def parse(cls, text: str) -> Self:
        """The name of a preset, or the five parameters with commas between them.

        Raises:
            InputError: If it is neither.

        Example:
            >>> str(DenseCRF.parse("4,20,3,1,1"))
            '4,20,3,1,1'
        """
        if text in PRESETS:
            return cls.preset(text)
        try:
            weight, place, colour, spatial_weight, spatial_place = map(float, text.split(","))
        except ValueError as error:
            names = ",".join(field.name for field in fields(cls)[:5])
            raise InputError(
                f"CRF {text!r}: expected five numbers with commas, {names}, or one of {', '.join(PRESETS)}"
            ) from error
        return cls(weight, place, colour, spatial_weight, spatial_place)

    def __str__(self) -> str:
        return ",".join(f"{value:g}" for value in astuple(self)[:5])

    @torch.no_grad()
    def __call__(self, probabilities: Tensor, image: Tensor) -> Tensor:
        """Infer the labels of a batch.

        Args:
            probabilities: (N, C, H, W), floating point; one channel is a class against background.
            image: (N, 3, H, W) RGB, uint8.

        Returns:
            (N, C, H, W) marginal probabilities, dtype and device of `probabilities`.

        Raises:
            InputError: If shapes or devices do not fit together, or values are no probabilities.
            TypeError: If a dtype is not as above.
        """
        check_map("probabilities", probabilities)
        check_same_grid("probabilities", probabilities, "image", image)
        if image.dtype != torch.uint8:
            raise TypeError(
                f"image is {image.dtype}; expected torch.uint8: the deviation of colours is in steps of 255"
            )
        if image.shape[1] != 3:
            raise InputError(f"image has {image.shape[1]} channels; expected 3, RGB")
        # NaN is refused too.
        low, high = value_range(probabilities)
        if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):
            raise InputError(
                f"probabilities run from {low:.4g} to {high:.4g}; expected [0, 1]: logits go through a softmax first"
            )
        single = probabilities.shape[1] == 1
        wide = probabilities.to("cpu", torch.float32)
        classes = torch.cat([1 - wide, wide], 1) if single else wide
        marginals = torch.empty_like(classes, memory_format=torch.contiguous_format)
        for index, (scores, pixels) in enumerate(zip(classes.numpy(), image.cpu().numpy(), strict=True)):
            marginals[index] = torch.from_numpy(self._infer(scores, pixels))
        return (marginals[:, 1:] if single else marginals).to(probabilities)

    def _infer(self, probabilities: np.ndarray, pixels: np.ndarray) -> np.ndarray:
        """(C, H, W) float32 probabilities and (3, H, W) uint8 pixels to (C, H, W) marginals."""
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
