"""Means over some of the classes: the values, who enters them, and what is said of it."""

import pytest
import torch

from crispseg import InputError
from crispseg.data.class_names import classes_named
from crispseg.evaluation import describe_losses, describe_worst, images_used
from crispseg.metrics import Accuracy, Truth, gain

NAMES = ("sky", "road", "pole")
TRUE = torch.tensor([[0, 0, 1, 1, 2, 2]])
BEFORE = torch.tensor([[0, 0, 1, 1, 2, 0]])
AFTER = torch.tensor([[0, 0, 1, 0, 0, 0]])


def measured(predicted: torch.Tensor, mean_over: list[int] | None) -> Accuracy:
    accuracy = Accuracy(3, ["miou", "pixel_accuracy"], mean_over=mean_over)
    accuracy.add(predicted, Truth(TRUE, 3, accuracy.metrics))
    return accuracy


def test_other_classes_leave_the_mean_and_pixels_stay() -> None:
    """IoU before: 2/3, 1, 1/2."""
    assert measured(BEFORE, None).value("miou") == pytest.approx(100 * (2 / 3 + 1 + 1 / 2) / 3)
    some = measured(BEFORE, [1, 0])
    assert some.mean_over == (0, 1)
    assert some.value("miou") == pytest.approx(100 * (2 / 3 + 1) / 2)
    assert some.value("pixel_accuracy") == pytest.approx(100 * 5 / 6)
    assert some.per_class("miou")[2] == pytest.approx(50)


def test_gains_and_losing_classes_are_of_the_same_classes() -> None:
    before, after = (measured(predicted, [0, 1]) for predicted in (BEFORE, AFTER))
    assert gain(before, after, "miou").value == pytest.approx(100 * ((2 / 5 + 1 / 2) - (2 / 3 + 1)) / 2)
    assert gain(before, after, "miou").low == gain(before, after, "miou").value, "one image: every draw is the same"
    assert describe_losses(before, after, NAMES) == "sky (-26.67), road (-50.00)"
    assert describe_worst(before, after, NAMES) == "road (-50.00)"
    whole = [measured(predicted, None) for predicted in (BEFORE, AFTER)]
    assert describe_worst(whole[0], whole[1], NAMES) in {"road (-50.00)", "pole (-50.00)"}
    with pytest.raises(InputError, match=r"mean_over is \(0, 1\) before and None after"):
        gain(before, whole[1], "miou")


def test_classes_are_said_by_name_or_number() -> None:
    assert classes_named("thin", ["pole", "0", 0], NAMES, 3) == (0, 2)
    assert classes_named("thin", ["1"], (), 2) == (1,)
    with pytest.raises(InputError, match="thin holds 'pol'; expected a number from 0 to 2 or one of sky, road, pole"):
        classes_named("thin", ["pol"], NAMES, 3)
    with pytest.raises(InputError, match="thin holds '3'"):
        classes_named("thin", ["3"], NAMES, 3)
    with pytest.raises(InputError, match="mean_over holds 3, which is not one of the 3 classes"):
        measured(BEFORE, [3])
    with pytest.raises(InputError, match="mean_over is empty"):
        measured(BEFORE, [])


def test_images_that_were_tuned_on_are_left_out() -> None:
    for count in (5, 6, 223):
        tuned, rest = images_used(count, 2), images_used(count, skip_every=2)
        assert sorted(tuned + rest) == list(range(count))
        assert set(images_used(count, 3, skip_every=2)) <= set(rest)
    with pytest.raises(InputError, match="skip_every is 1 for 5 images, which leaves none"):
        images_used(5, skip_every=1)
    with pytest.raises(InputError, match="every is 0"):
        images_used(5, 0)
