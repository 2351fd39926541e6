"""The clDice: whether thin things stay connected, by hand and against its published formula."""

import numpy as np
import pytest
import torch
from torch import Tensor

from crispseg import InputError
from crispseg.metrics import METRICS, Accuracy, ClDice, Truth, cldice_of, gain
from crispseg.metrics.thinning import thin

VOID = 255


def pole(*, rows: slice = slice(2, 28), columns: slice = slice(10, 13)) -> Tensor:
    """A background of class 0 and an upright bar of class 2."""
    labels = torch.zeros(30, 24, dtype=torch.int64)
    labels[rows, columns] = 2
    return labels


def cldice(predicted: Tensor, true: Tensor, **options: int) -> float:
    metric = ClDice(3, [2], ignore_index=VOID, **options)  # type: ignore[arg-type]
    metric.update(predicted[None], true[None])
    return float(metric.compute())


def published(predicted: Tensor, true: Tensor) -> float:
    """Shit et al. (2021), eq. 1 and 2, on binary masks."""
    masks = [(labels == 2).numpy() for labels in (predicted, true)]
    lines = [thin(mask) for mask in masks]
    precision, sensitivity = (line[other].sum() / line.sum() for line, other in zip(lines, masks[::-1], strict=True))
    return float(2 * precision * sensitivity / (precision + sensitivity))


def test_a_wider_or_narrower_pole_is_whole_and_a_gap_costs() -> None:
    true = pole()
    assert cldice(true, true) == 1
    assert cldice(pole(columns=slice(11, 12)), true) == 1
    assert cldice(pole(columns=slice(9, 14)), true) > 0.95  # its ends are thinned by one pixel more
    gap = pole()
    gap[10:20] = 0
    assert cldice(gap, true) == pytest.approx(published(gap, true))
    assert cldice(gap, true) < 0.8
    assert cldice(pole(columns=slice(18, 21)), true) == 0
    assert cldice(torch.zeros_like(true), true) == 0


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_published_cldice_of_binary_masks(seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    true, predicted = pole(), pole(rows=slice(4 + seed, 26), columns=slice(10 + seed % 3, 14))
    predicted[torch.rand(predicted.shape, generator=generator) > 0.9] = 2
    assert cldice(predicted, true) == pytest.approx(published(predicted, true), abs=1e-6)


def test_counts_are_summed_over_images_and_other_classes_take_no_part() -> None:
    true, gap = pole(), pole()
    gap[10:20] = 1
    name = cldice_of([2])
    accuracy = Accuracy(3, [name], mean_over=[0])
    for predicted in (true, gap):
        accuracy.add(predicted, Truth(true, 3, [name]))
    line = int(thin((true == 2).numpy()).sum())
    kept = thin((gap == 2).numpy())
    right, found = line + int(kept.sum()), line + int((thin((true == 2).numpy()) & (gap == 2).numpy()).sum())
    assert accuracy.total(name)[2].tolist() == [right, right, found, 2 * line]
    assert accuracy.total(name)[:2].sum() == 0
    sensitivity = found / (2 * line)
    assert accuracy.value(name) == pytest.approx(100 * 2 * sensitivity / (1 + sensitivity))
    again = Accuracy.from_state(accuracy.state())
    assert again.value(name) == accuracy.value(name)
    assert gain(accuracy, accuracy, name).high == 0


def test_void_belongs_to_no_mask() -> None:
    true, predicted = pole(), pole()
    true[10:20, :] = VOID
    predicted[10:20, :] = 0
    assert cldice(predicted, true) == 1


def test_a_band_of_void_is_filled_on_both_sides() -> None:
    true = pole()
    true[:, 7:10] = true[:, 13:16] = VOID
    wide = pole(columns=slice(7, 16))
    assert cldice(wide, true, void_band=5) > 0.9


def test_names_say_the_classes() -> None:
    assert cldice_of([6, 2, 6]) == "cldice:2,6"
    assert cldice_of([1]) not in METRICS
    with pytest.raises(InputError, match=r"no classes; expected one thin class"):
        cldice_of([])
    with pytest.raises(InputError, match="metric is 'cldice:x'"):
        Accuracy(2, ["cldice:x"])
    with pytest.raises(InputError, match=r"classes holds 3.*expected classes from 0 to 2"):
        ClDice(3, [3])


def test_all_classes_may_be_measured() -> None:
    metric = ClDice(3, average="none")
    metric.update(pole()[None], pole()[None])
    assert np.allclose(metric.compute()[[0, 2]], 1)
    assert metric.compute()[1].isnan()
