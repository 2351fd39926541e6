"""A segmentation network followed by a sharpener."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from crispseg.errors import InputError
from crispseg.grid import CENTRES, Grid
from crispseg.inference.model_outputs import replace_scores
from crispseg.inference.sharpener import Sharpener
from crispseg.inference.used_sharpener import check_sharpener
from crispseg.models.segmenter import aligns_corners
from crispseg.scores import Scores

CORNERS = Grid("corners")

_LEAVES_OUT_THE_SHARPENER = {
    "predict": "call this module",
    "save_pretrained": "save its .model and its .sharpener in a folder each",
    "push_to_hub": "upload its .model and its .sharpener to a repository each",
}
"""Methods of networks that would give or save unsharpened results without a word, and what to do instead."""

Colours = Sequence[float] | NDArray[np.floating[Any]] | Tensor
"""Three numbers, for red, green and blue: a sequence, a NumPy array or a tensor."""


class SharpenedModel(nn.Module):
    """Wrap any segmentation network, so that its output has crisp scores of the size of the image.

    The scores are found in the network's output: a tensor (segmentation_models_pytorch), a dictionary with `out`
    (torchvision), or an object with `logits` or mask queries (transformers). The rest of the output is unchanged; a
    `loss` in it is that of the unsharpened scores. Masks of queries are sharpened one by one; to sharpen classes
    instead, convert them with `semantic_probabilities` first.

    Attributes that this module lacks, such as `config` or `device`, are taken from the network. So this module can
    replace the network, in a `transformers.pipeline` for example. Methods that would leave out the sharpener, such as
    `predict` and `save_pretrained`, are refused; those of the network are in `model`.

    Args:
        model: The network, or any function that returns such an output.
        sharpener: The sharpener, whose kind of scores and grid apply, with two exceptions: masks of queries are logits
            of labels that may overlap; and if the network has `align_corners`, as the DeepLab of crispseg, its scores
            lie on the corners.
        mean: The mean that was subtracted from the network's input, in [0, 1]; give it with `std`. Needed if the input
            is normalised and no separate image is given.
        std: The standard deviation that the input was divided by afterwards.

    Raises:
        InputError: If `mean` or `std` is given without the other, or they are not three numbers.
        TypeError: If `sharpener` is not a `Sharpener`, or `model` cannot be called.

    Example:
        >>> model = nn.Conv2d(3, 5, 3, stride=4, padding=1)
        >>> crisp = SharpenedModel(model, Sharpener.from_pretrained())
        >>> with torch.inference_mode():
        ...     crisp(torch.rand(1, 3, 32, 48)).shape
        torch.Size([1, 5, 32, 48])
    """

    def __init__(
        self,
        model: Callable[..., object],
        sharpener: Sharpener,
        *,
        mean: Colours | None = None,
        std: Colours | None = None,
    ) -> None:
        super().__init__()
        if not callable(model):
            raise TypeError(f"model is {type(model).__name__}; expected a network or another callable")
        check_sharpener(sharpener)
        if (mean is None) != (std is None):
            missing, there = ("mean", "std") if mean is None else ("std", "mean")
            raise InputError(f"{there} is given without {missing}; expected both or neither")
        # Numbers, not buffers, which would be rounded when the module goes to half precision.
        self._mean = _colours("mean", (0, 0, 0) if mean is None else mean)
        self._std = _colours("std", (1, 1, 1) if std is None else std)
        self.model = model
        self.sharpener = sharpener

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any attribute of the network
        """Return an attribute of the network that this module lacks."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            # Names that begin with _ are not forwarded: copying and pickling look some up before there is a network.
            # A function in place of the network is not in `_modules`.
            model = self.__dict__.get("model", self.__dict__.get("_modules", {}).get("model"))
            if name.startswith("_") or not hasattr(model, name):
                raise
        found = getattr(model, name)
        if name in _LEAVES_OUT_THE_SHARPENER and callable(found):
            instead = _LEAVES_OUT_THE_SHARPENER[name]
            raise AttributeError(
                f"{name} of {type(model).__name__} would leave out the sharpener; {instead}, or use .model.{name} for "
                "the network alone"
            )
        return found

    def forward(self, *arguments: object, image: Tensor | None = None, **options: object) -> Any:  # noqa: ANN401 - the network's output
        """Call the network and sharpen the scores in its output.

        Args:
            *arguments: Positional arguments of the network.
            image: (N, 3, H, W) RGB, uint8 or in [0, 1], of the desired size of the result. By default the input of the
                network, with its normalisation undone.
            **options: Keyword arguments of the network.

        Returns:
            The output of the network, with (N, C, H, W) scores.

        Raises:
            InputError: If there is no image, or it does not fit the scores.
            TypeError: If the output holds no scores.
        """
        if image is None:
            image = self._denormalised(_first_image([*arguments, *options.values()]))
        pixels, grid = image, self.sharpener.grid
        if grid == CENTRES and aligns_corners(self.model):
            grid = CORNERS

        def sharpened(scores: Tensor, *, masks: bool) -> Tensor:
            kind: Scores = "multilabel" if masks else self.sharpener.scores
            crisp: Tensor = self.sharpener.expecting(kind, grid)(pixels, scores)
            return crisp

        return replace_scores(self.model(*arguments, **options), sharpened)

    def _denormalised(self, image: Tensor) -> Tensor:
        if image.dtype == torch.uint8:
            return image
        wide = image.to(torch.promote_types(image.dtype, torch.float32)).unbind(1)
        planes = [plane * std + mean for plane, std, mean in zip(wide, self._std, self._mean, strict=True)]
        return torch.stack(planes, 1).to(image.dtype)


def _first_image(values: Sequence[object]) -> Tensor:
    for value in values:
        if isinstance(value, Tensor) and value.ndim == 4 and value.shape[1] == 3:
            return value
    raise InputError("no argument of the model is an image (N, 3, H, W); pass the image to sharpen by as image=...")


def _colours(name: str, values: Colours) -> list[float]:
    try:
        given = values if isinstance(values, Tensor) else torch.from_numpy(np.array(values, np.float32))
    except (TypeError, ValueError) as error:
        raise InputError(f"{name} is {values!r}; expected three numbers, for red, green and blue") from error
    colours = given.detach().to("cpu", torch.float32).flatten()
    fit = colours > 0 if name == "std" else (colours >= 0) & (colours <= 1)
    if colours.shape != (3,) or not fit.all():
        range_ = "above 0" if name == "std" else "from 0 to 1: divide those of colours up to 255 by 255, and std too"
        raise InputError(f"{name} is {values}; expected three numbers, for red, green and blue, each {range_}")
    return colours.tolist()
