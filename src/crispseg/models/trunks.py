"""Classification networks of torchvision and timm as feature trunks: maps of several resolutions of an image.

Nothing is downloaded. timm is the extra `timm`, torchvision comes with the extra `train`.
"""

from collections.abc import Iterator, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from torch import Tensor, fx, nn

from crispseg.errors import InputError, one_line
from crispseg.models.state import check_state, load_state

STRIDES = (1, 2, 4, 8, 16, 32)
"""Pixels of the image side by side in one of a map, finest first."""

LIBRARIES = {"torchvision": "train", "timm": "timm"}
"""The packages of which trunks are taken, and the extra that installs each."""

_PROBE = (128, 192)
"""Height and width that every stride divides, and that no pooling to a fixed size gives by chance."""


class TrunkNames(Sequence[str]):
    """The trunks that are installed, such as "torchvision.resnet18"; listed when they are looked at."""

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getitem__(self, index: Any) -> Any:  # noqa: ANN401 - a name, or several of a slice
        names = iter(self)  # for the first no other package is imported
        return next(names) if index == 0 else list(names)[index]

    def __iter__(self) -> Iterator[str]:
        for library in LIBRARIES:
            try:
                names = _names(_import(library))
            except InputError:  # not installed
                continue
            yield from (f"{library}.{name}" for name in names)


def check_trunk(trunk: object) -> None:
    """Check that a trunk of that name is installed.

    Raises:
        InputError: If it is not, or its package is missing.
    """
    expected = "the name of a classification network after its package, such as torchvision.resnet18 or timm.resnet18"
    library, _, name = trunk.partition(".") if isinstance(trunk, str) else ("", "", "")
    if library not in LIBRARIES:
        raise InputError(f"trunk is {str(trunk)[:200]!r}; expected {expected}")
    if name not in _names(_import(library)):
        raise InputError(f"trunk is {str(trunk)[:200]!r}: {library} has no such network; expected {expected}")


def build_trunk(trunk: str, deepest: int, weights: str | Path | None) -> tuple[nn.Module, dict[int, int]]:
    """Build the part of a network that gives feature maps.

    Args:
        trunk: As `check_trunk` takes it.
        deepest: The largest stride of a map; what comes after it in the network is left out.
        weights: "imagenet" for torchvision's, where they lie in its cache; a safetensors file of the library's own
            `state_dict`; None for random weights.

    Returns:
        A module from normalised (N, 3, H, W) to maps (N, C, H / stride, W / stride), finest first, in a list or
        mapping, where `deepest` divides H and W; and the number of channels C by stride.

    Raises:
        InputError: If the weights cannot be used, or the network gives maps of fewer than two strides.
    """
    library, _, name = trunk.partition(".")
    if library == "timm" and weights == "imagenet":
        raise InputError(f"init is 'imagenet', but the weights of {trunk} are not in a cache; give a safetensors file")
    module = _import(library)
    try:
        made, channels = (_timm if library == "timm" else _torchvision)(module, name, deepest, weights)
    except InputError:
        raise
    except (AssertionError, TypeError, ValueError, fx.proxy.TraceError) as error:
        raise InputError(
            f"trunk {trunk} cannot give feature maps of images of any size ({one_line(error)}); expected a "
            "convolutional network, such as torchvision.resnet18"
        ) from error
    if len(channels) < 2:
        raise InputError(
            f"trunk {trunk} gives maps of strides {sorted(channels)} up to {deepest}; expected two or more of "
            f"{', '.join(map(str, STRIDES))}: choose a larger `deepest` or another trunk"
        )
    return made, channels


def maps_of(features: Mapping[str, Tensor] | Sequence[Tensor]) -> list[Tensor]:
    """Return the maps that a trunk gives, finest first."""
    return list(features.values() if isinstance(features, Mapping) else features)


def _import(library: str) -> ModuleType:
    try:
        return import_module("torchvision.models" if library == "torchvision" else library)
    except ModuleNotFoundError as error:
        extra = LIBRARIES[library]
        raise InputError(f"trunks of {library}: {error}; install it with: pip install 'crispseg[{extra}]'") from error


def _names(module: ModuleType) -> list[str]:
    own = {"module": module} if module.__name__ == "torchvision.models" else {}
    names: list[str] = module.list_models(**own)
    return names


