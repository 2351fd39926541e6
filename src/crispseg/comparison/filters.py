"""The paper's filter with any cue, and with a perfect cue."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from crispseg.comparison.method import CPU, Example, Method, Setting
from crispseg.config import SharpenerConfig
from crispseg.cues import Cue, LearnedCue
from crispseg.data import IGNORE_INDEX
from crispseg.inference.one_image import features_of, sharpened_scores
from crispseg.inference.shares import to_probabilities
from crispseg.inference.sharpener import Sharpener
from crispseg.tuning.filter_search import sweep
from crispseg.window import Window, Windows

PARAMETERS = ("window", "dilation", "hardness", "passes")
"""The parameters of a filter with one window."""

LADDER_PARAMETERS = ("hardness", "score_weight", "passes")
"""The parameters of a filter with given windows."""


class Filtering(Method):
    """`crispseg.Sharpener` with a cue.

    Args:
        cue: The cue.
        values: Values to try, by name of the parameter; a parameter that is missing stays at `start`.
        start: A value for each of `PARAMETERS`, or with given windows for each of `LADDER_PARAMETERS`.
        device: Device to run on.
        windows: Windows from coarse to fine; None for one window, whose size and dilation are parameters.
    """

    def __init__(
        self,
        cue: Cue,
        values: Mapping[str, Sequence[float]],
        start: Setting,
        device: torch.device = CPU,
        *,
        windows: Windows | None = None,
    ) -> None:
        parameters = PARAMETERS if windows is None else LADDER_PARAMETERS
        super().__init__({name: values.get(name, (start[name],)) for name in parameters}, start, device)
        self.windows = windows
        self.sharpener = Sharpener(cue, guard=None).eval().to(device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the filtered probabilities."""
        [(_, filtered)] = self.sweep(example, [setting])
        return filtered

    def sweep(self, example: Example, settings: Sequence[Setting]) -> Iterator[tuple[Setting, Tensor]]:
        """Yield every setting with its result, reusing features, weights and earlier passes."""
        sharpener = self.sharpener.for_prediction(example.prediction)
        image, scores = example.image[None].to(self.device), example.prediction.scores[None].to(self.device)
        features, scores = sharpener.prepare(image, scores, self._features(example))
        by_point = {self._config(sharpener.config, setting): setting for setting in settings}
        for point, filtered in sweep(sharpener, image, features, scores, list(by_point)):
            yield by_point[point], filtered.cpu()

    def _config(self, start: SharpenerConfig, setting: Setting) -> SharpenerConfig:
        windows = self.windows or Windows.of(Window(int(setting["window"]), int(setting["dilation"])))
        return start.replaced(
            window=windows,
            hardness=setting["hardness"],
            passes=int(setting["passes"]),
            score_weight=setting.get("score_weight", 0),
        )

    def _features(self, example: Example) -> Tensor | None:
        if self.sharpener.cue.takes_boundaries:
            return features_of(example.boundary, self.sharpener)
        return None


class Shipped(Method):
    """A sharpener as it ships, with all its options; nothing is searched.

    Args:
        weights: Weights for `Sharpener.from_pretrained`.
        device: Device to run on.
    """

    def __init__(self, weights: str, device: torch.device) -> None:
        super().__init__({}, {}, device)
        self.sharpener = Sharpener.from_pretrained(weights, device=device)

    def run(self, example: Example, setting: Setting) -> Tensor:
        """Return the sharpened probabilities."""
        kind = example.prediction.kind
        return to_probabilities(sharpened_scores(self.sharpener, example.image, example.prediction, None), kind)


_FAR = 65536
"""Stand-in for the void label, far from every class."""


class Oracle(Filtering):
    """The filter with the true labels as its embedding: the bound that a perfect cue would reach."""

    def __init__(self, values: Mapping[str, Sequence[float]], start: Setting, device: torch.device = CPU) -> None:
        super().__init__(LearnedCue(torch.nn.Identity()), values, start, device)

    def _features(self, example: Example) -> Tensor | None:
        truth = example.truth.masked_fill(example.truth == IGNORE_INDEX, _FAR)
        return truth[None, None].to(self.device).float()
