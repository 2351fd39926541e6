"""The dense CRF as a method."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from crispseg.comparison.method import Example, Method, Setting
from crispseg.data.intensity import to_bytes
from crispseg.inference.crf import DenseCRF, check_exclusive

_VALUES = {
    "bilateral_weight": (1, 2, 4, 8),
    "bilateral_xy": (5, 10, 20, 40, 80),
    "bilateral_rgb": (2, 3, 5, 10),
    "spatial_weight": (0.5, 1, 3),
    "spatial_xy": (1, 3),
}
_START = {"bilateral_weight": 4, "bilateral_xy": 20, "bilateral_rgb": 3, "spatial_weight": 1, "spatial_xy": 1}


class CRF(Method):
    """A fully connected CRF, with a search over all its parameters."""

    def __init__(self) -> None:
        super().__init__(_VALUES, _START)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the marginals."""
        return _infer(example, setting)


class WeakerCRF(Method):
    """A CRF with parameters found before, with a search over one factor for both its weights.

    Filtered scores need a weaker CRF, and a search over all parameters would cost a second per image and setting.
    """

    def __init__(self, found: Setting) -> None:
        super().__init__({"share": (0.125, 0.25, 0.5, 1)}, {"share": 0.5})
        self.found = found

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the marginals."""
        weights = {name: setting["share"] * self.found[name] for name in ("bilateral_weight", "spatial_weight")}
        return _infer(example, {**self.found, **weights})


def _infer(example: Example, parameters: Mapping[str, Any]) -> Tensor:
    check_exclusive(example.prediction.kind)
    return DenseCRF(**parameters)(example.probabilities, to_bytes(example.image)[None])
