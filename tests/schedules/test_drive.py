from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from onward.core import InvalidInput
from onward.schedules import Plateau, cosine_restarts, drive, exponential_decay, one_cycle

torch = pytest.importorskip("torch")


def parameters() -> list[dict[str, Any]]:
    return [{"params": [torch.nn.Parameter(torch.zeros(1))]}, {"params": [torch.nn.Parameter(torch.ones(1))]}]


def test_it_trains_as_torchs_own_scheduler() -> None:
    def train(ours: bool) -> list[float]:
        weight = torch.nn.Parameter(torch.tensor([4.0]))
        optimizer = torch.optim.SGD([weight], lr=0.3)
        schedule: Any = (
            drive(optimizer, exponential_decay(0.3, 0.8, 1))
            if ours
            else torch.optim.lr_scheduler.ExponentialLR(optimizer, gamma=0.8)
        )
        found = []
        for _ in range(20):
            optimizer.zero_grad()
            (weight**2).sum().backward()
            optimizer.step()
            schedule.step()
            found.append(weight.item())
        return found

    assert train(ours=True) == pytest.approx(train(ours=False))


def test_all_groups_are_set_at_once_and_those_added_later() -> None:
    optimizer = torch.optim.SGD(parameters(), lr=9.0)
    driven = drive(optimizer, exponential_decay(0.4, 0.5, 1))
    assert [group["lr"] for group in optimizer.param_groups] == [0.4, 0.4]
    optimizer.add_param_group({"params": [torch.nn.Parameter(torch.zeros(1))]})
    assert driven.step() == driven.value == 0.2
    assert [group["lr"] for group in optimizer.param_groups] == [0.2, 0.2, 0.2]


def test_groups_and_parameters_can_be_driven_apart() -> None:
    optimizer = torch.optim.Adam(parameters(), lr=9.0, betas=(0.9, 0.999))
    drive(optimizer, exponential_decay(0.4, 0.5, 1), groups=[1])
    momentum = drive(optimizer, one_cycle(0.85, 10, start=0.95, end=0.95), "betas[0]")
    drive(optimizer, cosine_restarts(0.1, 5), "weight_decay", groups=(0,))
    assert [group["lr"] for group in optimizer.param_groups] == [9.0, 0.4]
    assert [group["betas"] for group in optimizer.param_groups] == [(0.95, 0.999)] * 2
    assert [group["weight_decay"] for group in optimizer.param_groups] == [0.1, 0]
    assert optimizer.param_groups[0]["betas"][0] > momentum.step()
    assert optimizer.param_groups[0]["betas"] == (momentum.value, 0.999)


def test_performance_reaches_the_schedule() -> None:
    optimizer = torch.optim.SGD(parameters(), lr=9.0)
    driven = drive(optimizer, Plateau(0.5, factor=0.5, patience=0))
    assert [driven.step(torch.tensor(1.0)), driven.step(1.0)] == [0.5, 0.25]
    assert optimizer.param_groups[1]["lr"] == 0.25
    with pytest.raises(InvalidInput, match="goes by performance"):
        driven.step()
    assert optimizer.param_groups[1]["lr"] == 0.25


def test_a_tensor_is_set_in_place() -> None:
    rate, beta = torch.tensor(9.0), torch.tensor(0.9)
    optimizer = torch.optim.Adam(
        parameters(), lr=rate, betas=(beta, torch.tensor(0.999)), foreach=False, capturable=True
    )
    drive(optimizer, exponential_decay(0.5, 0.5, 1)).step()
    drive(optimizer, exponential_decay(0.5, 0.5, 1), "betas[0]").step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25
    assert optimizer.param_groups[1]["betas"][0] is beta
    assert beta.item() == 0.25


def test_a_loaded_state_sets_the_parameter() -> None:
    one, other = (torch.optim.SGD(parameters(), lr=9.0) for _ in range(2))
    driven = drive(one, exponential_decay(0.4, 0.5, 1))
    driven.step()
    resumed = drive(other, exponential_decay(0.4, 0.5, 1))
    resumed.load_state_dict(driven.state_dict())
    assert other.param_groups[0]["lr"] == 0.2
    elsewhere = drive(other, exponential_decay(0.4, 0.5, 1), "momentum")
    with pytest.raises(InvalidInput, match="'parameter': 'lr'"):
        elsewhere.load_state_dict(driven.state_dict())
    with pytest.raises(InvalidInput, match="'groups': None"):
        drive(other, exponential_decay(0.4, 0.5, 1), groups=[0]).load_state_dict(driven.state_dict())


@pytest.mark.parametrize("parameter", ["rate", "nesterov", "params", "betas", "betas[2]", "params[0]", "lr[0]", ""])
def test_an_unknown_parameter_lists_the_known(parameter: str) -> None:
    optimizer = torch.optim.Adam(parameters())
    with pytest.raises(InvalidInput, match=r"Known: betas\[0\], betas\[1\], eps, lr, weight_decay\."):
        drive(optimizer, exponential_decay(0.4, 0.5, 1), parameter)


@pytest.mark.parametrize("groups", [[], [2], [0, 5], [-1], ["a"]])
def test_an_unknown_group_is_told(groups: list[Any]) -> None:
    optimizer = torch.optim.SGD(parameters(), lr=9.0)
    with pytest.raises(InvalidInput, match="group"):
        drive(optimizer, exponential_decay(0.4, 0.5, 1), groups=groups)
    assert optimizer.param_groups[0]["lr"] == 9.0


@pytest.mark.parametrize("what", [None, object(), SimpleNamespace(param_groups=[]), SimpleNamespace(param_groups=1)])
def test_what_is_no_optimizer_is_told(what: Any) -> None:
    with pytest.raises(InvalidInput, match="has no param_groups"):
        drive(what, exponential_decay(0.4, 0.5, 1))


@pytest.mark.parametrize("what", [0.1, None, abs, Plateau, torch.optim.lr_scheduler.ExponentialLR])
def test_what_is_no_schedule_is_told(what: Any) -> None:
    optimizer = torch.optim.SGD(parameters(), lr=9.0)
    with pytest.raises(InvalidInput, match=r"is no schedule\..*Curve\(function\)"):
        drive(optimizer, what)
    assert optimizer.param_groups[0]["lr"] == 9.0


def test_the_door_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, onward.schedules; print([name for name in ('torch', 'numpy', 'scipy') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
