"""Any network trains as an embedding by the command; its weights sharpen, or say why they cannot."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor, nn

from crispseg import InputError, Window
from crispseg.cli.main import main
from crispseg.models import EmbeddingNet
from crispseg.models.embedding_net import load_embedding_net
from crispseg.nn import EmbeddingLoss
from crispseg.training import EmbeddingTask
from tests.fakes import write_folder


def config(root: Path, network: dict[str, Any]) -> str:
    data = write_folder(root / "data")
    folder = {"class_path": "crispseg.data.LabelledFolder"}
    folder |= {"init_args": {"images": str(data / "images"), "labels": str(data / "labels"), "void": 11}}  # type: ignore[dict-item]
    loss = {"class_path": "crispseg.nn.EmbeddingLoss", "init_args": {"window": {"size": 3}}}
    task = {"class_path": "crispseg.training.EmbeddingTask", "init_args": {"network": network, "loss": loss}}
    small = {"steps": 2, "checkpoint_every": 1, "val_every": 1, "val_images": 1, "workers": 0, "batch_size": 2}
    content = {"task": task, "train_data": [folder], "val_data": {"fake": folder}, "crop": {"size": 24}, **small}
    (root / "config.yaml").write_text(yaml.safe_dump({**content, "output": str(root / "run"), "accelerator": "cpu"}))
    return str(root / "config.yaml")


@pytest.mark.parametrize("trunk", ["torchvision.resnet18", "timm.convnext_atto"])
def test_a_trunk_trains_and_sharpens(trunk: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = {"class_path": "crispseg.models.TrunkEmbedding", "init_args": {"trunk": trunk, "dim": 4}}
    assert main(["train", config(tmp_path, network)]) == 0, capsys.readouterr().err
    weights = tmp_path / "run" / "embedding.safetensors"
    output = capsys.readouterr().out
    assert f"weights: {weights}; use it with: crispseg sharpen --weights {weights}" in output
    image = sorted((tmp_path / "data" / "images").iterdir())[0]
    np.save(tmp_path / f"{image.stem}.npy", np.random.default_rng(0).normal(size=(3, 12, 16)).astype(np.float32))
    command = ["sharpen", str(image), "--predictions", str(tmp_path / f"{image.stem}.npy")]
    assert main([*command, "--output", str(tmp_path / "out"), "--weights", str(weights), "--device", "cpu"]) == 0
    assert list((tmp_path / "out").iterdir())


class Own(nn.Module):
    """A network of a user's, without anything of crispseg."""

    def __init__(self, stride: int = 1) -> None:
        super().__init__()
        self.embed = nn.Conv2d(3, 4, 3, stride=stride, padding=1)

    def forward(self, image: Tensor) -> Tensor:
        embedding: Tensor = self.embed(image)
        return embedding


def test_a_network_of_ones_own_trains_and_is_loaded_by_its_own_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    network = {"class_path": f"{__name__}.Own"}
    assert main(["train", config(tmp_path, network), "--allow-import", "tests"]) == 0, capsys.readouterr().err
    weights = tmp_path / "run" / "embedding.safetensors"
    assert "load it in your own code: safetensors.torch.load_model" in capsys.readouterr().out
    Own().load_state_dict(load_file(weights))
    with pytest.raises(InputError, match=r"holds an Own; expected .*entry point group crispseg\.networks"):
        load_embedding_net(weights)


def test_what_a_network_cannot_give_is_said() -> None:
    with pytest.raises(InputError, match=r"side_weight is 1.0, but Own has no method embed_with_taps; leave it 0"):
        EmbeddingTask(Own(), EmbeddingLoss(Window(3)), side_weight=1.0)
    EmbeddingTask(EmbeddingNet(dim=2, width=2), EmbeddingLoss(Window(3)), side_weight=1.0)
    batch = torch.rand(2, 3, 12, 16), torch.zeros(2, 12, 16, dtype=torch.int64)
    with pytest.raises(InputError, match=r"Own gives shape \(2, 4, 6, 8\).*expected an embedding \(2, D, 12, 16\)"):
        EmbeddingTask(Own(stride=2), EmbeddingLoss(Window(3))).loss_of(batch)
