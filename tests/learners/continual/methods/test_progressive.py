"""Progressive networks: the formula, elders that never change, and how much they grow."""

from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits, network, same
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Experience
from onward.learners.continual.methods._columns import ProgressiveNetwork
from onward.learners.continual.methods._progressive import Progressive


def convolutional() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)),
        nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU()),
        nn.Conv2d(6, 8, 3, stride=2, padding="valid", dilation=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32, 16),
        nn.Dropout(0.2),
        nn.ReLU(),
        nn.Linear(16, 10),
    )


def learner(net: nn.Module, **settings: object) -> ContinualLearner:
    return ContinualLearner(net, [Progressive()], **{"scenario": "task", "rate": 5e-3, "batch_size": 32, **settings})


def grown(net: nn.Module, tasks: int, **settings: object) -> ContinualLearner:
    one = learner(ProgressiveNetwork(net, **settings))
    for experience in digits()[:tasks]:
        one.learn(experience, steps=3)
    return one


def test_a_column_hears_its_elders_as_the_paper_says() -> None:
    torch.manual_seed(0)
    net = ProgressiveNetwork(nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)))
    for task in range(3):
        net.grow(task)
    x = torch.randn(6, 5)
    values = dict(net.state_dict())

    def layer(name: str, h: torch.Tensor) -> torch.Tensor:
        bias = values.get(f"{name}.bias")
        return h @ values[f"{name}.weight"].T + (0 if bias is None else bias)

    hidden = []
    for column in range(3):
        h, own = x, []
        for stage in range(3):
            z = layer(f"columns.{column}.stages.{stage}.0", h)
            if stage and column:
                at = f"columns.{column}.laterals.{stage}"
                heard = sum(
                    layer(f"{at}.projections.{elder}", values[f"{at}.scales.{elder}"] * hidden[elder][stage - 1])
                    for elder in range(column)
                )
                z = z + layer(f"{at}.out", heard.clamp_min(0))
            h = torch.tanh(z) if stage < 2 else z
            own.append(h)
        hidden.append(own)
        torch.testing.assert_close(net(x, column), h)
    assert torch.equal(net(x), net(x, 2))
    torch.testing.assert_close(
        net(x, torch.tensor([0, 1, 2, 2, 1, 0])),
        torch.stack([hidden[c][2][r] for r, c in enumerate([0, 1, 2, 2, 1, 0])]),
    )


@pytest.mark.parametrize("made", [network, convolutional])
def test_what_a_task_answers_never_changes(made: object) -> None:
    one = learner(ProgressiveNetwork(made()))
    answers = []
    for experience in digits():
        one.learn(experience, epochs=4)
        answers.append(one.scores(experience.x, experience.task))
        for earlier, answer in zip(digits(), answers, strict=False):
            assert torch.equal(one.scores(earlier.x, earlier.task), answer)
    assert min(one.evaluate(experience)["accuracy"] for experience in digits()) > 0.95
    assert len(one.network.growth().columns) == 5


def test_only_the_newest_column_is_trained_and_dropout_is_its_alone() -> None:
    one = grown(convolutional(), 2)
    trained = {name for name, value in one.network.named_parameters() if value.requires_grad}
    assert trained
    assert all(name.startswith("columns.1.") for name in trained)
    one.network.train()
    assert not any(module.training for module in one.network.columns["0"].modules())
    assert all(module.training for module in one.network.columns["1"].modules())


def test_growth_is_counted() -> None:
    one = grown(network(), 3)
    column = 64 * 32 + 32 + 32 * 10 + 10
    lateral = [0, *(32 * 10 + elders * (32 * 32 + 32 + 1) for elders in (1, 2))]
    growth = one.network.growth()
    assert growth.laterals == tuple(lateral)
    assert growth.columns == tuple(column + part for part in lateral)
    assert growth.total == sum(value.numel() for value in one.network.parameters())
    assert growth.ratio == growth.total / column


def test_later_columns_may_be_narrower_and_deaf() -> None:
    growth = grown(network(), 3, share=0.25, lateral=0).network.growth()
    assert growth.columns == (2410, 64 * 8 + 8 + 8 * 10 + 10, 64 * 8 + 8 + 8 * 10 + 10)
    assert growth.laterals == (0, 0, 0)
    assert grown(convolutional(), 3, share=0.5, lateral=0.5).network.growth().ratio < 2.5


