"""PackNet: no weight of a task moves again, and what is free is counted."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tests.learners.continual.streams import digits, network, same
from torch import nn

from onward.core import InvalidInput
from onward.learners.continual import ContinualLearner, Course, Experience, Hooks
from onward.learners.continual.methods._packed import PackedNetwork
from onward.learners.continual.methods._packnet import PackNet


def convolutional() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(72, 24), nn.ReLU(), nn.Linear(24, 10),
    )  # fmt: skip


def decaying(parameters: object) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=0.1, momentum=0.9, weight_decay=0.02)


def learner(net: nn.Module, method: PackNet, **settings: object) -> ContinualLearner:
    return ContinualLearner(net, [method], **{"scenario": "task", "rate": 5e-3, "batch_size": 32, **settings})


def tied() -> nn.Module:
    """Two hidden layers with one weight."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    net[2].weight = net[0].weight
    return net


class Tied(nn.Module):
    """An output layer whose weight is that of an embedding, and another embedding whose weight is a hidden layer's."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.pixels, self.words = nn.Linear(64, 10), nn.Embedding(10, 20)
        self.hidden, self.places, self.output = nn.Linear(20, 20), nn.Embedding(20, 20), nn.Linear(20, 10)
        self.output.weight, self.places.weight = self.words.weight, self.hidden.weight
        self.more = nn.Linear(20, 20)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        said = self.pixels(x).softmax(1) @ self.words(torch.arange(10)) + self.places(torch.arange(20)).mean(0)
        answer: torch.Tensor = self.output(self.more(self.hidden(said).relu()).relu())
        return answer


class Refusing:
    """Refuses the third experience."""

    def start(self, course: Course) -> Hooks:
        self.course = course
        return Hooks(begin=self.begin)

    def begin(self, experience: Experience) -> None:
        if self.course.learned == 2:
            raise InvalidInput("Not to be learned.", mend="Never mind.")


@pytest.mark.parametrize("task", [0, 2])
def test_what_is_refused_changes_nothing(task: int) -> None:
    net, stream = convolutional(), digits()
    one = ContinualLearner(net, [PackNet(prune=0.6), Refusing()], scenario="task", batch_size=32)
    for experience in stream[:2]:
        one.learn(experience, steps=3)
    before = {name: (value.detach().clone(), value.requires_grad) for name, value in net.named_parameters()}
    with pytest.raises(InvalidInput, match="Not to be learned"):
        one.learn(replace(stream[task], task=task), steps=3)
    for name, value in net.named_parameters():
        assert torch.equal(value, before[name][0]), name
        assert value.requires_grad == before[name][1], name


@pytest.mark.parametrize("made", [network, convolutional, tied])
@pytest.mark.parametrize("optimizer", ["adam", decaying])
def test_what_a_task_answers_never_changes(made: object, optimizer: object) -> None:
    one = learner(made(), PackNet(prune=0.6), optimizer=optimizer)
    answers = []
    for experience in digits():
        one.learn(experience, epochs=3)
        answers.append(one.scores(experience.x, experience.task))
        for earlier, answer in zip(digits(), answers, strict=False):
            assert torch.equal(one.scores(earlier.x, earlier.task), answer)
    accuracies = [one.evaluate(experience)["accuracy"] for experience in digits()]
    assert min(accuracies) > 0.75
    mixed = torch.cat([e.x for e in digits()]), torch.cat([torch.full((len(e),), e.task) for e in digits()])
    torch.testing.assert_close(one.scores(*mixed), torch.cat(answers))


def test_what_is_tied_stays_tied_and_is_counted_once() -> None:
    one = learner(Tied(), PackNet(prune=0.6, head="output"))
    answers = []
    for experience in digits()[:3]:
        one.learn(experience, epochs=2)
        answers.append(one.scores(experience.x, experience.task))
        for earlier, answer in zip(digits(), answers, strict=False):
            assert torch.equal(one.scores(earlier.x, earlier.task), answer)
    assert sorted(one.serving.masks) == ["more.weight", "pixels.weight"]
    assert sorted(one.serving.head) == ["output.bias", "words.weight"]
    assert one.network.output.weight is one.network.words.weight
    assert PackedNetwork(tied()).masks.keys() == {"0.weight"}


def test_shares_are_those_of_the_paper() -> None:
    one = learner(network(), PackNet(prune=0.75, retrain=0))
    for task in range(3):
        one.learn(digits()[task], steps=2)
    shares, free = one.serving.shares(), 0.75**3
    assert [shares[task] for task in range(3)] == pytest.approx([0.25, 0.25 * 0.75, 0.25 * 0.75**2], abs=1e-3)
    assert one.serving.capacity == pytest.approx(free, abs=1e-3)
    assert float((one.network[0].weight == 0).double().mean()) == pytest.approx(free, abs=1e-3)


def test_the_smallest_of_its_own_weights_are_given_back_layer_by_layer() -> None:
    one = learner(network(), PackNet(prune=0.5, retrain=0))
    plain = ContinualLearner(network(), scenario="task", rate=5e-3, batch_size=32)
    one.learn(digits()[0], epochs=2)
    plain.learn(digits()[0], epochs=2)
    whole, packed = plain.network[0].weight, one.network[0].weight
    kept = packed != 0
    assert int(kept.sum()) == 1024
    assert torch.equal(packed[kept], whole[kept])
    assert whole[~kept].abs().max() <= whole[kept].abs().min()
    assert torch.equal(one.network[3].weight, plain.network[3].weight)


def test_retraining_mends_what_pruning_broke() -> None:
    losses = []
    for retrain in (0.0, 1.0):
        one = learner(network(), PackNet(prune=0.9, retrain=retrain))
        one.learn(digits()[1], epochs=4)
        losses.append(one.evaluate(digits()[1])["loss"])
    assert losses[1] < 0.75 * losses[0]


def test_the_newest_task_goes_on_with_its_own_weights_and_an_older_one_gets_new_ones() -> None:
    first, second = digits()[:2]
    one = learner(network(), PackNet(prune=0.5))
    one.learn(first, epochs=2)
    one.learn(second, epochs=2)
    answers = one.scores(first.x, 0)
    one.learn(second, epochs=2)
    assert one.serving.capacity == pytest.approx(0.25, abs=1e-3)
    assert torch.equal(one.scores(first.x, 0), answers)
    answers = one.scores(second.x, 1)
    one.learn(first, epochs=2)
    assert one.serving.capacity == pytest.approx(0.125, abs=1e-3)
    assert torch.equal(one.scores(second.x, 1), answers)
    assert one.evaluate(first)["accuracy"] > 0.95


def test_every_task_has_an_output_layer_of_its_own() -> None:
    """Two tasks that contradict each other about the same inputs."""
    x = digits()[0].x
    y = digits()[0].y
    one = learner(network(outputs=2), PackNet())
    one.learn(Experience(x, y, task=0), epochs=5)
    one.learn(Experience(x, 1 - y, task=1), epochs=5)
    assert one.evaluate(Experience(x, y, task=0))["accuracy"] > 0.99
    assert one.evaluate(Experience(x, 1 - y, task=1))["accuracy"] > 0.99


def test_a_task_comes_again_where_the_output_layer_is_frozen_in_part() -> None:
    net = network()
    net[3].bias.requires_grad_(False)
    bias, one = net[3].bias.clone(), learner(net, PackNet(prune=0.6))
    for task in (0, 1, 0):
        one.learn(digits()[task], epochs=2)
    assert torch.equal(net[3].bias, bias)
    assert min(one.evaluate(digits()[task])["accuracy"] for task in (0, 1)) > 0.75


def test_embeddings_and_gates_work_too() -> None:
    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.gru, self.out = nn.Embedding(5, 6), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.out(self.gru(self.embedding(x))[1][0])

    torch.manual_seed(0)
    one = learner(Reader(), PackNet())
    assert sorted(one.serving.masks) == ["gru.weight_hh_l0", "gru.weight_ih_l0"]
    x = torch.randint(5, (40, 4))
    one.learn(Experience(x, x[:, 0] % 2, task=0), epochs=3)
    answers = one.scores(x, 0)
    one.learn(Experience(x, x[:, 1] % 2, task=1), epochs=3)
    assert torch.equal(one.scores(x, 0), answers)


@pytest.mark.parametrize("optimizer", ["adam", decaying])
def test_goes_on_bit_for_bit(tmp_path: Path, optimizer: object) -> None:
    def made() -> ContinualLearner:
        return learner(convolutional(), PackNet(prune=0.5), optimizer=optimizer, seed=3)

    class Killed(Exception):
        pass

    def kill(done: int, total: int, note: str) -> None:
        if done >= 24:
            raise Killed

    whole, cut = made(), made()
    for one in (whole, cut):
        one.learn(digits()[0], epochs=2)
    whole.learn(digits()[1], epochs=3)
    with pytest.raises(Killed):
        cut.learn(digits()[1], epochs=3, checkpoints=tmp_path, checkpoint_every=7, progress=kill)
    other = made()
    assert other.resume(tmp_path) == 1
    other.learn(digits()[1], epochs=3)
    for one in (whole, other):
        one.learn(digits()[2], epochs=2)
    same(whole, other)
    assert torch.equal(whole.scores(digits()[0].x, 0), other.scores(digits()[0].x, 0))


def test_goes_back_to_an_earlier_state() -> None:
    one = learner(network(), PackNet())
    one.learn(digits()[0], epochs=1)
    state, answers = one.state_dict(), one.scores(digits()[0].x, 0)
    one.learn(digits()[1], epochs=1)
    one.load_state_dict(state)
    assert torch.equal(one.scores(digits()[0].x, 0), answers)
    assert one.serving.capacity == pytest.approx(0.75, abs=1e-3)
    assert all(value.requires_grad for value in one.network.parameters())


def test_says_when_nothing_is_free() -> None:
    one = learner(network(), PackNet(prune=0))
    one.learn(digits()[0], steps=1)
    assert one.serving.capacity == 0
    with pytest.raises(InvalidInput, match="No weight is free"):
        one.learn(digits()[1], steps=1)


@pytest.mark.parametrize("wrong", [{"prune": 1.5}, {"prune": "half"}, {"retrain": -1}, {"rate": 0}])
def test_refuses_settings(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidInput):
        PackNet(**wrong)


@pytest.mark.parametrize("scenario", ["class", "domain"])
def test_refuses_where_the_task_is_unknown(scenario: str) -> None:
    with pytest.raises(InvalidInput, match='scenario="task"'):
        learner(network(), PackNet(), scenario=scenario)


@pytest.mark.parametrize(
    ("net", "head", "said"),
    [
        (nn.Linear(64, 10), "", "no weights to pack"),
        (network(), "5", "no output layer '5'"),
        (nn.ReLU(), "", "no output"),
    ],
)
def test_refuses_networks(net: nn.Module, head: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        learner(net, PackNet(head=head))


def test_another_layer_may_be_the_output_layer() -> None:
    assert sorted(PackedNetwork(network(), "0").masks) == ["3.weight"]
