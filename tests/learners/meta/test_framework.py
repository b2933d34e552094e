"""The two documented calls, for every algorithm by its name."""

from __future__ import annotations

import copy
import re
from importlib import import_module
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import MAML, MetaLearner, MetaLearningFramework, MetaLearningTask, Prototypical, Reptile
from onward.learners.meta._framework import ALGORITHMS, known
from onward.learners.meta._networks import default_network
from onward.learners.meta.tasks import GaussianBlobs, Sinusoid, digits, from_arrays

NAMES = ("maml", "fomaml", "anil", "meta-sgd", "maml++", "reptile", "imaml", "prototypical", "matching", "relation", "fine-tuning")  # fmt: skip


def blobs(seed: int = 1) -> GaussianBlobs:
    return GaussianBlobs(ways=3, shots=5, queries=6, dimensions=2, seed=seed)


# As documented -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["maml", "reptile", "prototypical", "matching"])
def test_the_documented_calls(algorithm: str) -> None:
    task_distribution = GaussianBlobs(ways=2, shots=5, queries=10, seed=3)
    new_task = task_distribution.split("test").sample_batch(1)[0]
    framework = MetaLearningFramework()
    meta_model = framework.meta_train(task_distribution, algorithm=algorithm, steps=30)
    adapted = framework.few_shot_adapt(meta_model, new_task, num_shots=5)
    assert adapted(new_task.query_set.x).shape == (20, 2)
    assert meta_model.evaluate(adapted, new_task)["accuracy"] > 0.6


def test_those_calls_need_nothing_else() -> None:
    framework = MetaLearningFramework()
    meta_model = framework.meta_train(blobs(), algorithm="prototypical")
    found = meta_model.evaluate_tasks(blobs(seed=8).sample_batch(50))["accuracy"]
    assert sum(found) / 50 > 0.85
    assert framework.report is not None
    assert (framework.report.steps, framework.report.stopped) == (1000, "steps")


def test_maml_is_what_is_taken() -> None:
    assert isinstance(MetaLearningFramework().meta_train(blobs(), steps=0).algorithm, MAML)


# By name -----------------------------------------------------------------------------------------------------------


def test_the_table_is_what_is_promised() -> None:
    assert tuple(ALGORITHMS) == NAMES
    for place in ALGORITHMS.values():
        module, _, attribute = place.partition(":")
        assert callable(getattr(import_module(module), attribute))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("tasks", [blobs(), digits(ways=3)], ids=["points", "images"])
def test_every_name_trains_and_adapts(name: str, tasks: Any) -> None:
    framework = MetaLearningFramework()
    learner = framework.meta_train(tasks, name, steps=2, batch_size=2)
    task = tasks.sample_batch(1)[0]
    said = framework.few_shot_adapt(learner, task, num_shots=1)(task.query_set.x)
    assert said.shape == (len(task.query_set.x), 3)
    assert said.isfinite().all()


@pytest.mark.parametrize("name", ["maml", "fomaml", "anil", "meta-sgd", "maml++", "reptile", "imaml", "fine-tuning"])
def test_real_targets_as_well(name: str) -> None:
    framework = MetaLearningFramework()
    learner = framework.meta_train(Sinusoid(), name, steps=2, batch_size=2)
    x, y = Sinusoid(seed=5).sample_batch(1)[0].support_set
    adapted = framework.few_shot_adapt(learner, (x, y), num_shots=5)
    assert adapted(x).shape == y.shape
    assert learner.describe()["loss"] == "SquaredError()"


@pytest.mark.parametrize(
    ("variant", "name"),
    [("meta_sgd", "meta-sgd"), ("MAML", "maml"), ("Fine Tuning", "fine-tuning"), ("fine_tuning", "fine-tuning"),
     ("maml++", "maml++"), ("MetaSGD", "meta-sgd"), ("iMAML", "imaml")],
)  # fmt: skip
def test_spellings(variant: str, name: str) -> None:
    assert known(variant) == name


