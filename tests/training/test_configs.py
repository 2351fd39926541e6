"""Every config trains for a few steps: each network, and each data set."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from crispseg.cli.main import main
from tests.fakes import (
    write_bsds500,
    write_camvid,
    write_cityscapes,
    write_coco,
    write_folder,
    write_sbd,
    write_voc2012,
)

CONFIGS = Path(__file__).parents[2] / "configs"

SMALL = [
    *("--steps", "2", "--checkpoint_every", "1", "--val_every", "1", "--val_images", "1", "--workers", "0"),
    *("--crop.size", "33", "--batch_size", "1", "--accumulate", "1", "--accelerator", "cpu"),
]

# Each network with data that it is for, and the options that make it start at random.
NETWORKS = {
    "embedding": ("camvid", ["--task.network.init", "random"]),
    "embedding_fast": ("camvid", ["--task.network.init", "random"]),
    "embedding_paper": ("bsds500", ["--task.network.init", "random"]),
    "deeplab_trunk": ("camvid", ["--task.network.init", "random", "--task.network.num_classes", "11"]),
    "deeplab_branches": ("camvid", ["--task.network.init", "random", "--task.network.num_classes", "11"]),
    "hed": ("bsds500_boundaries", ["--task.network.init", "random"]),
    "end_to_end": (
        "camvid",
        [
            *("--task.network.segmenter.init", "random", "--task.network.segmenter.num_classes", "11"),
            *("--task.network.embedding.init", "random"),
        ],
    ),
}

VARIANTS = {
    "deeplab_trunk_poly": "deeplab_trunk",
    "embedding_full": "embedding_fast",
    "embedding_narrow": "embedding",
    "embedding_trunk": "embedding",
}
"""Configs that change another one."""


def write_fakes(root: Path) -> Path:
    """Write the files that the configs of `configs/data` expect in a folder `data`."""
    data = root / "data"
    write_voc2012(data / "VOCdevkit" / "VOC2012")
    write_sbd(data / "benchmark_RELEASE" / "dataset", train=["2008_000001"], val=["2008_000002"])
    for split in ("train", "val"):
        write_coco(data / "coco", [[(1, (5, 5, 40, 30))], [(17, (10, 20, 44, 60))]], split=f"{split}2017")
        write_cityscapes(data / "cityscapes", split=split)
        write_camvid(data / "camvid", split=split)
        write_bsds500(data / "bsds500", split=split)
        write_folder(data / split, void=255)
    return root


def test_no_config_is_forgotten() -> None:
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == NETWORKS.keys() | VARIANTS.keys()
    assert all(path.suffix == ".yaml" for path in CONFIGS.rglob("*.*"))


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_every_network_trains_and_goes_on(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_fakes(tmp_path))
    data, options = NETWORKS[name]
    files = [str(CONFIGS / f"{name}.yaml"), str(CONFIGS / "data" / f"{data}.yaml")]
    command = ["train", *files, *SMALL, *options, "--output", "run", "--steps"]  # checkpoints are large: one for each
    assert main([*command, "1"]) == 0, capsys.readouterr().err
    assert "step 1 of 1" in capsys.readouterr().out
    assert main([*command, "2", "--resume"]) == 0
    assert "step 2 of 2" in capsys.readouterr().out
    assert Path("run", "last.ckpt").is_file()
    assert len(list(Path("run").glob("*.safetensors"))) == 1


@pytest.mark.parametrize("name", sorted(VARIANTS))
def test_every_variant_changes_what_it_is_of(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_fakes(tmp_path))
    data, options = NETWORKS[VARIANTS[name]]
    files = [str(CONFIGS / f"{VARIANTS[name]}.yaml"), str(CONFIGS / f"{name}.yaml"), str(CONFIGS / f"data/{data}.yaml")]
    assert main(["train", *files, *SMALL, *options, "--steps", "1", "--output", "run"]) == 0, capsys.readouterr().err


REGIONS = sorted(path for path in (CONFIGS / "data").glob("*.yaml") if path.stem != "bsds500_boundaries")


@pytest.mark.parametrize("path", REGIONS, ids=lambda path: path.stem)
def test_an_embedding_trains_on_every_data_set_of_regions(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(write_fakes(tmp_path))
    options = ["--task.network.init", "random", "--task.network.dim", "4", "--output", "run"]
    assert main(["train", str(CONFIGS / "embedding.yaml"), str(path), *SMALL, *options]) == 0, capsys.readouterr().err
    (name,) = yaml.safe_load(path.read_text())["val_data"]
    assert f"{name}/same" in capsys.readouterr().out


def test_data_sets_train_and_validate_on_different_images() -> None:
    def sources(content: dict[str, Any]) -> tuple[list[Any], list[Any]]:
        return content["train_data"], list(content["val_data"].values())

    for path in (CONFIGS / "data").glob("*.yaml"):
        train_data, val_data = sources(yaml.safe_load(path.read_text()))
        assert all(source not in train_data for source in val_data), path