def test_a_new_column_is_not_a_copy_of_the_first() -> None:
    net = ProgressiveNetwork(network())
    net.grow(0)
    net.grow(1)
    first, second = net.columns["0"].stages, net.columns["1"].stages
    assert not torch.equal(first[0][0].weight, second[0][0].weight)
    assert abs(float(second[0][0].weight.detach().std() / first[0][0].weight.detach().std()) - 1) < 0.1


def test_the_newest_task_goes_on_and_an_older_one_gets_a_column_anew() -> None:
    first, second = digits()[:2]
    one = grown(network(), 2)
    answers = one.scores(first.x, 0)
    one.learn(second, steps=3)
    assert list(one.network.columns) == ["0", "1"]
    assert torch.equal(one.scores(first.x, 0), answers)
    answers = one.scores(second.x, 1)
    one.learn(first, epochs=4)
    assert one.network.tasks == {0: "2", 1: "1"}
    assert torch.equal(one.scores(second.x, 1), answers)
    assert one.evaluate(first)["accuracy"] > 0.95


def test_a_column_that_nobody_needs_is_removed() -> None:
    one = grown(network(), 3)
    kept = [one.scores(digits()[at].x, at) for at in (0, 1)]
    with pytest.raises(InvalidInput, match="younger"):
        one.network.prune(digits()[0])
    assert one.network.remove(2) == ("2",)
    for at in (0, 1):
        assert torch.equal(one.scores(digits()[at].x, at), kept[at])
    assert one.network.remove(0) == ()
    assert torch.equal(one.scores(digits()[1].x, 1), kept[1])
    with pytest.raises(InvalidInput, match="No column is of task 0"):
        one.network(digits()[0].x, 0)
    with pytest.raises(InvalidInput, match="only one"):
        one.network.remove(1)
    one.learn(digits()[3], steps=2)
    assert one.network.structure() == {
        "columns": {"0": [], "1": ["0"], "3": ["0", "1"]},
        "tasks": {1: "1", 3: "3"},
        "next": 4,
    }


def test_an_elder_that_does_not_help_is_cut_off_and_can_go() -> None:
    one = learner(ProgressiveNetwork(network()))
    for experience in digits()[:2]:
        one.learn(experience, epochs=4)
    net = one.network
    before = net.growth().total
    lateral = net.columns["1"].laterals["1"]
    with torch.no_grad():
        lateral.projections["0"].weight.zero_()
        lateral.projections["0"].bias.zero_()
    answers = one.scores(digits()[1].x, 1)
    assert net.prune(digits()[1], tolerance=0) == ("0",)
    assert torch.equal(one.scores(digits()[1].x, 1), answers)
    assert net.growth().laterals == (0, 0)
    assert net.remove(0) == ("0",)
    assert torch.equal(one.scores(digits()[1].x, 1), answers)
    assert net.growth().total < before / 2


def test_an_elder_that_helps_stays() -> None:
    one = grown(network(), 2)
    lateral = one.network.columns["1"].laterals["1"]
    with torch.no_grad():  # the column listens to its elder alone
        one.network.columns["1"].stages[1][0].weight.zero_()
        lateral.scales["0"].fill_(1)
    one.learn(digits()[1], epochs=4)
    with torch.no_grad():
        one.network.columns["1"].stages[1][0].weight.zero_()
    assert one.network.prune(digits()[1]) == ()
    assert one.network.columns["1"].deaf == frozenset()


def test_real_targets() -> None:
    torch.manual_seed(0)
    x = torch.randn(60, 3)
    one = learner(ProgressiveNetwork(nn.Sequential(nn.Linear(3, 20), nn.Tanh(), nn.Linear(20, 1))), loss="mse")
    for task in range(2):
        one.learn(Experience(x, x[:, task : task + 1], task=task), epochs=80)
    assert one.evaluate(Experience(x, x[:, :1], task=0))["loss"] < 0.1
    assert one.evaluate(Experience(x, x[:, 1:2], task=1))["loss"] < 0.1
    one.network.prune(Experience(x, x[:, 1:2], task=1), tolerance=1.0)
    assert one.network.growth().laterals == (0, 0)