@given(st.text().filter(lambda name: not re.fullmatch(r"[a-z+ _-]{4,14}", name.lower())))
def test_an_unknown_name_lists_the_known(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        known(name)
    assert caught.value.options == tuple(sorted(NAMES))
    assert repr(name) in str(caught.value)


def test_an_unknown_algorithm_is_refused_before_anything_is_drawn() -> None:
    tasks = blobs()
    with pytest.raises(InvalidInput, match="Known: anil, fine-tuning, fomaml, imaml, maml"):
        MetaLearningFramework().meta_train(tasks, "mamel")
    assert tasks.state_dict()["drawn"] == 0


@pytest.mark.parametrize("algorithm", [MAML, 5, None, nn.Linear(2, 3)])
def test_what_is_no_algorithm_is_refused_before_anything_is_drawn(algorithm: Any) -> None:
    tasks = blobs()
    with pytest.raises(InvalidInput, match=r"is no algorithm\. Give one with its settings.*Known: anil"):
        MetaLearningFramework().meta_train(tasks, algorithm)
    assert tasks.state_dict()["drawn"] == 0


# Settings ----------------------------------------------------------------------------------------------------------


def test_each_setting_goes_where_it_belongs() -> None:
    framework = MetaLearningFramework(seed=4)
    settings = {"inner_steps": 2, "outer_rate": 0.5, "batch_size": 2, "validate_every": 2}
    learner = framework.meta_train(blobs(), "meta_sgd", steps=3, **settings)
    assert learner.algorithm == MAML(inner_steps=2, rates="per_parameter")
    said = learner.describe()
    assert (said["outer_rate"], said["seed"]) == ("0.5", "4")
    assert framework.report is not None
    assert [row["step"] for row in framework.report.history] == [2, 3]


@pytest.mark.parametrize("algorithm", ["maml", "fomaml", Prototypical()])
def test_an_unknown_setting_lists_the_known(algorithm: Any) -> None:
    with pytest.raises(InvalidInput, match=r"does not take these settings: .*'iner_steps'.*Known: .*outer_rate"):
        MetaLearningFramework().meta_train(blobs(), algorithm, steps=1, iner_steps=3)


def test_settings_beside_an_algorithm_that_has_them_are_refused_by_name() -> None:
    with pytest.raises(InvalidInput, match=r"The MAML that was handed in .*: 'inner_steps'\..*MAML\(\.\.\.\)"):
        MetaLearningFramework().meta_train(blobs(), MAML(3), steps=1, inner_steps=4)


def test_an_algorithm_with_its_settings_may_be_handed_in() -> None:
    learner = MetaLearningFramework().meta_train(blobs(), Prototypical(scale=2.0), steps=1, batch_size=2)
    assert learner.algorithm == Prototypical(scale=2.0)


def test_a_model_of_ones_own_is_trained_and_not_changed() -> None:
    net = nn.Sequential(nn.Linear(2, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 5))
    before = copy.deepcopy(net.state_dict())
    learner = MetaLearningFramework().meta_train(blobs(), "relation", net, steps=1, batch_size=2, hidden=3)
    assert learner.meta_parameters()["relation:0.weight"].shape == (3, 10)
    assert all(torch.equal(before[n], value) for n, value in net.state_dict().items())


@pytest.mark.parametrize("name", ["maml", "relation", "matching"])
def test_a_model_that_does_not_take_the_examples_is_refused(name: str) -> None:
    x, y = torch.rand(30, 2, dtype=torch.float64), torch.arange(30) % 3
    with pytest.raises(InvalidInput, match=r"does not take the examples .* torch\.float64 .* its type: torch\.float32"):
        MetaLearningFramework().meta_train(from_arrays(x, y, 3, 1, 2), name, nn.Linear(2, 4), steps=1)


def test_the_same_seed_gives_the_same_model_and_no_other_does() -> None:
    def weights(seed: int) -> Tensor:
        torch.manual_seed(seed * 100)
        learner = MetaLearningFramework(seed=seed).meta_train(blobs(), steps=2, batch_size=2)
        return learner.meta_parameters()["body.1.weight"]

    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    one = MetaLearningFramework(seed=1).meta_train(blobs(), steps=0).meta_parameters()["body.1.weight"]
    assert torch.equal(torch.rand(3), expected)
    assert torch.equal(
        one, MetaLearningFramework(seed=1).meta_train(blobs(), steps=0).meta_parameters()["body.1.weight"]
    )
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))


@pytest.mark.parametrize("name", ["relation", "matching", "reptile"])
def test_the_seed_is_that_of_all_that_an_algorithm_draws(name: str) -> None:
    def made(seed: int) -> MetaLearner:
        return MetaLearningFramework(seed=seed).meta_train(blobs(), name, steps=0)

    said = MetaLearningFramework(seed=7).meta_train(blobs(), name, steps=0, seed=2)
    assert said.algorithm == made(2).algorithm != made(3).algorithm
    one, same, other = (made(seed).meta_parameters() for seed in (2, 2, 3))
    assert all(torch.equal(value, same[each]) for each, value in one.items())
    assert not any(torch.equal(value, other[each]) for each, value in one.items())


