"""The full network: its parts, in order, each of them learning."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F  # noqa: N812 - the name PyTorch's own documentation uses
from torch import Tensor, nn
from torchvision.models.segmentation import lraspp_mobilenet_v3_large

from crispseg import InputError, Window, ops
from crispseg.models import CrispNet, DeepLabLargeFOV, EmbeddingNet
from crispseg.models.crisp_net import load_crisp_net, save_crisp_net
from crispseg.models.segmenter import upsample_scores
from crispseg.nn import Affinity, LocalFilter

WINDOW = Window(5)


def build(segmenter: nn.Module, filtered: str = "logits") -> CrispNet:
    torch.manual_seed(0)
    affinity = Affinity(WINDOW, 2.0, learned=True)
    return CrispNet(segmenter, EmbeddingNet(dim=4), affinity, LocalFilter(WINDOW, passes=3), filtered=filtered)  # type: ignore[arg-type]


def test_scores_are_upsampled_and_filtered() -> None:
    network = build(nn.Conv2d(3, 6, 4, stride=4))
    image = torch.rand(2, 3, 16, 24)
    logits = F.interpolate(network.segmenter(image), (16, 24), mode="bilinear", align_corners=False)
    weights = ops.affinity_weights(network.embedding(image), WINDOW, 2.0)
    torch.testing.assert_close(network(image), ops.local_filter(logits, weights, WINDOW, passes=3))
    probabilities = build(network.segmenter, "probabilities")(image).exp()
    torch.testing.assert_close(probabilities.sum(1), torch.ones(2, 16, 24))
    expected = ops.local_filter(logits.softmax(1), weights, WINDOW, passes=3)
    torch.testing.assert_close(probabilities, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("filtered", ["logits", "probabilities"])
def test_several_windows_and_a_score_weight_learn_and_are_saved(filtered: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    windows, passes = "5@4,3@2,3", (2, 1, 3)
    affinity = Affinity(windows, 2.0, learned=True, score_weight=0.5)
    network = CrispNet(DeepLabLargeFOV(num_classes=3), EmbeddingNet(dim=4, width=4), affinity,
                       LocalFilter(windows, passes=passes), filtered=filtered).eval()  # type: ignore[arg-type]  # fmt: skip
    image = torch.rand(1, 3, 32, 40)
    logits = upsample_scores(network.segmenter, network.segmenter(image), (32, 40))
    embedding, probabilities = network.embedding(image), logits.softmax(1)
    expected = logits if filtered == "logits" else probabilities
    for window, count in zip(windows.split(","), passes, strict=True):
        weights = ops.affinity_weights(embedding, window, 2.0, scores=probabilities, score_weight=0.5)
        expected = ops.local_filter(expected, weights, window, passes=count)
    expected = expected if filtered == "logits" else expected.log()
    torch.testing.assert_close(network(image), expected, rtol=1e-4, atol=1e-4)
    F.cross_entropy(network(image), torch.randint(0, 3, (1, 32, 40))).backward()
    for logarithm in (affinity.log_hardness, affinity.log_score_weight):
        assert logarithm is not None
        assert logarithm.grad is not None
        assert logarithm.grad.abs() > 0
    save_crisp_net(network, tmp_path / "net.safetensors")
    loaded = load_crisp_net(tmp_path / "net.safetensors")
    assert (str(loaded.filter.window), loaded.filter.passes) == (windows, passes)
    assert loaded.affinity.log_score_weight is not None
    assert loaded.affinity.log_score_weight.requires_grad
    torch.testing.assert_close(loaded(image), network(image))


@pytest.mark.parametrize("filtered", ["logits", "probabilities"])
def test_a_loss_of_the_filtered_scores_teaches_every_part(filtered: str) -> None:
    network = build(nn.Conv2d(3, 6, 4, stride=4), filtered)
    labels = torch.randint(0, 6, (1, 16, 24))
    F.cross_entropy(network(torch.rand(1, 3, 16, 24)), labels).backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name


def test_torchvision_networks_fit() -> None:
    segmenter = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=4).eval()
    assert build(segmenter)(torch.rand(1, 3, 64, 48)).shape == (1, 4, 64, 48)


class Gives(nn.Module):
    def __init__(self, output: object) -> None:
        super().__init__()
        self.output = output

    def forward(self, image: Tensor) -> object:
        return self.output


def test_what_does_not_fit_is_said() -> None:
    image = torch.rand(1, 3, 8, 8)
    with pytest.raises(InputError, match=r"Gives gives \(3, 8, 8\); expected scores"):
        build(Gives(torch.rand(3, 8, 8)))(image)
    with pytest.raises(InputError, match="Gives gives tuple; expected scores"):
        build(Gives((1, 2)))(image)
    with pytest.raises(InputError, match="Gives gives dict"):
        build(Gives({"scores": image}))(image)
    with pytest.raises(InputError, match="expected the same window"):
        CrispNet(nn.Identity(), nn.Identity(), Affinity(Window(3), 1.0), LocalFilter(WINDOW))
    with pytest.raises(InputError, match="filtered is 'scores'"):
        build(nn.Identity(), "scores")
