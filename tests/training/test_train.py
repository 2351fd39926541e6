"""Training runs, resumes where it stopped, and refuses what makes no sense."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
import yaml

from crispseg import InputError, Window
from crispseg.cli.main import main
from crispseg.data import IGNORE_INDEX, LabelledFolder
from crispseg.inference import Sharpener
from crispseg.models import EmbeddingNet, TrunkEmbedding
from crispseg.models.embedding_net import load_embedding_net
from crispseg.nn import Affinity, EmbeddingLoss, LocalFilter
from crispseg.training import EmbeddingTask, FilterTask
from tests.fakes import write_bsds500, write_folder
from tests.training.runs import run

CONFIG = Path(__file__).parents[2] / "configs" / "embedding.yaml"


def test_a_run_leaves_weights_that_a_sharpener_loads(tmp_path: Path) -> None:
    network = run(write_folder(tmp_path / "data"), tmp_path / "run", steps=4)
    loaded = load_embedding_net(tmp_path / "run" / "embedding.safetensors")
    for name, value in network.state_dict().items():
        assert torch.equal(value, loaded.state_dict()[name])
    sharpener = Sharpener.from_pretrained(tmp_path / "run" / "embedding.safetensors")
    assert sharpener(torch.rand(1, 3, 16, 16), torch.randn(1, 3, 4, 4)).shape == (1, 3, 16, 16)
    lines = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4]
    assert all(0 <= line["fake/same"] <= 1 and 0 <= line["fake/different"] <= 1 for line in lines)


def test_learning_lowers_the_loss(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    sample = LabelledFolder(root / "images", root / "labels", void=11).read(0)
    loss = EmbeddingLoss(Window(3), balance="parity", ignore_index=IGNORE_INDEX)

    def loss_of(network: EmbeddingNet) -> float:
        return float(loss(network.eval()(sample.image[None] / 255), sample.labels[None]).detach())

    torch.manual_seed(3)
    start = EmbeddingNet(dim=8)  # the one that `run` starts from
    assert loss_of(run(root, tmp_path / "run", steps=30)) < 0.8 * loss_of(start)


def test_the_loss_is_the_final_one_and_the_weighted_one_of_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EmbeddingTask, "log", lambda *_, **__: None)  # it wants a trainer
    torch.manual_seed(0)
    network, loss = EmbeddingNet(dim=4), EmbeddingLoss(Window(3))
    task = EmbeddingTask(network, loss, side_weight=0.5)
    image, labels = torch.rand(2, 3, 12, 14), torch.randint(0, 3, (2, 12, 14))
    embedding, taps = network.embed_with_taps(image)
    assert len(taps) == 5
    expected = loss(embedding, labels)
    for tap in taps.values():
        height, width = tap.shape[-2:]
        rows = ((torch.arange(height) + 0.5) * 12 / height).long()
        columns = ((torch.arange(width) + 0.5) * 14 / width).long()
        expected = expected + 0.5 * loss(tap, labels[:, rows][:, :, columns])
    torch.testing.assert_close(task.training_step((image, labels), 0), expected)


def test_the_last_steps_are_validated_and_saved_even_if_few(tmp_path: Path) -> None:
    network = run(write_folder(tmp_path / "data"), tmp_path / "run", steps=5)
    lines = [json.loads(line) for line in (tmp_path / "run" / "validation.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [2, 4, 5]
    loaded = load_embedding_net(tmp_path / "run" / "embedding.safetensors").state_dict()
    assert all(torch.equal(value, loaded[name]) for name, value in network.state_dict().items())


def test_a_resumed_run_ends_like_an_uninterrupted_one(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    whole = run(root, tmp_path / "whole", steps=6).state_dict()
    with pytest.raises(OSError, match="disk is gone"):
        run(root, tmp_path / "halves", steps=6, reads=9)  # in the fifth step; the last checkpoint is of the fourth
    resumed = run(root, tmp_path / "halves", steps=6, resume=True).state_dict()
    for name, value in whole.items():
        assert torch.equal(value, resumed[name]), name
    log = (tmp_path / "halves" / "validation.jsonl").read_text()
    run(root, tmp_path / "halves", steps=6, resume=True)
    assert (tmp_path / "halves" / "validation.jsonl").read_text() == log, "there was nothing left to do"


def test_ctrl_c_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = fake_config(CONFIG, tmp_path)
    command = ["train", str(config), "--output", str(tmp_path / "run"), "--workers", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddingTask, "training_step", _interrupt)
        assert main(command) == 130
    assert "interrupted before the first checkpoint" in capsys.readouterr().err
    assert main([*command, "--steps", "1", "--crop.size", "32"]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddingTask, "training_step", _interrupt)
        assert main([*command, "--resume", "--crop.size", "32"]) == 130
    assert "interrupted; go on with --resume from" in capsys.readouterr().err


def test_ctrl_c_in_the_last_validation_says_how_to_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """That of a run whose last steps are too few for one of their own."""
    config = fake_config(CONFIG, tmp_path)
    command = ["train", str(config), "--output", str(tmp_path / "run"), "--workers", "0", "--crop.size", "32"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(EmbeddingTask, "validation_step", _interrupt)
        assert main([*command, "--steps", "1"]) == 130
    assert "interrupted; go on with --resume from" in capsys.readouterr().err


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_bad_image_in_a_worker_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = fake_config(CONFIG, tmp_path)
    for image in (tmp_path / "folder" / "images").iterdir():
        image.write_text("no image")
    assert main(["train", str(config), "--output", str(tmp_path / "run"), "--workers", "1"]) == 2
    error = capsys.readouterr().err
    assert error.startswith("crispseg train: error: image ")
    assert "not an image that Pillow can read" in error
    assert error.count("\n") == 1


def test_the_same_seed_gives_the_same_weights(tmp_path: Path) -> None:
    config = fake_config(CONFIG, tmp_path)
    small = ["--steps", "2", "--workers", "0", "--crop.size", "32", "--precision", "32-true"]
    weights = []
    for name, seed in (("a", "5"), ("b", "5"), ("c", "6")):
        assert main(["train", str(config), "--output", str(tmp_path / name), "--seed", seed, *small]) == 0
        weights.append(load_embedding_net(tmp_path / name / "embedding.safetensors").state_dict()["fuse.weight"])
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_a_run_that_diverges_ends_with_the_last_good_weights(tmp_path: Path) -> None:
    """It went on, and replaced weights and checkpoint by NaN in silence."""
    root = write_folder(tmp_path / "data")
    diverging = partial(torch.optim.lr_scheduler.StepLR, step_size=2, gamma=1e30)
    with pytest.raises(InputError, match="training diverged: within 4 steps weights became NaN or infinity"):
        run(root, tmp_path / "run", steps=8, schedule=diverging)
    weights = load_embedding_net(tmp_path / "run" / "embedding.safetensors").state_dict()
    checkpoint = torch.load(tmp_path / "run" / "last.ckpt")["state_dict"]
    assert all(value.isfinite().all() for value in (*weights.values(), *checkpoint.values()))


def test_weights_are_used_with_the_norm_that_they_were_trained_with(tmp_path: Path) -> None:
    """They were used with norm 1 in silence."""
    loss, window, made = EmbeddingLoss(3, norm=2), "3", EmbeddingNet(dim=4, width=8)
    affinity = Affinity(window, 1.0, norm=2)
    for task in (EmbeddingTask(made, loss), FilterTask(made, affinity, LocalFilter(window))):
        path = tmp_path / f"{type(task).__name__}.safetensors"
        task.save(path)
        assert "--cue learned:norm=2" in task.usage(path)
        with pytest.raises(InputError, match="trained with norm 2, but cue 'learned' has norm 1"):
            Sharpener.from_pretrained(path)
        assert Sharpener.from_pretrained(path, cue="learned:norm=2").cue.norm == 2
    usual = EmbeddingTask(made, EmbeddingLoss(3))
    usual.save(path)
    assert "--cue" not in usual.usage(path)
    assert Sharpener.from_pretrained(path).cue.norm == 1
    with pytest.raises(InputError, match="trained with norm 1, but cue 'learned:norm=2' has norm 2"):
        Sharpener.from_pretrained(path, cue="learned:norm=2")


@pytest.mark.parametrize("network", [EmbeddingNet, TrunkEmbedding])
def test_an_init_of_nothing_is_told_what_there_is(network: Callable[..., object]) -> None:
    """`init: null` in a config ended with a traceback."""
    with pytest.raises(InputError, match="weights are None; expected fast, best, a file, or random for an init"):
        network(init=None)


def test_a_run_is_not_overwritten_and_nothing_is_not_resumed(tmp_path: Path) -> None:
    root = write_folder(tmp_path / "data")
    run(root, tmp_path / "run", steps=2)
    with pytest.raises(InputError, match="holds an earlier run; go on with --resume"):
        run(root, tmp_path / "run", steps=2)
    with pytest.raises(InputError, match="nothing to resume"):
        run(root, tmp_path / "other", steps=2, resume=True)


def fake_config(config: Path, root: Path) -> Path:
    """The config with its data replaced by small fakes, and nothing else."""
    content = yaml.safe_load(config.read_text())
    folder, bsds = write_folder(root / "folder"), root / "bsds"
    write_bsds500(bsds, split="train")
    write_bsds500(bsds, split="val")
    paths = {"images": str(folder / "images"), "labels": str(folder / "labels"), "root": str(bsds)}
    for source in [*content["train_data"], *content["val_data"].values()]:
        source["init_args"] = {name: paths.get(name, value) for name, value in source["init_args"].items()}
    content["task"]["init_args"]["network"]["init_args"]["init"] = "random"
    target = root / config.name
    target.write_text(yaml.safe_dump(content))
    return target


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (["--task.loss.window.size", "8"], "window size is 8; expected an odd number such as 9"),
        (["--steps", "0"], "steps is 0; expected a whole number of 1 or more"),
        (["--val_images", "0"], "val_images is 0; expected a whole number of 1 or more"),
        (["--task.optimizer.lr", "-1"], "optimizer: Invalid learning rate: -1.0"),
        (["--task.schedule.warmup", "-5"], "warmup is -5; expected a number of 0 or more"),
        (["--seed", "-1"], "seed is -1; expected a number from 0"),
        (["--accelerator", "gpu"], "Lightning cannot run with these settings"),
        (["--val_data", "{}"], "no validation data"),
        (["--task.loss.near", "3"], "near is 3.0 and far is 2.0"),
        (["--crop.size", "4"], "crop size is 4"),
        (["--task.network.dim", "0"], "dim is 0"),
        (["--task.network.init", "missing.safetensors"], "missing.safetensors: no such file"),
        (["--no_such_option", "1"], "no_such_option"),
    ],
)
def test_a_wrong_option_is_one_line(
    change: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = fake_config(CONFIG, tmp_path)
    assert main(["train", str(config), "--output", str(tmp_path / "run"), *change]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