def test_an_algorithm_that_is_handed_in_keeps_its_seed() -> None:
    assert MetaLearningFramework(seed=3).meta_train(blobs(), Reptile(seed=5), steps=0).algorithm == Reptile(seed=5)


@pytest.mark.parametrize("seed", [2**70, -(2**70), 2**64 - 1])
def test_any_whole_number_is_a_seed(seed: int) -> None:
    framework = MetaLearningFramework(seed=seed)
    one, same = (framework.meta_train(blobs(), steps=1, batch_size=2).meta_parameters() for _ in range(2))
    assert all(torch.equal(value, same[name]) for name, value in one.items())


@pytest.mark.parametrize("seed", [0.5, "a"])
def test_nothing_else_is_a_seed(seed: Any) -> None:
    with pytest.raises(InvalidInput, match="seed is"):
        MetaLearningFramework(seed=seed).meta_train(blobs(), steps=0)


class Endless:
    """A stream without a state."""

    def __init__(self) -> None:
        self.asked: list[int] = []

    def sample_batch(self, batch_size: int) -> Any:
        self.asked.append(batch_size)
        return blobs().sample_batch(batch_size)


def test_looking_at_a_task_does_not_move_the_stream() -> None:
    moved, untouched = blobs(), blobs()
    MetaLearningFramework().meta_train(moved, steps=0)
    assert torch.equal(moved.sample_batch(2).query_x, untouched.sample_batch(2).query_x)
    tasks = Endless()
    MetaLearningFramework().meta_train(tasks, steps=2, batch_size=3)
    assert tasks.asked == [32, 3, 3]


class Empty:
    """A stream that has run dry."""

    def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
        return []


@pytest.mark.parametrize(
    ("tasks", "why"),
    [
        (Empty(), "Empty was asked for 32 tasks, and gave none"),
        ([], "list is no task distribution"),
        (blobs().sample_batch(2), "TaskBatch is no task distribution"),
        (None, "NoneType is no task distribution"),
        (GaussianBlobs, "type is no task distribution"),
    ],
)
def test_what_samples_no_tasks_is_refused(tasks: Any, why: str) -> None:
    with pytest.raises(InvalidInput, match=why):
        MetaLearningFramework().meta_train(tasks, steps=1)


class Growing:
    """Tasks of two classes, then three, then four, and again."""

    def __init__(self) -> None:
        self.drawn = 0

    def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
        found = []
        for _ in range(batch_size):
            y = torch.arange(12) % (2 + self.drawn % 3)
            self.drawn += 1
            found.append(MetaLearningTask((torch.randn(12, 2), y), (torch.randn(12, 2), y)))
        return found


@pytest.mark.parametrize("name", ["maml", "reptile", "fine-tuning"])
def test_the_network_is_for_the_task_with_the_most_classes(name: str) -> None:
    learner = MetaLearningFramework().meta_train(Growing(), name, steps=1, batch_size=3)
    assert learner.meta_parameters()["head.weight"].shape == (4, 64)


@pytest.mark.parametrize("name", NAMES)
def test_inputs_that_are_single_numbers(name: str) -> None:
    tasks = from_arrays(torch.randn(30), torch.arange(30) % 3, 3, 1, 2)
    learner = MetaLearningFramework().meta_train(tasks, name, steps=1, batch_size=2)
    x, y = tasks.sample_batch(1)[0].support_set
    assert MetaLearningFramework().few_shot_adapt(learner, (x, y))(x).shape == (3, 3)


# Adapting ----------------------------------------------------------------------------------------------------------


def answers(learner: MetaLearner, x: Tensor, y: Tensor, shots: int) -> Tensor:
    return MetaLearningFramework().few_shot_adapt(learner, (x, y), num_shots=shots)(x)


def test_only_the_first_shots_of_each_class_are_looked_at() -> None:
    learner = MetaLearningFramework().meta_train(blobs(), steps=1, batch_size=2)
    y = torch.tensor([2, 0, 0, 1, 2, 0, 1, 2])
    x = torch.randn(8, 2)
    first = torch.tensor([0, 1, 2, 3, 4, 6])
    expected = learner.adapt(MetaLearningTask((x[first], y[first]), (x, y)))(x)
    assert torch.equal(answers(learner, x, y, 2), expected)
    assert torch.equal(answers(learner, x, y, 99), learner.adapt(MetaLearningTask((x, y), (x, y)))(x))


