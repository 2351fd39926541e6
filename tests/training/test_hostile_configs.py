"""A config imports nothing that is not allowed, and does not grow."""

import sys
import time
from pathlib import Path

import pytest
import yaml

from crispseg.cli.configs import check_size
from crispseg.cli.main import main
from crispseg.errors import InputError
from tests.fakes import write_folder

EVIL = "from pathlib import Path\nPath(__file__).with_suffix('.ran').touch()\nfrom torch.nn import Module as Net\n"

PLACES = {
    "the task": {"task": {"class_path": "{0}.Net"}},
    "its name alone": {"task": "{0}.Net"},
    "a network": {"task": {"class_path": "crispseg.training.EmbeddingTask", "init_args": {"network": "{0}.Net"}}},
    "a network in full": {
        "task": {"class_path": "crispseg.training.EmbeddingTask", "init_args": {"network": {"class_path": "{0}.Net"}}}
    },
    "an optimiser": {
        "task": {
            "class_path": "crispseg.training.EmbeddingTask",
            "init_args": {"optimizer": {"class_path": "{0}.Net", "init_args": {"lr": "1"}}},
        }
    },
    "an optimiser by its name": {
        "task": {"class_path": "crispseg.training.EmbeddingTask", "init_args": {"optimizer": "{0}.Net"}}
    },
    "a schedule": {
        "task": {
            "class_path": "crispseg.training.EmbeddingTask",
            "init_args": {"schedule": {"class_path": "{0}.Net"}},
        }
    },
    "a data set": {"train_data": [{"class_path": "{0}.Net"}]},
    "a data set by name": {"val_data": {"mine": {"class_path": "{0}.Net"}}},
    "a submodule": {"task": {"class_path": "{0}.deeper.Net"}},
    "a text in a text": {"task": '{{"class_path": "{0}.Net"}}'},
    "a config in a config": {"config": "{folder}/inner.yaml"},
}


def filled(value: object, package: str, folder: Path) -> object:
    if isinstance(value, dict):
        return {key: filled(part, package, folder) for key, part in value.items()}
    if isinstance(value, list):
        return [filled(part, package, folder) for part in value]
    return value.format(package, folder=folder) if isinstance(value, str) else value


@pytest.mark.parametrize("place", PLACES)
def test_nothing_is_imported_that_is_not_allowed(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    package = f"evil_{list(PLACES).index(place)}"
    (tmp_path / f"{package}.py").write_text(EVIL)
    (tmp_path / "inner.yaml").write_text(yaml.safe_dump({"task": {"class_path": f"{package}.Net"}}))
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(filled(PLACES[place], package, tmp_path)))
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["train", str(tmp_path / "config.yaml"), "--output", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert package not in sys.modules
    assert not (tmp_path / f"{package}.ran").exists()
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("path", ["os.system", "subprocess.Popen", "builtins.eval", "torch.hub.load", "torch.load"])
def test_no_config_names_what_acts(path: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = {"task": {"class_path": path, "init_args": {"args": f"touch {tmp_path / 'ran'}"}}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    assert main(["train", str(tmp_path / "config.yaml")]) == 2
    error = capsys.readouterr().err
    assert path in error
    assert "import_path_allowlist" not in error, "no option of ours"
    assert not (tmp_path / "ran").exists()


def test_a_package_of_ones_own_is_allowed_by_the_command_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "data")
    (tmp_path / "mine_is_allowed.py").write_text(
        "from crispseg.models import EmbeddingNet\nclass Mine(EmbeddingNet): ...\n"
    )
    data = {"class_path": "crispseg.data.LabelledFolder"}
    data |= {"init_args": {"images": str(folder / "images"), "labels": str(folder / "labels"), "void": 11}}  # type: ignore[dict-item]
    task = {
        "class_path": "crispseg.training.EmbeddingTask",
        "init_args": {
            "network": {"class_path": "mine_is_allowed.Mine", "init_args": {"dim": 2, "width": 2}},
            "loss": {"class_path": "crispseg.nn.EmbeddingLoss", "init_args": {"window": {"size": 3}}},
        },
    }
    small = {"steps": 1, "checkpoint_every": 1, "val_every": 1, "val_images": 1, "workers": 0, "batch_size": 1}
    config = {"task": task, "train_data": [data], "val_data": {"mine": data}, "crop": {"size": 24}, **small}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    train = ["train", "config.yaml", "--output", "run", "--accelerator", "cpu"]
    assert main(train) == 2
    assert "mine_is_allowed.Mine" in capsys.readouterr().err
    assert "mine_is_allowed" not in sys.modules
    # What is allowed once stays so in this process; no other test has a package of this name.
    assert main([*train, "--allow-import", "mine_is_allowed"]) == 0, capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "mine_is_allowed")
    assert (tmp_path / "run" / "embedding.safetensors").is_file()


@pytest.mark.parametrize("options", [["--allow-import"], ["--allow-import", "../x"], ["--allow-import="]])
def test_what_is_allowed_is_a_package(options: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--steps", "1", *options]) == 2
    assert "expected the name of a package" in capsys.readouterr().err


def nested(levels: int) -> str:
    """Ten times as many values with each level."""
    lines = ["a0: &a0 [1, 2, 3, 4, 5, 6, 7, 8, 9, 0]"]
    lines += [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 10)}]" for level in range(1, levels)]
    return "\n".join(lines)


GROWING = {
    "aliases": nested(9),
    "aliases of mappings": "\n".join(
        ["a0: &a0 {b: 1, c: 2}", *(f"a{n}: &a{n} {{<<: *a{n - 1}, b: *a{n - 1}, c: *a{n - 1}}}" for n in range(1, 40))]
    ),
    "an alias that holds itself": "train_data: &a [*a]",
    "a deep nest": "train_data: " + "[" * 100_000,
    "a deep nest of mappings": "train_data: " + "{a: " * 100_000,
    "a long one": "train_data: [" + "1, " * 600_000 + "1]",
}


@pytest.mark.parametrize("way", ["file", "option", "value"])
@pytest.mark.parametrize("kind", GROWING)
def test_a_config_does_not_grow(kind: str, way: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "config.yaml").write_text(GROWING[kind])
    given = {
        "file": [str(tmp_path / "config.yaml")],
        "option": ["--steps", "1", "--config", str(tmp_path / "config.yaml")],
        "value": ["--val_data", GROWING[kind]],
    }
    start = time.process_time()
    assert main(["train", *given[way]]) == 2
    assert time.process_time() - start < 20
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert len(error) < 3000


def test_aliases_may_be_used() -> None:
    check_size("a: &a {size: 9}\nb: *a\nc: [*a, *a]")
    check_size(nested(4))
    with pytest.raises(InputError, match="values when its aliases are expanded; expected at most 100000"):
        check_size(nested(5))
