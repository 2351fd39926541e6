"""The training run: data, progress, checkpoints, resume."""

import logging
import warnings
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint, RichProgressBar
from lightning.pytorch.loggers import TensorBoardLogger
from torch.utils.data import DataLoader

from crispseg.checks import check_count, check_not_negative, check_positive
from crispseg.data.crops import ConsecutiveSampler, CropDataset
from crispseg.data.sample import LabelledImages
from crispseg.data.whole_images import WholeImages
from crispseg.errors import InputError
from crispseg.models import EmbeddingNet
from crispseg.nn import EmbeddingLoss
from crispseg.training.report import ValidationReport
from crispseg.training.task import EmbeddingTask
from crispseg.writing import make_folder

CHECKPOINT = "last.ckpt"


def train(
    network: EmbeddingNet,
    loss: EmbeddingLoss,
    train_data: list[LabelledImages],
    val_data: dict[str, LabelledImages],
    output: Path,
    *,
    steps: int = 4000,
    batch_size: int = 4,
    crop_size: int = 144,
    zoom: tuple[float, float] = (0.75, 1.5),
    learning_rate: float = 1e-3,
    warmup: int = 50,
    side_weight: float = 0.0,
    val_every: int = 500,
    val_images: int = 16,
    workers: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    resume: bool = False,
) -> EmbeddingTask:
    """Train an embedding network on random crops; validate, save a checkpoint and the weights every few hundred steps.

    Args:
        network: The network, from wherever it starts.
        loss: The loss of the final embedding and, weighted, of the layers behind it.
        train_data: Data sets to learn from, in equal shares.
        val_data: Data sets to validate on, by name.
        output: Folder for the TensorBoard log, `last.ckpt`, `embedding.safetensors` and `validation.jsonl`.
        steps: Steps of the optimiser.
        batch_size: Crops a step.
        crop_size: Side of a crop in pixels.
        zoom: Bounds of the random magnification of a crop.
        learning_rate: Highest learning rate of Adam; falls along a cosine.
        warmup: Steps over which the learning rate rises.
        side_weight: Weight of the loss at each of the five layers; the paper uses 1, 0 leaves them out.
        val_every: Steps between two validations; a checkpoint is written after each.
        val_images: Images of each data set to validate on, evenly spaced.
        workers: Processes that read and cut images.
        seed: Crops and augmentation follow from it; a network that starts at random is drawn by the caller, for which
            `crispseg train` seeds first.
        accelerator: What Lightning runs on: "auto", "cpu", "gpu".
        precision: Of the convolutions: "32-true", or "bf16-mixed" for twice the speed where the processor has it
            ("16-mixed" on older GPUs). The loss is always computed in float32.
        resume: Go on from `output`/last.ckpt.

    Returns:
        The task with the trained network.

    Raises:
        InputError: If a number makes no sense, the output cannot be written, holds another run while `resume` is not
            given, or holds none while it is.
    """
    _check_counts(steps=steps, batch_size=batch_size, val_every=val_every, val_images=val_images)
    _check_not_negative(warmup=warmup, side_weight=side_weight, workers=workers)
    check_positive("learning_rate", learning_rate)
    if not val_data:
        raise InputError("no validation data; expected at least one data set in val_data")
    checkpoint = _checkpoint(output, resume)
    _quieten()
    seed_everything(seed)
    task = EmbeddingTask(
        network,
        loss,
        side_weight=side_weight,
        learning_rate=learning_rate,
        warmup=warmup,
        steps=steps,
        val_names=list(val_data),
    )
    report = ValidationReport(output)
    trainer = _build_trainer(
        accelerator=accelerator,
        precision=precision,
        max_steps=steps,
        logger=TensorBoardLogger(output, name="", version="log"),
        callbacks=[_save_checkpoint(output), report, LearningRateMonitor(), RichProgressBar()],
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_model_summary=False,
    )
    crops = CropDataset(train_data, crop_size, zoom=zoom, seed=seed)
    sampler = ConsecutiveSampler(min(val_every, steps) * batch_size, lambda: trainer.global_step * batch_size)
    train_loader = DataLoader(crops, batch_size, sampler=sampler, num_workers=workers)
    val_loaders = [DataLoader(WholeImages(data, val_images)) for data in val_data.values()]
    try:
        trainer.fit(task, train_loader, val_loaders, ckpt_path=checkpoint, weights_only=True)
    except SystemExit:  # what Lightning makes of Ctrl-C
        raise KeyboardInterrupt(f"; go on with --resume from {output / CHECKPOINT}") from None
    if report.last[1] < trainer.global_step:  # the last steps were too few for a validation of their own
        trainer.validate(task, val_loaders, verbose=False)
    return task


def seed_everything(seed: int) -> None:
    """Seed Python, NumPy and PyTorch, here and in the processes that read images.

    Raises:
        InputError: If `seed` is not between 0 and 2³² - 1.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed is {seed}; expected a number from 0 to {2**32 - 1}")
    lightning.seed_everything(seed, workers=True, verbose=False)


def _check_counts(**values: int) -> None:
    for name, value in values.items():
        check_count(name, value)


def _check_not_negative(**values: float) -> None:
    for name, value in values.items():
        check_not_negative(name, value)


def _build_trainer(**options: Any) -> lightning.Trainer:  # noqa: ANN401 - they are Lightning's
    try:
        return lightning.Trainer(devices=1, **options)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"Lightning cannot run so ({reason}); choose another accelerator or precision") from error


def _checkpoint(output: Path, resume: bool) -> Path | None:
    checkpoint = output / CHECKPOINT
    if resume and not checkpoint.is_file():
        raise InputError(f"nothing to resume: {checkpoint} does not exist; run without --resume")
    if resume:
        _check_checkpoint(checkpoint)
    if not resume and checkpoint.exists():
        raise InputError(f"{output} holds an earlier run; go on with --resume, or choose another --output")
    make_folder(output)
    return checkpoint if resume else None


def _check_checkpoint(checkpoint: Path) -> None:
    try:
        torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # a damaged file fails in as many ways as it can be damaged
        raise InputError(f"{checkpoint}: damaged ({type(error).__name__}); remove it and start again") from error


def _quieten() -> None:
    """Leave out what Lightning says of itself; what it says of the run stays."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        r"Checkpoint directory .* exists and is not empty",  # the log lies in it
        r".*does not have many workers",  # reading a crop is far cheaper than a step
        r".*smaller than the logging interval",  # short runs log at their validations
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and PyTorch
    ):
        warnings.filterwarnings("ignore", message=message)


def _save_checkpoint(output: Path) -> Callback:
    name = CHECKPOINT.removesuffix(".ckpt")
    return ModelCheckpoint(output, name, save_on_train_epoch_end=True, enable_version_counter=False)