def test_of_real_targets_the_first_examples() -> None:
    learner = MetaLearningFramework().meta_train(Sinusoid(), steps=1, batch_size=2)
    x, y = Sinusoid(seed=2).sample_batch(1)[0].support_set
    expected = learner.adapt(MetaLearningTask((x[:4], y[:4]), (x, y)))(x)
    assert torch.equal(answers(learner, x, y, 4), expected)


def test_of_classes_of_several_places_the_first_examples() -> None:
    learner = MetaLearner(nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 3)))
    x, y = torch.randn(6, 4, 2), torch.arange(24).view(6, 4) % 3
    expected = learner.adapt(MetaLearningTask((x[:2], y[:2]), (x, y)))(x)
    assert torch.equal(answers(learner, x, y, 2), expected)
    assert torch.equal(answers(learner, x, y, 99), learner.adapt(MetaLearningTask((x, y), (x, y)))(x))


@pytest.mark.parametrize("shots", [0, -1, 1.5, True, None])
def test_shots_that_are_no_number_are_refused(shots: Any) -> None:
    learner = MetaLearningFramework().meta_train(blobs(), steps=0)
    with pytest.raises(InvalidInput, match="num_shots is"):
        MetaLearningFramework().few_shot_adapt(learner, blobs().sample_batch(1)[0], num_shots=shots)


@pytest.mark.parametrize(
    ("model", "task", "why"),
    [
        ("learner", (torch.zeros(2, 2), ["a", "b"]), r"no pair \(x, y\) of numbers.*'str'.*numbered from 0 on"),
        ("learner", None, "NoneType is no task"),
        ("learner", (torch.zeros(2, 2),), r"tuple is no task, and no pair"),
        (nn.Linear(2, 3), blobs().sample_batch(1)[0], "Linear is no meta-trained model"),
    ],
)
def test_what_is_no_task_and_no_learner_is_refused(model: Any, task: Any, why: str) -> None:
    model = MetaLearningFramework().meta_train(blobs(), steps=0) if model == "learner" else model
    with pytest.raises(InvalidInput, match=why):
        MetaLearningFramework().few_shot_adapt(model, task)


# Networks ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "convolutions"),
    [((1, 28, 28), 4), ((3, 32, 32), 4), ((3, 84, 84), 4), ((1, 8, 8), 3), ((1, 1, 1), 1), ((1, 2, 9), 1)],
)
def test_images_are_convolved(shape: tuple[int, ...], convolutions: int) -> None:
    tasks = from_arrays(torch.rand(30, *shape), torch.arange(30) % 3, 3, 1, 2)
    task = tasks.sample_batch(1)[0]
    net = default_network([task], embeds=False)
    assert sum(isinstance(layer, nn.Conv2d) for layer in net.modules()) == convolutions
    assert net(task.query_set.x).shape == (6, 3)
    embedding = default_network([task], embeds=True)
    assert "head" not in dict(embedding.named_children())
    assert embedding(task.query_set.x).ndim == 2


@pytest.mark.parametrize("shape", [(5,), (4, 3), (2, 2, 2, 2)])
def test_anything_else_is_flattened(shape: tuple[int, ...]) -> None:
    task = from_arrays(torch.rand(30, *shape).double(), torch.arange(30) % 3, 3, 1, 2).sample_batch(1)[0]
    assert default_network([task], embeds=False)(task.query_set.x).shape == (6, 3)


def test_words_need_a_model() -> None:
    x, y = torch.zeros(4, 7, dtype=torch.long), torch.arange(4) % 2
    with pytest.raises(InvalidInput, match=r"no network for inputs of type torch\.int64"):
        default_network([MetaLearningTask((x, y), (x, y))], embeds=False)


def test_targets_of_several_numbers() -> None:
    x = torch.rand(4, 3)
    task = MetaLearningTask((x, torch.rand(4, 2)), (x, torch.rand(4, 2)))
    assert default_network([task], embeds=False)(x).shape == (4, 2)
    whole = MetaLearningTask((x, torch.full((4, 2), 21)), (x, torch.full((4, 2), 21)))
    assert default_network([whole], embeds=False, real=True)(x).shape == (4, 2)


def test_whole_numbers_are_learned_under_a_squared_error() -> None:
    class Doubled:
        def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
            y = torch.arange(8).view(8, 1) * 3
            return [MetaLearningTask((y.float(), y), (y.float(), y))] * batch_size

    framework = MetaLearningFramework()
    learner = framework.meta_train(Doubled(), loss="mse", steps=2, batch_size=2)
    adapted = framework.few_shot_adapt(learner, Doubled().sample_batch(1)[0], num_shots=3)
    assert adapted.predict(torch.ones(2, 1)).shape == (2, 1)
