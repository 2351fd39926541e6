"""An embedding trained through the filter: its scores, its weights, what it minimises and leaves behind."""

from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from torch import Tensor

from crispseg import InputError
from crispseg.data import IGNORE_INDEX, LabelledFolder
from crispseg.data.crops import CropOptions
from crispseg.models import EmbeddingNet
from crispseg.models.embedding_net import load_embedding_net
from crispseg.nn import Affinity, EmbeddingLoss, LocalFilter
from crispseg.training import Disturbance, FilterTask, train
from crispseg.training.filter_task import near_boundary, pixel_weights
from tests.fakes import write_folder

HALVES = torch.zeros(1, 40, 48, dtype=torch.long)
HALVES[:, :, 24:] = 7


def task(**options: object) -> FilterTask:
    torch.manual_seed(0)
    network = EmbeddingNet(dim=5, width=4, stride=2, colours=True)
    affinity = Affinity("3@2,3", 3.0, learned=True, score_weight=0.5)
    return FilterTask(network, affinity, LocalFilter("3@2,3", passes=2), **options)  # type: ignore[arg-type]


def halves() -> tuple[Tensor, Tensor]:
    """Return two images with a boundary that shows, and their labels."""
    image = (HALVES == 7).float()[:, None].expand(2, 3, 40, 48)
    return 0.2 + 0.6 * image, HALVES.expand(2, 40, 48)


def test_labels_are_numbered_from_0_with_a_channel_to_spare_and_merged_beyond_the_limit() -> None:
    labels = torch.tensor([[[3, 3, 900, IGNORE_INDEX]], [[5, 6, 7, 8]]])
    numbered, classes = Disturbance(classes=3).relabel(labels)
    assert classes == 4
    assert sorted(numbered[0, 0].unique().tolist()) == sorted([IGNORE_INDEX, 0, 1])
    assert numbered[0, 0, 3] == IGNORE_INDEX
    assert sorted(numbered[1, 0].unique().tolist()) == [0, 1, 2]


def test_scores_are_probabilities_that_err_near_outlines_more_than_inside() -> None:
    torch.manual_seed(0)
    labels = torch.zeros(20, 96, 96, dtype=torch.long)
    labels[:, :, 48:] = 1
    disturbance = Disturbance(cell=(6, 12))
    scores = disturbance.scores(labels, 3)
    torch.testing.assert_close(scores.sum(1), torch.ones(20, 96, 96))
    wrong = (scores.argmax(1) != labels).float().mean((0, 1))
    assert 0.05 < wrong[44:52].mean() < 0.6
    assert wrong[:20].mean() < wrong[44:52].mean() / 1.5


def test_void_takes_the_scores_of_what_is_around_it() -> None:
    torch.manual_seed(0)
    labels = torch.zeros(1, 64, 64, dtype=torch.long)
    labels[:, 24:40, 24:40] = IGNORE_INDEX
    mild = Disturbance(cell=(4, 4), bias=0, noise=0, blobs=0)
    assert mild.scores(labels, 3)[0, 0].min() > 0.8


@pytest.mark.parametrize("options", [{"cell": (0.5, 4)}, {"cell": (8, 4)}, {"noise": -1}, {"classes": 1}])
def test_a_disturbance_that_makes_no_sense_is_refused(options: dict[str, object]) -> None:
    with pytest.raises(InputError, match=r"expected|or more"):
        Disturbance(**options)  # type: ignore[arg-type]


def test_boundaries_are_between_labels_and_not_at_void() -> None:
    labels = HALVES.clone()
    labels[:, :, :4] = IGNORE_INDEX
    near = near_boundary(labels, 2)
    assert near[0, 0].nonzero().flatten().tolist() == [22, 23, 24, 25]


def test_rare_labels_and_outlines_weigh_more_and_void_nothing() -> None:
    labels = torch.zeros(1, 40, 60, dtype=torch.long)
    labels[:, :, 50:] = 1
    labels[:, 0] = IGNORE_INDEX
    weights = pixel_weights(labels, 3, inside=0.5, rarity=1.0)
    assert weights[:, 0].abs().max() == 0
    assert weights[0, 20, 5] == weights[0, 20, 48] / 2
    torch.testing.assert_close(weights[labels == 0].sum(), weights[labels == 1].sum())
    flat = pixel_weights(labels, 3, inside=1.0, rarity=0.0)
    assert flat.unique().tolist() == [0, 1]


def test_gradients_reach_the_network_and_the_filter() -> None:
    made = task(pair_loss=EmbeddingLoss("5", stride=2))
    terms = made.loss_of(halves())
    assert terms.keys() == {"filtered", "pairs"}
    sum(terms.values(), torch.zeros(())).backward()
    for name, parameter in made.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_loss_falls() -> None:
    made = task(disturbance=Disturbance(cell=(4, 8)))
    image, labels = halves()
    image = 0.4 + 0.1 * image  # a boundary that the weights where learning starts let through
    optimizer = torch.optim.Adam(made.parameters(), lr=0.1)
    losses = []
    for step in range(24):
        torch.manual_seed(step % 2)  # two draws of scores, over and over
        loss = made.loss_of((image, labels))["filtered"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-2:]) < 0.9 * sum(losses[:2])


def test_a_filter_over_other_windows_than_its_weights_is_refused() -> None:
    with pytest.raises(InputError, match=r"5.*3.*same window"):
        FilterTask(EmbeddingNet(dim=4), Affinity("5", 3.0), LocalFilter("3"))


def test_a_crop_without_labels_is_no_loss() -> None:
    image, labels = halves()
    loss = task().loss_of((image, torch.full_like(labels, IGNORE_INDEX)))["filtered"]
    loss.backward()
    assert loss == 0


def run(folder: LabelledFolder, output: Path, *, steps: int, resume: bool = False) -> FilterTask:
    made = task()
    options = {"batch_size": 2, "crop": CropOptions(size=32), "val_images": 2, "workers": 0, "accelerator": "cpu"}
    often = {"checkpoint_every": 2, "val_every": 2}
    train(made, [folder], {"fake": folder}, output, steps=steps, resume=resume, **options, **often)  # type: ignore[arg-type]
    return made


def test_a_resumed_run_ends_with_the_same_bits_and_its_file_says_what_was_learned(tmp_path: Path) -> None:
    write_folder(tmp_path, void=255)
    folder = LabelledFolder(tmp_path / "images", tmp_path / "labels", void=255)
    whole = run(folder, tmp_path / "whole", steps=4)
    run(folder, tmp_path / "parts", steps=2)
    parts = run(folder, tmp_path / "parts", steps=4, resume=True)
    assert whole.network.affinity.hardness.item() != pytest.approx(3.0, abs=1e-6)
    path = tmp_path / "parts" / "embedding.safetensors"
    with safe_open(path, "pt") as file:
        metadata = file.metadata()
    assert float(metadata["hardness"]) == pytest.approx(parts.network.affinity.hardness.item(), rel=1e-3)
    assert float(metadata["score_weight"]) == pytest.approx(
        float(torch.as_tensor(parts.network.affinity.score_weight).detach()), rel=1e-3
    )
    assert load_embedding_net(path).arguments["colours"] is True
    measured = (tmp_path / "parts" / "validation.jsonl").read_text()
    assert "fake/given" in measured
    assert "fake/filtered" in measured
    assert "--hardness" in parts.usage(path)
