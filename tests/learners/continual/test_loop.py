"""The loop: what it draws, and what it says of steps that lead nowhere."""

from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import EWC, ContinualLearner, Experience, FineTuning

X = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
Y = torch.arange(200) % 2


def finite(net: nn.Module) -> bool:
    return all(bool(value.isfinite().all()) for value in net.parameters())


@pytest.mark.parametrize("seed", [20261129, 2**31, 2**63, 2**70])
def test_any_seed_will_do_and_says_the_order(seed: int) -> None:
    def learned(seed: int) -> torch.Tensor:
        net = nn.Linear(4, 2)
        nn.init.zeros_(net.weight)
        nn.init.zeros_(net.bias)
        ContinualLearner(net, [FineTuning()], batch_size=16, seed=seed).learn(Experience(X, Y), epochs=2)
        return net.weight

    assert torch.equal(learned(seed), learned(seed))
    assert not torch.equal(learned(seed), learned(seed + 1))


def test_a_checkpoint_is_not_written_over_by_what_diverged(tmp_path: Path) -> None:
    first, second = digits()[:2]

    def made(rate: float = 1e-2) -> ContinualLearner:
        return ContinualLearner(nn.Linear(64, 10), [FineTuning()], optimizer="sgd", rate=rate, batch_size=16)

    one = made()
    one.learn(first, checkpoints=tmp_path)
    one._optimizer.param_groups[0]["lr"] = 1e38  # as a schedule might
    with pytest.raises(InvalidInput, match=r"experience 1 diverged by step \d0\."):
        one.learn(second, checkpoints=tmp_path, checkpoint_every=10, epochs=9)
    again = made()
    assert again.resume(tmp_path) == 1
    assert finite(again.network)


def test_a_last_step_that_diverges_is_not_learned() -> None:
    net = nn.Linear(4, 2)
    one = ContinualLearner(net, [FineTuning()], optimizer="sgd", rate=1e38, batch_size=200)
    with pytest.raises(InvalidInput, match=r"diverged by step 1\. Its parameters are no longer numbers"):
        one.learn(Experience(X * 1e3, Y))
    assert one.learned == 0


def test_a_steep_penalty_that_diverges_in_the_last_step_is_not_learned() -> None:
    one = ContinualLearner(nn.Linear(4, 2), [EWC(1e38)], optimizer="sgd", rate=1e-3, batch_size=200)
    one.learn(Experience(X, Y))
    with pytest.raises(InvalidInput, match="experience 1 diverged"):
        one.learn(Experience(-X, Y), epochs=3)
    assert one.learned == 1


def test_a_loss_beyond_all_numbers_is_not_put_down_to_classes() -> None:
    settings = {"rate": 1.5, "optimizer": "sgd", "loss": "mse", "scenario": "domain", "batch_size": 20}
    one = ContinualLearner(nn.Linear(4, 1), [FineTuning()], **settings)
    with pytest.raises(InvalidInput, match=r"diverged by step \d+\. Its loss is no longer a number\. Lower the rate"):
        one.learn(Experience(X, X.sum(1)), epochs=10)