def test_goes_on_bit_for_bit(tmp_path: Path) -> None:
    def made() -> ContinualLearner:
        return learner(ProgressiveNetwork(convolutional(), share=0.5), seed=3)

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 24:
            raise Killed

    whole, cut = made(), made()
    for one in (whole, cut):
        one.learn(digits()[0], steps=3)
        one.learn(digits()[1], steps=3)
        one.network.prune(digits()[1], tolerance=1.0)
    whole.learn(digits()[2], epochs=3)
    with pytest.raises(Killed):
        cut.learn(digits()[2], epochs=3, checkpoints=tmp_path, checkpoint_every=7, progress=kill)
    other = made()
    assert other.resume(tmp_path) == 2
    other.learn(digits()[2], epochs=3)
    for one in (whole, other):
        one.learn(digits()[3], epochs=1)
    same(whole, other)
    assert torch.equal(whole.scores(digits()[1].x, 1), other.scores(digits()[1].x, 1))


def test_goes_back_to_an_earlier_state() -> None:
    one = grown(network(), 2)
    state, answers = one.state_dict(), one.scores(digits()[1].x, 1)
    one.learn(digits()[2], steps=3)
    one.load_state_dict(state)
    assert torch.equal(one.scores(digits()[1].x, 1), answers)
    assert len(one.network.growth().columns) == 2
    one.learn(digits()[1], steps=3)
    assert not torch.equal(one.scores(digits()[1].x, 1), answers)


def test_refuses_other_networks_and_scenarios() -> None:
    with pytest.raises(InvalidInput, match="ProgressiveNetwork"):
        learner(network())
    with pytest.raises(InvalidInput, match='scenario="task"'):
        learner(ProgressiveNetwork(network()), scenario="class")


@pytest.mark.parametrize("wrong", [nn.Linear(2, 2), nn.Sequential(nn.ReLU()), nn.Sequential(nn.GRU(2, 2))])
def test_refuses_templates_that_cannot_be_taken_apart(wrong: nn.Module) -> None:
    with pytest.raises(InvalidInput, match="template"):
        ProgressiveNetwork(wrong)


@pytest.mark.parametrize("wrong", [{"share": 0}, {"share": 1.5}, {"lateral": -1}, {"lateral": float("nan")}])
def test_refuses_settings(wrong: dict[str, float]) -> None:
    with pytest.raises(InvalidInput):
        ProgressiveNetwork(network(), **wrong)


@pytest.mark.parametrize("change", ["prune", "remove"])
def test_what_was_taken_away_is_kept_and_the_rest_goes_on_alike(tmp_path: Path, change: str) -> None:
    one, last = grown(network(), 3), digits()[2]
    if change == "prune":
        assert one.network.prune(last, 0.9)
    else:
        one.network.remove(2)
    one.save(tmp_path)
    other = learner(ProgressiveNetwork(network()))
    assert other.resume(tmp_path) == 3
    for each in (one, other):
        each.learn(digits()[3], steps=5)
    same(one, other)


def test_pruning_wants_examples_that_fit() -> None:
    with pytest.raises(InvalidInput, match="Class 40 has no output"):
        grown(network(), 2).network.prune(Experience(digits()[1].x, torch.full_like(digits()[1].y, 40), 1))


def test_a_refused_task_leaves_no_column() -> None:
    one = grown(network(), 1)
    with pytest.raises(InvalidInput, match="Class 50"):
        one.learn(Experience(digits()[1].x, torch.full_like(digits()[1].y, 50), 1))
    assert len(one.network.growth().columns) == 1


@pytest.mark.parametrize("known", [0, 1, 2])
def test_a_task_refused_at_its_first_step_leaves_no_column(known: int) -> None:
    def normed() -> nn.Module:
        torch.manual_seed(0)
        return nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))

    one, other = grown(normed(), known), grown(normed(), known)
    x, y = digits()[known].x, digits()[known].y
    with pytest.raises(InvalidInput, match="no batch of one example"):
        one.learn(Experience(x[:1], y[:1], known))
    assert sorted(one.network.tasks) == list(range(known))
    for each in (one, other):  # what a norm counts before it refuses
        each.network.columns["0"].stages[0][1].num_batches_tracked.zero_()
    same(one, other)
    for each in (one, other):
        for task in (max(known - 1, 0), known, known + 1):
            each.learn(digits()[task], steps=3)
    same(one, other)
