"""Soft masks are told from label maps, and read as probabilities where that is said."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from crispseg import InputError
from crispseg.data import read_prediction, write_labels
from crispseg.data.soft_masks import is_soft
from crispseg.inference.upsampling import resize


def disc(softness: float) -> Tensor:
    """(120, 160) probability of a disc."""
    rows, columns = torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij")
    return ((40 - ((rows - 55) ** 2 + (columns - 80) ** 2).sqrt()) / softness).sigmoid()


def resized(factor: int) -> Tensor:
    coarse = (disc(0.01) > 0.5).float()[None, None, ::factor, ::factor]
    return resize(coarse, (120, 160))[0, 0]


def shrunk(factor: int) -> Tensor:
    return torch.nn.functional.avg_pool2d((disc(0.01) > 0.5).float()[None], factor)[0]


def cells(count: int) -> Tensor:
    generator = torch.Generator().manual_seed(count)
    points = torch.rand(count, 2, generator=generator) * torch.tensor([120.0, 160.0])
    places = torch.stack(torch.meshgrid(torch.arange(120.0), torch.arange(160.0), indexing="ij"), -1).reshape(-1, 2)
    return torch.cdist(places, points).argmin(1).reshape(120, 160)


@pytest.mark.parametrize("mask", [disc(1), disc(3), disc(12), resized(4), resized(8), shrunk(2), shrunk(4)])
def test_soft_masks_are_recognised(mask: Tensor, tmp_path: Path) -> None:
    greys = (255 * mask).round().to(torch.uint8)
    assert is_soft(greys.long())
    Image.fromarray(greys.numpy()).save(tmp_path / "a.png")
    with pytest.raises(InputError, match=r"a.png: .* greys form ramps.*probabilities"):
        read_prediction(tmp_path / "a.png")
    soft = read_prediction(tmp_path / "a.png", "probabilities")
    assert (soft.kind, soft.classes) == ("probabilities", (0, 1))
    torch.testing.assert_close(soft.scores[0], greys.float() / 255)
    assert torch.equal(soft.labels(soft.scores), (greys > 127).long())


def test_a_mask_of_16_bits(tmp_path: Path) -> None:
    Image.fromarray((65535 * disc(3)).numpy().astype(np.uint16)).save(tmp_path / "a.png")
    with pytest.raises(InputError, match="greys form ramps"):
        read_prediction(tmp_path / "a.png")
    torch.testing.assert_close(
        read_prediction(tmp_path / "a.png", "probabilities").scores[0], disc(3), rtol=0, atol=2e-5
    )


@pytest.mark.parametrize("labels", [cells(3), cells(40), cells(300), cells(1500), (disc(1) > 0.5).long()], ids=range(5))
@pytest.mark.parametrize("kind", ["logits", "probabilities"])
def test_label_maps_are_none(labels: Tensor, kind: str, tmp_path: Path) -> None:
    assert not is_soft(labels)
    write_labels(tmp_path / "a.png", labels)
    read = read_prediction(tmp_path / "a.png", kind)  # type: ignore[arg-type]
    assert torch.equal(read.given, labels)


def test_an_indexed_image_holds_labels_whatever_they_are(tmp_path: Path) -> None:
    greys = (255 * disc(3)).round().long()
    write_labels(tmp_path / "a.png", greys, tuple(range(256)) * 3)
    assert torch.equal(read_prediction(tmp_path / "a.png").given, greys)


def test_a_mask_of_black_and_white_is_read_as_is_said(tmp_path: Path) -> None:
    mask = 255 * (disc(1) > 0.5).long()
    write_labels(tmp_path / "a.png", mask)
    assert read_prediction(tmp_path / "a.png").classes == (0, 255)
    assert read_prediction(tmp_path / "a.png", "probabilities").classes == (0, 1)
