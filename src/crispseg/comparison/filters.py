"""The paper's filter with any cue, and with a perfect cue."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from crispseg.comparison.method import CPU, Example, Method, Setting
from crispseg.config import SharpenerConfig
from crispseg.cues import Cue, LearnedCue
from crispseg.data import IGNORE_INDEX
from crispseg.inference.one_image import features_of
from crispseg.inference.sharpener import Sharpener
from crispseg.tuning.filter_search import sweep
from crispseg.window import Window

PARAMETERS = ("window", "dilation", "hardness", "passes")


class Filtering(Method):
    """`crispseg.Sharpener` with a cue.

    Args:
        cue: The cue.
        values: Values to try, by name in `PARAMETERS`; a parameter that is missing stays at `start`.
        start: A value for each of `PARAMETERS`.
        device: Device to run on.
    """

    def __init__(
        self, cue: Cue, values: Mapping[str, Sequence[float]], start: Setting, device: torch.device = CPU
    ) -> None:
        super().__init__({name: values.get(name, (start[name],)) for name in PARAMETERS}, start, device)
        self.sharpener = Sharpener(cue).eval().to(device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the filtered probabilities."""
        [(_, filtered)] = self.sweep(example, [setting])
        return filtered

    def sweep(self, example: Example, settings: Sequence[Setting]) -> Iterator[tuple[Setting, Tensor]]:
        """Yield every setting with its result, reusing features, weights and earlier passes."""
        sharpener = self.sharpener.expecting(example.prediction.kind, example.prediction.grid)
        features, scores = sharpener.prepare(
            example.image[None].to(self.device),
            example.prediction.scores[None].to(self.device),
            self._features(example),
        )
        by_point = {_config(sharpener.config, setting): setting for setting in settings}
        for point, filtered in sweep(sharpener, features, scores, list(by_point)):
            yield by_point[point], filtered.cpu()

    def _features(self, example: Example) -> Tensor | None:
        if self.sharpener.cue.takes_boundaries:
            return features_of(example.boundary, self.sharpener)
        return None


_FAR = 65536
"""Stand-in for the void label, far from every class."""


class Oracle(Filtering):
    """The filter with the true labels as its embedding: the bound that a perfect cue would reach."""

    def __init__(self, values: Mapping[str, Sequence[float]], start: Setting, device: torch.device = CPU) -> None:
        super().__init__(LearnedCue(torch.nn.Identity()), values, start, device)

    def _features(self, example: Example) -> Tensor | None:
        truth = example.truth.masked_fill(example.truth == IGNORE_INDEX, _FAR)
        return truth[None, None].to(self.device).float()


def _config(start: SharpenerConfig, setting: Setting) -> SharpenerConfig:
    window = Window(int(setting["window"]), int(setting["dilation"]))
    return start.replaced(window=window, hardness=setting["hardness"], passes=int(setting["passes"]))
