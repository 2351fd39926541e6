"""Run a trained network over images in files, and write its predictions."""

from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from rich.progress import Progress
from torch import Tensor, nn

from crispseg.data import Prediction, read_image, write_scores
from crispseg.data.intensity import ValueRange, to_floats
from crispseg.data.matching import find_images
from crispseg.errors import InputError, naming
from crispseg.jobs.job import Job
from crispseg.jobs.resuming import Beginning, digest_of_weights, finished
from crispseg.models import HED, DeepLabLargeFOV, DeepLabMSc
from crispseg.models.crisp_net import CrispNet, load_crisp_net
from crispseg.models.saving import load_network, saved_network
from crispseg.models.segmenter import scores_of, upsample_scores
from crispseg.process_memory import settle
from crispseg.run_settings import with_version
from crispseg.single_writer import only_writer
from crispseg.writing import check_folder, refuse_inputs, written_whole

SETTINGS = "crispseg-predict.json"
"""The file in the output folder that holds the settings, to compare when resuming."""

_LOADERS: dict[str, Callable[[Path], nn.Module]] = {
    CrispNet.__name__: load_crisp_net,
    DeepLabLargeFOV.__name__: lambda path: load_network(path, DeepLabLargeFOV),
    DeepLabMSc.__name__: lambda path: load_network(path, DeepLabMSc),
    HED.__name__: lambda path: load_network(path, HED),
}


@dataclass(frozen=True)
class _Predictions:
    """The output files of every image."""

    folder: Path
    suffix: str

    def target(self, name: str) -> Path:
        """Return the output file of an image."""
        return self.folder / f"{name}{self.suffix}"

    def files(self, name: str) -> dict[str, Path]:
        """Return the output file of an image, by its kind."""
        return {"prediction": self.target(name)}


def load_predictor(weights: Path) -> nn.Module:
    """Load the segmentation network or boundary detector from a file that `crispseg train` or `convert` wrote.

    Raises:
        InputError: If the file is missing, is not a safetensors file, or holds another network.
    """
    name = saved_network(weights)
    if name not in _LOADERS:
        raise InputError(
            f"weights {weights}: hold {name or 'no named network'}; expected one of {', '.join(sorted(_LOADERS))}"
        )
    return _LOADERS[name](weights)


@torch.inference_mode()
def predict(
    images: Sequence[Path],
    network: nn.Module,
    output: Path,
    *,
    value_range: ValueRange = "auto",
    image_suffix: str = "",
    read: Iterable[Path] = (),
    resume: bool = False,
    progress: Progress | None = None,
) -> list[Path]:
    """Run a network over images, and write scores or boundary maps.

    For each image NAME, a segmentation network writes `NAME.safetensors` with float16 logits of the image's size. A
    boundary detector writes `NAME.png`, in which white is a probability of 1.

    Args:
        images: Image files, folders that are searched recursively, or patterns. NAME is the path relative to the folder
            of all images, without its suffix.
        network: A segmentation network or `HED`, which runs on the device of its weights.
        output: The folder to write to; it is created if it does not exist.
        value_range: The numbers of an image that stand for black and white; see `read_image`.
        image_suffix: A common end of the image names before the file extension, which NAME leaves out.
        read: Other files that must not be overwritten, such as the weights.
        resume: Whether to skip images whose output exists, was made with the same weights and range, and is not older
            than the image.
        progress: A progress bar to show.

    Returns:
        The files that were written now.

    Raises:
        InputError: If an image cannot be read, the output cannot be written, another run writes to it, or resumed
            settings differ.
    """
    found = find_images(images, image_suffix, besides=[output])
    outputs = _Predictions(output, ".png" if isinstance(network, HED) else ".safetensors")
    refuse_inputs([output / SETTINGS, *map(outputs.target, found)], [*found.values(), *read])
    check_folder(output)
    noted = with_version({"network": type(network).__name__, "sha256 of weights": digest_of_weights(network)})
    noted |= {"arguments": getattr(network, "arguments", {}), "range": value_range, "image suffix": image_suffix}
    jobs = [Job(name, path, path, None) for name, path in found.items()]
    device = next(network.parameters()).device
    # Many runs of one image each may share a folder.
    with only_writer(output) if len(jobs) > 1 else nullcontext():
        there = finished(outputs, noted, jobs, SETTINGS) if resume else None
        begin = Beginning(outputs, noted, anew=there is None, file=SETTINGS)
        left = [(path, outputs.target(name)) for name, path in found.items() if name not in (there or ())]
        for path, target in progress.track(left, description="predicting") if progress else left:
            image = to_floats(read_image(path, value_range)[None]).to(device)
            begin()
            with naming(path):
                if isinstance(network, HED):
                    _write_boundary(target, network(image)[0, 0])
                else:
                    _write_scores(target, network, image)
            settle()
    return [target for _, target in left]


def _write_scores(path: Path, network: nn.Module, image: Tensor) -> None:
    scores = upsample_scores(network, scores_of(network, image), (image.shape[-2], image.shape[-1]))[0].half().cpu()
    write_scores(path, scores, Prediction(scores, "logits", tuple(range(len(scores)))))


def _write_boundary(path: Path, boundary: Tensor) -> None:
    pixels = (boundary * 255).round().to(torch.uint8).cpu().numpy()
    with written_whole(path) as temporary:
        Image.fromarray(np.ascontiguousarray(pixels)).save(temporary, format="PNG")
