"""The training run: data, progress, checkpoints, resume."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, Literal

import lightning
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback, LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from crispseg.compatibility import best_device
from crispseg.data.checked import CheckedLabels
from crispseg.data.crops import ConsecutiveBatches, CropDataset, CropOptions
from crispseg.data.intensity import to_floats
from crispseg.data.sample import IGNORE_INDEX, LabelledImages
from crispseg.devices import warn_without_bfloat16
from crispseg.errors import InputError
from crispseg.reading import parsed
from crispseg.single_writer import only_writer
from crispseg.training.report import LOG, StepsProgressBar, ValidationReport
from crispseg.training.task import Task
from crispseg.value_checks import check_count, check_not_negative
from crispseg.writing import make_folder, refuse_inputs

CHECKPOINT = "last.ckpt"

_LOOKED_AT = 16
"""Images of each training set to check before the first step, evenly spaced."""

_USUAL_VOID = 255
"""Label of void in many files."""

_log = logging.getLogger(__name__)


def train(
    task: Task,
    train_data: list[LabelledImages],
    val_data: dict[str, LabelledImages],
    output: Path,
    *,
    steps: int = 4000,
    batch_size: int = 4,
    accumulate: int = 1,
    crop: CropOptions = CropOptions(),  # noqa: B008 - it cannot change
    checkpoint_every: int = 500,
    val_every: int = 500,
    val_images: int = 16,
    workers: int = 1,
    seed: int = 0,
    accelerator: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true",
    resume: bool = False,
) -> Task:
    """Train a network on random crops; save checkpoints, validate, and save the weights every few hundred steps.

    Args:
        task: The network, its loss and how it learns.
        train_data: Data sets to learn from, in equal shares.
        val_data: Data sets to validate on, by name.
        output: Folder for the TensorBoard log, `last.ckpt`, the weights and `validation.jsonl`.
        steps: Steps of the optimiser.
        batch_size: Crops in a batch, for each process.
        accumulate: Batches for one step of the optimiser.
        crop: The distribution of random crops.
        checkpoint_every: Steps between two checkpoints.
        val_every: Steps between two validations, a multiple of `checkpoint_every`; the weights are saved after each.
        val_images: Images of each data set to validate on, evenly spaced.
        workers: Processes that read and crop images, for each training process.
        seed: Determines crops, augmentation and dropout. Random initial weights are drawn earlier, by the caller;
            `crispseg train` seeds before it builds the network.
        accelerator: What Lightning runs on: "auto", "cpu", "gpu".
        devices: Processes on this machine, each with a GPU or with processors of its own.
        nodes: Machines. Start the same command on each, under SLURM or by torchrun.
        precision: Of the convolutions: "32-true", or "bf16-mixed" for twice the speed where the processor has it
            ("16-mixed" on older GPUs). Losses are always computed in float32.
        resume: Continue from `output`/last.ckpt.

    Returns:
        The task with the trained network.

    Raises:
        InputError: If a number is out of range, the output cannot be written, it holds another run although `resume`
            is False, it holds none although `resume` is True, or another run writes to it.
    """
    _check_counts(steps=steps, batch_size=batch_size, accumulate=accumulate, devices=devices, nodes=nodes)
    _check_counts(checkpoint_every=checkpoint_every, val_every=val_every, val_images=val_images)
    check_not_negative("workers", workers)
    if val_every % checkpoint_every:
        raise InputError(f"val_every is {val_every}; expected a multiple of checkpoint_every, {checkpoint_every}")
    if not val_data:
        raise InputError("no validation data; expected at least one data set in val_data")
    written = (output / name for name in (CHECKPOINT, LOG, task.weights_file))
    refuse_inputs(written, [path for data in (*train_data, *val_data.values()) for path in data.files])
    _checkpoint(output, resume)
    if precision == "bf16-mixed" and (accelerator == "cpu" or best_device().type == "cpu"):
        warn_without_bfloat16()
    _quieten()
    seed_everything(seed)
    task.seed, task.val_names = seed, list(val_data)
    report = ValidationReport(output, resume=resume)
    trainer = _build_trainer(
        accelerator=accelerator,
        devices=devices,
        num_nodes=nodes,
        precision=precision,
        max_steps=steps,
        accumulate_grad_batches=accumulate,
        check_val_every_n_epoch=val_every // checkpoint_every,
        use_distributed_sampler=False,  # batches and validation images are dealt out below
        logger=TensorBoardLogger(output, name="", version="log"),
        callbacks=[_save_checkpoint(output), report, LearningRateMonitor(), StepsProgressBar()],
        log_every_n_steps=10,
        num_sanity_val_steps=0,
        enable_model_summary=False,
    )
    crops = CropDataset([_checked(data, task) for data in train_data], crop, seed=seed)
    batches = ConsecutiveBatches(
        min(checkpoint_every, steps) * accumulate,
        batch_size,
        start=lambda: trainer.global_step * accumulate,
        process=lambda: (trainer.global_rank, trainer.world_size),
    )
    train_loader = DataLoader(crops, batch_sampler=batches, num_workers=workers)
    val_sets = _validation_sets(val_data, task, val_images, processes=devices * nodes)
    for images in (*(WholeImages(source, _LOOKED_AT) for source in crops.sources), *val_sets):
        _look_at_labels(images)
    val_loaders = [DataLoader(images, sampler=_EveryNth(images, trainer)) for images in val_sets]
    # Of the processes of a run, the first writes.
    with _interruptible(output / CHECKPOINT), only_writer(output) if trainer.is_global_zero else nullcontext():
        checkpoint = _checkpoint(output, resume)  # another run may have ended since
        trainer.fit(task, train_loader, val_loaders, ckpt_path=checkpoint, weights_only=True)
        if report.last[1] < trainer.global_step:  # the last steps were too few for a validation of their own
            trainer.validate(task, val_loaders, verbose=False)
    return task


class WholeImages(Dataset[tuple[Tensor, Tensor]]):
    """At most `count` evenly spaced images of a data set, as float RGB in [0, 1] with their label maps."""

    def __init__(self, source: LabelledImages, count: int) -> None:
        self.source = source
        size = len(source)
        self.indices = [position * size // min(count, size) for position in range(min(count, size))]

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return image (3, H, W) and labels (H, W)."""
        sample = self.source[self.indices[index]]
        return to_floats(sample.image), sample.labels


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


