"""Trained networks over images in files."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from crispseg import InputError, Window
from crispseg.cli.main import main
from crispseg.data import read_boundary, read_image, read_prediction
from crispseg.jobs import networks
from crispseg.models import HED, CrispNet, DeepLabLargeFOV, EmbeddingNet
from crispseg.models.crisp_net import load_crisp_net, save_crisp_net
from crispseg.models.saving import save_network
from crispseg.nn import Affinity, LocalFilter
from crispseg.single_writer import only_writer
from crispseg.window import Windows
from tests.fakes import write_folder


def crisp_net(segmenter: nn.Module) -> CrispNet:
    window = Window(3, dilation=2)
    affinity = Affinity(window, 2.5, learned=True, norm=2)
    passes = LocalFilter(window, passes=2, normalize=False)
    return CrispNet(segmenter, EmbeddingNet(dim=4, rgb=True), affinity, passes, filtered="probabilities").eval()


def test_scores_of_a_segmentation_network_are_a_prediction(tmp_path: Path) -> None:
    torch.manual_seed(0)
    images = write_folder(tmp_path / "data") / "images"
    network = DeepLabLargeFOV(num_classes=3).eval()
    save_network(network, tmp_path / "net.safetensors")
    assert (
        main(
            ["predict", str(images), "--weights", str(tmp_path / "net.safetensors"), "--output", str(tmp_path / "out")]
        )
        == 0
    )
    prediction = read_prediction(tmp_path / "out" / "scene1.safetensors")
    assert (prediction.kind, prediction.classes) == ("logits", (0, 1, 2))
    with torch.inference_mode():
        scores = network(read_image(images / "scene1.png")[None] / 255)
        expected = torch.nn.functional.interpolate(scores, (48, 64), mode="bilinear", align_corners=True)[0]
    torch.testing.assert_close(prediction.scores, expected, rtol=2e-3, atol=1e-3 * float(expected.abs().max()))


def test_boundaries_of_a_detector_are_a_boundary_map(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.manual_seed(0)
    images = write_folder(tmp_path / "data") / "images"
    network = HED().eval()
    nn.init.normal_(network.sides["conv1_2"].weight)  # type: ignore[arg-type]
    save_network(network, tmp_path / "hed.safetensors")
    assert (
        main(
            ["predict", str(images), "--weights", str(tmp_path / "hed.safetensors"), "--output", str(tmp_path / "out")]
        )
        == 0
    )
    assert "3 images" in capsys.readouterr().out
    with torch.inference_mode():
        expected = network(read_image(images / "scene0.png")[None] / 255)[0]
    assert expected.std() > 0.01
    torch.testing.assert_close(read_boundary(tmp_path / "out" / "scene0.png"), expected, rtol=0, atol=0.5 / 255 + 1e-6)


def test_a_full_network_is_saved_and_loaded_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = crisp_net(DeepLabLargeFOV(num_classes=3)), tmp_path / "net.safetensors"
    save_crisp_net(network, path)
    loaded, image = load_crisp_net(path), torch.rand(1, 3, 24, 32)
    with torch.no_grad():
        torch.testing.assert_close(loaded(image), network(image))
    assert (loaded.affinity.window, loaded.affinity.norm, loaded.filter.passes) == (Windows.of("3@2"), 2, 2)
    assert isinstance(loaded.affinity.log_hardness, nn.Parameter)
    image_file = write_folder(tmp_path / "data") / "images" / "scene0.png"
    assert main(["predict", str(image_file), "--weights", str(path), "--output", str(tmp_path / "out")]) == 0
    assert read_prediction(tmp_path / "out" / "scene0.safetensors").scores.shape == (3, 48, 64)


def test_parts_of_a_full_network_start_others(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network, path = crisp_net(DeepLabLargeFOV(num_classes=3)), tmp_path / "net.safetensors"
    save_crisp_net(network, path)
    segmenter, embedding = DeepLabLargeFOV(num_classes=3, init=path), EmbeddingNet(dim=4, rgb=True, init=path)
    for part, started in ((network.segmenter, segmenter), (network.embedding, embedding)):
        for name, value in part.state_dict().items():
            assert torch.equal(value, started.state_dict()[name]), name


def test_weights_that_do_not_serve_are_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    images = write_folder(tmp_path / "data") / "images"
    save_network(EmbeddingNet(dim=4), tmp_path / "embedding.safetensors")
    save_crisp_net(crisp_net(nn.Conv2d(3, 3, 1)), tmp_path / "foreign.safetensors")
    whole = load_file(tmp_path / "foreign.safetensors")
    save_file(whole, tmp_path / "damaged.safetensors", metadata={"network": "CrispNet", "arguments": "{"})
    for name, message in (
        ("embedding", "hold EmbeddingNet; expected one of CrispNet, DeepLabLargeFOV"),
        ("foreign", "holds a Conv2d; expected a DeepLabLargeFOV or a DeepLabMSc"),
        ("damaged", "expected a file that `crispseg train` wrote (JSONDecodeError"),
        ("missing", "no such file"),
    ):
        weights = str(tmp_path / f"{name}.safetensors")
        assert main(["predict", str(images), "--weights", weights, "--output", str(tmp_path / "out")]) == 2
        assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_images_are_not_written_over(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Image.fromarray(np.zeros((20, 20, 3), np.uint8)).save(tmp_path / "a.png")
    save_network(HED(), tmp_path / "hed.safetensors")
    command = [
        "predict",
        str(tmp_path / "a.png"),
        "--weights",
        str(tmp_path / "hed.safetensors"),
        "--output",
        str(tmp_path),
    ]
    assert main(command) == 2
    assert "a.png: is also an input" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    images, weights, out = write_folder(tmp_path, 4) / "images", tmp_path / "hed.safetensors", tmp_path / "out"
    save_network(HED(), weights)
    command = ["predict", str(images), "--weights", str(weights), "--output", str(out)]
    write, left = networks._write_boundary, iter(range(2))

    def interrupted(path: Path, boundary: torch.Tensor) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        write(path, boundary)

    with monkeypatch.context() as patch:
        patch.setattr(networks, "_write_boundary", interrupted)
        assert main(command) == 130
    assert capsys.readouterr().err == "crispseg predict: interrupted; --resume goes on\n"
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert len(first) == 2
    assert main([*command, "--resume"]) == 0
    assert "2 images" in capsys.readouterr().out
    made = {path.name: path.stat().st_mtime_ns for path in out.glob("*.png")}
    assert len(made) == 4
    assert made | first == made
    os.utime(images / "scene1.png")
    assert main([*command, "--resume"]) == 0
    assert [path.name for path in out.glob("*.png") if path.stat().st_mtime_ns != made[path.name]] == ["scene1.png"]
    save_network(HED(), weights)
    assert main([*command, "--resume"]) == 2
    assert "was made with other settings (sha256 of weights" in capsys.readouterr().err
    assert main(command) == 0


def test_another_run_with_the_same_output_is_refused(tmp_path: Path) -> None:
    images = write_folder(tmp_path / "data", 2) / "images"
    with only_writer(tmp_path / "out"), pytest.raises(InputError, match="another run is writing to it"):
        networks.predict([images], HED().eval(), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    with only_writer(tmp_path / "out"):
        assert len(networks.predict([images / "scene0.png"], HED().eval(), tmp_path / "out")) == 1
