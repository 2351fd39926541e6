"""Which parameters learn, and how fast: any optimiser and schedule of PyTorch, and factors by name."""

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import nn
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR

from crispseg import InputError
from crispseg.cli.configs import guard
from crispseg.cli.train import build_parser
from crispseg.training import Cosine, Poly
from crispseg.training.optimizers import build_optimizer, freeze
from crispseg.training.schedules import build_schedule

CONFIGS = Path(__file__).parents[2] / "configs"


def network() -> nn.Module:
    return nn.ModuleDict({"trunk": nn.Conv2d(1, 1, 1), "classifier": nn.Conv2d(1, 1, 1)})


def test_rates_and_decays_are_by_name_and_the_first_pattern_counts() -> None:
    rates = {"classifier.bias": 20.0, "classifier.*": 10.0, "*.bias": 2.0}
    make = partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.01)
    optimizer = build_optimizer(make, net := network(), rates, {"*.bias": 0.0})
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


@pytest.mark.parametrize("kind", [SGD, Adam, AdamW, RMSprop])
def test_a_rate_of_0_freezes(kind: Callable[..., Optimizer]) -> None:
    net, rates = network(), {"trunk.*": 0.0}
    freeze(net, rates, {})
    optimizer = build_optimizer(partial(kind, lr=0.1), net, rates, {})
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
    freeze(net, {}, {})
    optimizer = build_optimizer(partial(SGD, lr=0.1), net, {}, {})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 2


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
        freeze(network(), rates, {})


def test_what_pytorch_refuses_is_an_input_error() -> None:
    with pytest.raises(InputError, match=r"optimizer: Invalid learning rate: -1"):
        build_optimizer(partial(SGD, lr=-1.0), network(), {}, {})
    optimizer = build_optimizer(partial(SGD, lr=1.0), network(), {}, {})
    with pytest.raises(InputError, match=r"schedule: .*step_size"):
        build_schedule(StepLR, optimizer, 10)  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"ReduceLROnPlateau.*StepLR"):
        build_schedule(ReduceLROnPlateau, optimizer, 10)
    with pytest.raises(InputError, match="warmup is -1; expected a number of 0 or more"):
        build_schedule(partial(Cosine, warmup=-1), optimizer, 10)


def test_factors_of_what_an_optimizer_lacks_are_refused() -> None:
    with pytest.raises(InputError, match="Rprop has no weight_decay for decays to multiply; leave decays out"):
        build_optimizer(partial(torch.optim.Rprop, lr=0.1), network(), {}, {"*.bias": 0.0})
    build_optimizer(partial(torch.optim.Rprop, lr=0.1), network(), {"*.bias": 2.0}, {})


def learning_rates(make: Callable[[Optimizer], Any], steps: int, run: int) -> list[float]:
    """Return the rate at each of the first steps of a run whose rate is 0.5."""
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    schedule, taken = build_schedule(make, optimizer, run), []
    for _ in range(steps):
        taken.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return taken


def test_schedules_follow_their_formulas_step_by_step() -> None:
    assert learning_rates(Poly, 12, 12) == [0.5 * (1 - step / 12) ** 0.9 for step in range(12)]
    assert learning_rates(partial(Poly, power=0), 12, 12) == [0.5] * 12
    cosine = [0.5 * 0.5 * (1 + math.cos(math.pi * step / 12)) for step in range(12)]
    assert learning_rates(Cosine, 12, 12) == pytest.approx(cosine)
    warm = [min(1, (step + 1) / 4) * rate for step, rate in enumerate(cosine)]
    assert learning_rates(partial(Cosine, warmup=4), 12, 12) == pytest.approx(warm)
    assert learning_rates(Cosine, 13, 12)[-1] == learning_rates(Poly, 13, 12)[-1] == 0


def test_a_schedule_of_pytorch_takes_its_own_steps() -> None:
    assert learning_rates(partial(StepLR, step_size=3, gamma=0.5), 7, 100) == [0.5, 0.5, 0.5, 0.25, 0.25, 0.25, 0.125]
    assert max(learning_rates(partial(OneCycleLR, max_lr=0.9, total_steps=20), 20, 20)) == pytest.approx(0.9)


def test_a_longer_resumed_run_follows_its_new_length() -> None:
    optimizer = SGD([nn.Parameter(torch.zeros(1))], lr=0.5)
    state = build_schedule(Poly, optimizer, 10).state_dict()
    longer = build_schedule(Poly, optimizer, 20)
    longer.load_state_dict(state)
    optimizer.step()
    longer.step()
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.5 * (1 - 1 / 20) ** 0.9)


# What the configs said before they named PyTorch's classes: rate, momentum, decay, and the factor at a step of a run.
AS_BEFORE: dict[str, tuple[float, float | None, float, Callable[[int, int], float]]] = {
    "deeplab_branches": (1e-3, 0.9, 5e-4, lambda step, _: 0.1 ** (step // 2000)),
    "deeplab_trunk": (1e-3, 0.9, 5e-4, lambda step, _: 0.1 ** (step // 2000)),
    "embedding": (1e-3, None, 0.0, lambda s, n: min(1, (s + 1) / 50) * 0.5 * (1 + math.cos(math.pi * s / n))),
    "embedding_paper": (1e-3, None, 0.0, lambda *_: 1.0),
    "end_to_end": (1e-4, 0.9, 5e-4, lambda step, steps: (1 - step / steps) ** 0.9),
    "hed": (1e-6, 0.9, 2e-4, lambda step, _: 0.1 ** (step // 10000)),
}


@pytest.mark.parametrize("name", sorted(AS_BEFORE))
def test_configs_take_the_steps_that_they_took(name: str) -> None:
    rate, momentum, decay, factor = AS_BEFORE[name]
    content = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())
    given = content["task"]["init_args"]
    arguments = [f"--task.{part}={yaml.safe_dump(given[part])}" for part in ("optimizer", "schedule")]
    guard([])
    task = "crispseg.training.EmbeddingTask"
    loss = '{"class_path": "crispseg.nn.EmbeddingLoss", "init_args": {"window": {"size": 3}}}'
    parser = build_parser()
    made = parser.instantiate(
        parser.parse_args(
            [
                *(f"--task={task}", "--task.network=crispseg.models.EmbeddingNet", f"--task.loss={loss}", *arguments),
                *("--train_data=[]", "--val_data={}", "--output=run"),
            ]
        )
    ).task
    optimizer = made.build_optimizer()
    group = optimizer.param_groups[0]
    assert (group["lr"], group.get("momentum"), group["weight_decay"]) == (rate, momentum, decay)
    schedule = build_schedule(made.schedule, optimizer, content["steps"])
    optimizer.step()
    for step in range(content["steps"]):
        if step % 499 == 0 or step % 2000 in (0, 1, 1999):
            assert group["lr"] == pytest.approx(rate * factor(step, content["steps"]), rel=1e-9), step
        schedule.step()
