"""Which parameters learn, and how fast."""

import pytest
import torch
from torch import nn

from crispseg import InputError
from crispseg.training import SGD, Adam, Cosine, Poly, Stairs


def network() -> nn.Module:
    return nn.ModuleDict({"trunk": nn.Conv2d(1, 1, 1), "classifier": nn.Conv2d(1, 1, 1)})


def test_rates_and_decays_are_by_name_and_the_first_pattern_counts() -> None:
    rates = {"classifier.bias": 20.0, "classifier.*": 10.0, "*.bias": 2.0}
    optimizer = SGD(0.1, weight_decay=0.01, rates=rates, decays={"*.bias": 0.0}).build(net := network())
    found = {
        parameter: (group["lr"], group["weight_decay"], group["momentum"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    named = {name: found[parameter] for name, parameter in net.named_parameters()}
    assert named == {
        "trunk.weight": (pytest.approx(0.1), 0.01, 0.9),
        "trunk.bias": (pytest.approx(0.2), 0, 0.9),
        "classifier.weight": (pytest.approx(1.0), 0.01, 0.9),
        "classifier.bias": (pytest.approx(2.0), 0, 0.9),
    }


@pytest.mark.parametrize("kind", [SGD, Adam])
def test_a_rate_of_0_freezes(kind: type[SGD | Adam]) -> None:
    net = network()
    recipe = kind(0.1, rates={"trunk.*": 0})
    recipe.freeze(net)
    optimizer = recipe.build(net)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    sum(parameter.square().sum() for parameter in net.parameters()).backward()  # type: ignore[union-attr]
    optimizer.step()
    changed = {name for name, value in net.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"classifier.weight", "classifier.bias"}
    assert not any(parameter.requires_grad for parameter in net["trunk"].parameters())  # type: ignore[index]


def test_what_the_caller_froze_stays_frozen() -> None:
    net = network()
    for parameter in net["trunk"].parameters():  # type: ignore[index]
        parameter.requires_grad = False
    recipe = SGD(0.1)
    recipe.freeze(net)
    assert sum(len(group["params"]) for group in recipe.build(net).param_groups) == 2


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"fc8.*": 10.0}, r"rates: 'fc8.\*' matches no parameter; they are called trunk.weight"),
        ({"*": 0.0}, "no parameter is left to learn"),
        ({"trunk.*": -1.0}, r"rates\['trunk.\*'\] is -1.0"),
    ],
)
def test_rates_that_make_no_sense_are_refused(rates: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        SGD(0.1, rates=rates).freeze(network())


def test_schedules_start_at_1_and_never_rise_again() -> None:
    for schedule in (Cosine(), Poly(), Stairs(every=3)):
        factors = [schedule.factor(step, 12) for step in range(13)]
        assert factors[0] == 1
        assert factors == sorted(factors, reverse=True)
    assert Poly(power=0).factor(7, 12) == 1
    assert Stairs(every=3, ratio=0.5).factor(7, 12) == 0.25
    assert Cosine(warmup=4).factor(1, 10**6) == pytest.approx(0.5)
    assert Cosine().factor(12, 12) == Poly().factor(12, 12) == 0