def _torchvision(
    models: ModuleType, name: str, deepest: int, weights: str | Path | None
) -> tuple[nn.Module, dict[int, int]]:
    extraction = import_module("torchvision.models.feature_extraction")
    model: nn.Module = models.get_model(name, weights=None)
    if weights is not None:
        state = _cached_state(models, name) if weights == "imagenet" else load_state(Path(weights))
        head = next(reversed(model.state_dict())).rpartition(".")[0]
        model.load_state_dict(_fitting(state, model, (head,), weights), strict=False)
    model.eval()
    in_training, in_use = extraction.get_graph_node_names(model)
    common = set(in_training)
    every = extraction.create_feature_extractor(
        model, [node for node in in_use if node in common], suppress_diff_warning=True
    )
    nodes: dict[int, tuple[str, int]] = {}
    with torch.no_grad():
        for node, features in every.eval()(torch.zeros(1, 3, *_PROBE)).items():
            stride = _stride(features)
            if stride is not None and stride <= deepest and node != in_use[0]:  # the first is the image
                nodes[stride] = node, features.shape[1]  # the last map of each resolution
    nodes = dict(sorted(nodes.items()))
    channels = {stride: count for stride, (_, count) in nodes.items()}
    if len(channels) < 2:
        return model, channels
    names = {node: str(stride) for stride, (node, _) in nodes.items()}
    return extraction.create_feature_extractor(model, names, suppress_diff_warning=True), channels


def _timm(timm: ModuleType, name: str, deepest: int, weights: str | Path | None) -> tuple[nn.Module, dict[int, int]]:
    source: dict[str, Any] = {}
    if weights is not None:
        whole = timm.create_model(name)
        _fitting(load_state(Path(weights)), whole, _heads(whole), weights)
        source = {"pretrained": True, "pretrained_cfg_overlay": {"file": str(weights), "hf_hub_id": None, "url": ""}}

    def make(**options: Any) -> Any:  # noqa: ANN401 - timm's type of a list of features
        try:
            return timm.create_model(name, features_only=True, **options)
        except (RuntimeError, KeyError) as error:
            if weights is None:
                raise
            raise InputError(f"weights {weights}: do not fit {name} of timm ({one_line(error)[:300]})") from error

    reductions = make().feature_info.reduction()
    indices = tuple(index for index, stride in enumerate(reductions) if stride in STRIDES and stride <= deepest)
    if len(indices) < 2:
        return nn.Identity(), {reductions[index]: 0 for index in indices}
    model = make(out_indices=indices, **source)
    model.eval()
    with torch.no_grad():
        maps = list(model(torch.zeros(1, 3, *_PROBE)))
    channels = {reductions[index]: features.shape[1] for index, features in zip(indices, maps, strict=True)}
    if [_stride(features) for features in maps] != list(channels):
        raise InputError(
            f"trunk timm.{name} gives maps of shape {[tuple(features.shape) for features in maps]}; expected "
            "(N, channels, H / stride, W / stride): take a convolutional network, such as timm.resnet18"
        )
    return model, channels


def _heads(model: nn.Module) -> tuple[str, ...]:
    """Return the names of the classifiers of a network of timm."""
    named = getattr(model, "pretrained_cfg", {}).get("classifier") or ()
    return (named,) if isinstance(named, str) else tuple(named)


def _stride(value: object) -> int | None:
    """Return how many pixels of the probe lie side by side in one of a map; None for what is no map of it."""
    if not isinstance(value, Tensor) or value.ndim != 4:
        return None
    height, width = value.shape[-2:]
    return next((stride for stride in STRIDES if (height * stride, width * stride) == _PROBE), None)


def _fitting(
    state: Mapping[str, Tensor], model: nn.Module, heads: tuple[str, ...], source: object
) -> dict[str, Tensor]:
    """Return the weights of a whole network without its classifier, which may be missing or another one's.

    Raises:
        InputError: If one is missing, has another shape, or holds NaN or infinity.
    """
    shapes = {
        name: tuple(value.shape) for name, value in model.state_dict().items() if name.rpartition(".")[0] not in heads
    }
    check_state(state, shapes, source)
    return {name: state[name] for name in shapes}


def _cached_state(models: ModuleType, name: str) -> Mapping[str, Tensor]:
    weights = models.get_model_weights(name).DEFAULT
    path = Path(torch.hub.get_dir()) / "checkpoints" / Path(weights.url).name
    if not path.is_file():
        raise InputError(
            f"init is 'imagenet', but {path} does not exist; download {weights.url} to it, or give a safetensors file"
        )
    state: Mapping[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state