def _checked(data: LabelledImages, task: Task) -> LabelledImages:
    return CheckedLabels(data.expecting(task.num_classes), task.num_classes)


def _validation_sets(
    data: Mapping[str, LabelledImages], task: Task, count: int, *, processes: int
) -> list[WholeImages]:
    """Return at most `count` images of each data set; refuse, before the first step, fewer images than processes."""
    sets = [WholeImages(_checked(each, task), count) for each in data.values()]
    for images in sets:
        if len(images) < processes:
            raise InputError(
                f"{len(images)} validation images for {processes} processes; expected one for each or more"
            )
    return sets


def _look_at_labels(images: WholeImages) -> None:
    """Read images before the first step, so that errors show at once; warn if the labels give nothing to learn."""
    labels: set[int] = set()
    for index in range(len(images)):
        labels.update(torch.unique(images[index][1]).tolist())
    known = labels - {IGNORE_INDEX}
    if len(known) < 2:
        _log.warning(
            "the labels of %d images hold only %s and void; check that no class was declared void",
            len(images),
            f"label {known.pop()}" if known else "no label",
        )
    elif max(known) == _USUAL_VOID:
        _log.warning(
            "labels of %d images hold %d, which stands for void in many files, but is a class here; void is %d",
            len(images),
            _USUAL_VOID,
            IGNORE_INDEX,
        )


class _EveryNth(Sampler[int]):
    """The validation images of one process of several."""

    def __init__(self, images: WholeImages, trainer: lightning.Trainer) -> None:
        self.images = images
        self.trainer = trainer

    def __len__(self) -> int:
        return len(self._indices())

    def __iter__(self) -> Iterator[int]:
        return iter(self._indices())

    def _indices(self) -> range:
        return range(self.trainer.global_rank, len(self.images), self.trainer.world_size)


def _build_trainer(**options: Any) -> lightning.Trainer:  # noqa: ANN401 - they are Lightning's
    try:
        return lightning.Trainer(**options)
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(
            f"Lightning cannot run with these settings ({reason}); choose another accelerator or precision"
        ) from error


@contextmanager
def _interruptible(checkpoint: Path) -> Iterator[None]:
    """Turn what Lightning makes of Ctrl-C back into it, with advice on how to go on."""
    try:
        yield
    except SystemExit:
        saved = checkpoint.is_file()
        advice = f"; go on with --resume from {checkpoint}" if saved else " before the first checkpoint"
        raise KeyboardInterrupt(advice) from None


def _checkpoint(output: Path, resume: bool) -> Path | None:
    """Return the checkpoint to resume from; None for a new run, whose output may hold no other."""
    checkpoint = output / CHECKPOINT
    if resume:
        if not checkpoint.is_file():
            raise InputError(f"nothing to resume: {checkpoint} does not exist; run without --resume")
        with parsed(checkpoint, "checkpoint", "damaged; remove it and start again"):
            torch.load(checkpoint, map_location="cpu", weights_only=True, mmap=True)
    elif checkpoint.exists():
        raise InputError(f"{output} holds an earlier run; go on with --resume, or choose another --output")
    make_folder(output)
    return checkpoint if resume else None


def _quieten() -> None:
    """Silence Lightning's messages about itself; messages about the run stay."""
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    for message in (
        r"Checkpoint directory .* exists and is not empty",  # the log lies in it
        r".*does not have many workers",  # reading a crop is far cheaper than a step
        r"You're resuming from a checkpoint that ended before the epoch ended",  # crops go on by the number of the step
        r"Found .* module\(s\) in eval mode",  # parts of which nothing learns
        r".*smaller than the logging interval",  # short runs log at their validations
        r"`isinstance\(treespec, LeafSpec\)` is deprecated",  # between Lightning and PyTorch
    ):
        warnings.filterwarnings("ignore", message=message)


def _save_checkpoint(output: Path) -> Callback:
    name = CHECKPOINT.removesuffix(".ckpt")
    return ModelCheckpoint(output, name, save_on_train_epoch_end=True, enable_version_counter=False)
