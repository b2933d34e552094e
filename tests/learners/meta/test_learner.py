"""The learner: what it says, what it refuses, and how far a poisoned task moves it."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.meta import (
    ANIL,
    IMAML,
    MAML,
    Aggregate,
    FineTuning,
    Matching,
    MetaLearner,
    MetaLearningTask,
    MetaSGD,
    Prototypical,
    Relation,
    Reptile,
)
from onward.learners.meta.algorithms import Algorithm
from onward.learners.meta.tasks import GaussianBlobs, Sinusoid, TaskBatch
from onward.schedules import one_cycle


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 3))


def blobs(tasks: int = 4, seed: int = 1, **settings: Any) -> TaskBatch:
    return GaussianBlobs(ways=3, shots=2, queries=5, seed=seed, **settings).sample_batch(tasks)


def learner(**settings: Any) -> MetaLearner:
    return MetaLearner(net(), MAML(inner_steps=2, inner_rate=0.2), **({"outer_rate": 0.01} | settings))


def regressor(**settings: Any) -> MetaLearner:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(1, 8), nn.Tanh(), nn.Linear(8, 1))
    return MetaLearner(body, MAML(inner_steps=1, inner_rate=0.01), loss="mse", **settings)


def flat(values: dict[str, Tensor]) -> Tensor:
    return torch.cat([values[name].flatten() for name in sorted(values)])


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[n], other[n]) for n in one)


# Training ----------------------------------------------------------------------------------------------------------


def test_a_step_says_what_it_did() -> None:
    made, batch = learner(), blobs()
    gradient = made.meta_gradient(batch)
    said = made.meta_train_step(batch)
    assert said["gradient_norm"] == pytest.approx(float(flat(gradient).norm()))
    assert said["learning_rate"] == 0.01
    assert said["skipped_tasks"] == 0
    before = learner()
    adapted = [before.adapt(task) for task in batch]
    judged = [before.evaluate(one, task) for one, task in zip(adapted, batch, strict=True)]
    assert said["meta_loss"] == pytest.approx(sum(one["loss"] for one in judged) / 4, rel=1e-4)
    assert said["task_evaluation_accuracy"] == pytest.approx(sum(one["accuracy"] for one in judged) / 4)
    assert said["task_adaptation_loss"] == pytest.approx(sum(one.losses[0] for one in adapted) / 4, rel=1e-4)
    assert "task_evaluation_accuracy" not in regressor().meta_train_step(Sinusoid().sample_batch(2))


def test_the_optimiser_goes_down_the_gradient() -> None:
    made, batch = learner(optimizer="sgd", outer_rate=0.5), blobs()
    before, gradient = made.meta_parameters(), made.meta_gradient(batch)
    made.meta_train_step(batch)
    assert all(torch.allclose(v, before[n] - 0.5 * gradient[n]) for n, v in made.meta_parameters().items())


def test_a_gradient_changes_nothing_and_belongs_to_the_caller() -> None:
    made, batch = learner(), blobs()
    before = made.meta_parameters()
    for value in made.meta_gradient(batch).values():
        value.zero_()
    assert same(before, made.meta_parameters())
    assert float(flat(made.meta_gradient(batch)).norm()) > 0
    for value in made.meta_parameters().values():
        value.zero_()
    assert same(before, made.meta_parameters())


def test_clip_bounds_the_step() -> None:
    made, batch = learner(optimizer="sgd", outer_rate=1.0, clip=1e-3), blobs()
    before = flat(made.meta_parameters())
    said = made.meta_train_step(batch)
    assert said["gradient_norm"] > 1e-2
    assert float((flat(made.meta_parameters()) - before).norm()) == pytest.approx(1e-3, rel=1e-3)


def test_the_schedule_scales_every_step() -> None:
    made, batch = learner(outer_schedule=lambda step: 1 / (1 + step)), blobs()
    assert [made.meta_train_step(batch)["learning_rate"] for _ in range(3)] == pytest.approx([0.01, 0.005, 0.01 / 3])
    still = learner(outer_schedule=lambda step: 0.0)
    before = still.meta_parameters()
    still.meta_train_step(batch)
    assert same(before, still.meta_parameters())


@pytest.mark.parametrize("factor", [-1.0, math.nan, math.inf, None, "much"])
def test_a_schedule_that_gives_no_rate_is_refused(factor: Any) -> None:
    made = learner(outer_schedule=lambda step: factor)
    before = made.meta_parameters()
    with pytest.raises((InvalidInput, TypeError)):
        made.meta_train_step(blobs())
    assert same(before, made.meta_parameters())
    assert made.step == 0


def test_the_order_of_tasks_does_not_matter_and_lists_are_as_good_as_batches() -> None:
    batch = blobs(6)
    mixed = [batch[at] for at in (3, 0, 5, 1, 4, 2)]
    assert torch.allclose(flat(learner().meta_gradient(batch)), flat(learner().meta_gradient(mixed)), atol=1e-6)


def test_ragged_tasks_are_each_counted_once() -> None:
    ragged = [*blobs(2), *GaussianBlobs(ways=3, shots=1, queries=2).sample_batch(3), *blobs(1, seed=5)]
    each = [flat(learner().meta_gradient([task])) for task in ragged]
    assert torch.allclose(flat(learner().meta_gradient(ragged)), torch.stack(each).mean(0), atol=1e-6)


def test_the_module_is_left_alone() -> None:
    given_net = net()
    before = copy.deepcopy(given_net.state_dict())
    made = MetaLearner(given_net, MAML(inner_steps=1))
    made.meta_train_step(blobs())
    made.adapt(blobs()[0])
    assert all(torch.equal(before[n], value) for n, value in given_net.state_dict().items())
    assert all(p.requires_grad and p.grad is None for p in given_net.parameters())
    trained = made.model()
    assert all(torch.equal(p, made.meta_parameters()[n]) for n, p in trained.named_parameters())


def test_which_engine_works_is_said_after_the_first_task() -> None:
    made = learner()
    assert made.engine is None
    made.adapt(blobs()[0])
    assert str(made.engine).startswith("rules")


# Adapting and judging ----------------------------------------------------------------------------------------------


def test_adapting_learns_the_task_and_changes_nothing_else() -> None:
    made, task = learner(), blobs(spread=3.0)[0]
    before = made.meta_parameters()
    adapted = made.adapt(task, num_steps=20, learning_rate=0.5)
    assert len(adapted.losses) == 21
    assert adapted.losses[-1] < adapted.losses[0] / 2
    assert made.evaluate(adapted, task)["accuracy"] > 0.9
    assert torch.equal(adapted.predict(task.query_set.x), adapted(task.query_set.x).argmax(-1))
    assert same(before, made.meta_parameters())


def test_no_steps_are_the_network_as_it_is() -> None:
    made, task = learner(), blobs()[0]
    said = made.adapt(task, num_steps=0)(task.query_set.x)
    assert torch.allclose(said, made.model()(task.query_set.x), atol=1e-6)


def test_arrays_and_lists_are_inputs_as_well() -> None:
    adapted = learner().adapt(blobs()[0])
    assert torch.equal(adapted([[0.5, 1.0]]), adapted(torch.tensor([[0.5, 1.0]])))  # type: ignore[arg-type]


def test_many_tasks_are_judged_in_their_order() -> None:
    made = learner()
    tasks = [*blobs(3), *GaussianBlobs(ways=3, shots=1, queries=2).sample_batch(70), *blobs(2, seed=9)]
    found = made.evaluate_tasks(tasks)
    one_by_one = [made.evaluate(made.adapt(task), task) for task in tasks]
    for name in ("loss", "accuracy"):
        assert found[name] == pytest.approx([one[name] for one in one_by_one], rel=1e-4, abs=1e-6)
    assert made.evaluate_tasks([]) == {}
    assert list(regressor().evaluate_tasks(Sinusoid().sample_batch(2))) == ["loss"]


def test_steps_and_rate_are_those_asked_for() -> None:
    made, tasks = learner(), blobs()
    found = made.evaluate_tasks(tasks, num_steps=7, learning_rate=0.9)["loss"]
    adapted = [made.adapt(task, 7, 0.9) for task in tasks]
    assert found == pytest.approx([made.evaluate(o, t)["loss"] for o, t in zip(adapted, tasks, strict=True)], rel=1e-4)


# Keeping -----------------------------------------------------------------------------------------------------------


def test_parameters_can_be_handed_over() -> None:
    made, other = learner(), MetaLearner(net(seed=9), MAML(inner_steps=2, inner_rate=0.2))
    other.set_meta_parameters(made.meta_parameters())
    assert same(made.meta_parameters(), other.meta_parameters())
    assert same(made.meta_gradient(blobs()), other.meta_gradient(blobs()))


def test_a_state_is_gone_on_from() -> None:
    made = learner()
    made.meta_train_step(blobs())
    state = copy.deepcopy(made.state_dict())
    made.meta_train_step(blobs(seed=2))
    other = learner()
    other.load_state_dict(state)
    other.meta_train_step(blobs(seed=2))
    assert same(made.meta_parameters(), other.meta_parameters())
    assert made.step == other.step == 2


# Refusing ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"outer_rate": 0}, "outer_rate is 0"),
        ({"outer_rate": -0.1}, "outer_rate is -0.1"),
        ({"outer_rate": math.nan}, "outer_rate is nan"),
        ({"outer_rate": math.inf}, "outer_rate is inf"),
        ({"outer_rate": "fast"}, "outer_rate is 'fast'"),
        ({"clip": 0}, "clip is 0"),
        ({"clip": -1.0}, "clip is -1.0"),
        ({"clip": math.nan}, "clip is nan"),
        ({"diverged": "ignore"}, "diverged is 'ignore'.*raise, skip"),
        ({"seed": 1.5}, "seed is 1.5"),
        ({"at_once": 2.5}, "at_once is 2.5"),
        ({"device": "gpu"}, "There is no device 'gpu' here.*cpu"),
        ({"device": "cuda:93"}, "There is no device 'cuda:93' here"),
        ({"device": 3.5}, "There is no device 3.5 here"),
        ({"optimizer": "adamw"}, "No optimiser is called 'adamw'.*adam, sgd"),
        ({"loss": "hinge"}, "No loss is called 'hinge'.*cross_entropy, mse"),
    ],
)
def test_settings_that_cannot_be_used_are_refused(settings: dict[str, Any], what: str) -> None:
    with pytest.raises(InvalidInput, match=what):
        learner(**settings)


def test_a_model_without_parameters_is_refused() -> None:
    with pytest.raises(InvalidInput, match="no parameters"):
        MetaLearner(nn.ReLU())


@pytest.mark.parametrize("call", ["meta_train_step", "meta_gradient"])
def test_no_tasks_are_refused(call: str) -> None:
    with pytest.raises(InvalidInput, match="no tasks"):
        getattr(learner(), call)([])


@settings(deadline=None)  # the first call loads much of torch
@given(steps=st.integers(max_value=-1) | st.floats() | st.text(), rate=st.none())
def test_steps_that_cannot_be_taken_are_refused(steps: Any, rate: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot adapt"):
        learner().adapt(blobs()[0], num_steps=steps, learning_rate=rate)


@settings(deadline=None)
@given(st.floats(max_value=0) | st.just(math.nan) | st.just(math.inf) | st.text() | st.booleans())
def test_rates_that_cannot_be_used_are_refused(rate: Any) -> None:
    with pytest.raises(InvalidInput, match="cannot adapt"):
        learner().evaluate_tasks(blobs(), learning_rate=rate)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda own: {}, "0.bias, 0.weight, 2.bias, 2.weight"),
        (lambda own: own | {"more": torch.zeros(1)}, "more"),
        (lambda own: own | {"0.bias": torch.zeros(3)}, "0.bias"),
        (lambda own: own | {"0.bias": 1.0}, "0.bias"),
        (lambda own: {n: v for n, v in own.items() if n != "2.bias"}, "2.bias"),
        (lambda own: MetaLearner(net(), MetaSGD()).meta_parameters(), "inner_rate:0.bias"),
    ],
)
def test_parameters_of_another_are_refused(change: Any, named: str) -> None:
    made = learner()
    before = made.meta_parameters()
    with pytest.raises(InvalidInput, match=f"not the meta-parameters of this learner, look at .*{named}"):
        made.set_meta_parameters(change(made.meta_parameters()))
    assert same(before, made.meta_parameters())


@pytest.mark.parametrize(
    "state",
    [{}, {"meta": {}}, {"meta": 3, "optimizer": {}, "step": 0}, {"meta": {}, "optimizer": {}, "step": "x"},
     {"meta": {}, "optimizer": {}, "step": 0}],
)  # fmt: skip
def test_a_state_of_something_else_is_refused(state: Any) -> None:
    made = learner()
    before = made.meta_parameters()
    with pytest.raises(InvalidInput):
        made.load_state_dict(state)
    assert same(before, made.meta_parameters())


def test_a_state_of_another_optimiser_is_refused_as_a_whole() -> None:
    made, other = learner(), MetaLearner(net(seed=4), MAML(inner_steps=2, inner_rate=0.2))
    before = made.meta_parameters()
    for wrong in ({}, {"state": {}, "param_groups": []}):
        with pytest.raises(InvalidInput, match="another optimiser"):
            made.load_state_dict(other.state_dict() | {"optimizer": wrong})
    assert same(before, made.meta_parameters())


# Diverging ---------------------------------------------------------------------------------------------------------


def broken(at: int, value: float = math.nan) -> TaskBatch:
    batch = blobs(5)
    batch.query_x[at, 0] = value
    return batch


def test_a_task_that_diverges_is_named() -> None:
    made = learner()
    before = made.meta_parameters()
    with pytest.raises(InvalidInput, match=r"Task 'train-2' diverged in its loss after 2 inner steps\."):
        made.meta_train_step(broken(2))
    assert same(before, made.meta_parameters())


def test_a_task_without_a_name_is_counted() -> None:
    nameless = [MetaLearningTask(task.support_set, task.query_set) for task in broken(3)]
    with pytest.raises(InvalidInput, match="Task 3 diverged"):
        learner().meta_train_step(nameless)


def test_a_rate_that_is_too_large_is_told_by_its_step() -> None:
    torch.manual_seed(0)
    made = MetaLearner(nn.Sequential(nn.Linear(1, 1)), MAML(inner_steps=40, inner_rate=1e4), loss="mse")
    with pytest.raises(InvalidInput, match=r"diverged at inner step \d+, and 2 more of 3 tasks with it"):
        made.meta_train_step(Sinusoid().sample_batch(3))


def test_tasks_that_diverge_can_be_left_out() -> None:
    made, other = learner(diverged="skip"), learner()
    said = made.meta_train_step(broken(2))
    whole = blobs(5)
    without = other.meta_train_step([whole[at] for at in (0, 1, 3, 4)])
    assert said == pytest.approx(without | {"skipped_tasks": 1}, rel=1e-4)
    assert torch.allclose(flat(made.meta_parameters()), flat(other.meta_parameters()), atol=1e-6)


def test_when_none_is_left_it_is_said() -> None:
    made = learner(diverged="skip")
    batch = blobs()
    batch.support_x[:] = math.inf
    with pytest.raises(InvalidInput, match="Every task of the step diverged"):
        made.meta_train_step(batch)
    assert made.step == 0


# Poison ------------------------------------------------------------------------------------------------------------


def poisoned(batch: TaskBatch, at: int, size: float) -> TaskBatch:
    """The targets of one support set turned around, and `size` times as large."""
    y = batch.support_y.clone()
    y[at] *= -size
    return TaskBatch(batch.support_x, y, batch.query_x, batch.query_y, batch.task_ids, batch.metadata)


def moved(kind: Aggregate, size: float) -> float:
    """How far one poisoned support set of 8 tasks moves the meta-gradient, in lengths of the clean one."""

    def gradient(batch: TaskBatch) -> Tensor:
        torch.manual_seed(1)
        body = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
        made = MetaLearner(body, MAML(inner_steps=1, inner_rate=0.01), loss="mse", aggregate=kind)
        return flat(made.meta_gradient(batch))

    clean = Sinusoid(seed=3).sample_batch(8)
    honest = gradient(clean)
    return float((gradient(poisoned(clean, 2, size)) - honest).norm() / honest.norm())


def test_one_poisoned_task_moves_the_mean_without_bound_and_the_others_hardly() -> None:
    sizes = (10.0, 100.0, 1000.0)
    mean = [moved(Aggregate(), size) for size in sizes]
    clip = [moved(Aggregate("clip", bound=2.0), size) for size in sizes]
    medians = [moved(Aggregate("median_of_means", groups=4), size) for size in sizes]
    assert mean[0] > 5
    assert mean[2] > 1000 * mean[1] > 1000 * 1000 * mean[0]
    assert max(*clip, *medians) < 0.5
    assert max(clip) < 1.05 * min(clip)
    assert max(medians) < 1.5 * min(medians)


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=8),
    st.floats(-1e6, 1e6),
    st.floats(0.1, 10),
)
def test_clip_keeps_its_promise(others: list[float], poison: float, bound: float) -> None:
    """However large, one of T tasks moves the mean by at most 2 bound / T."""
    kind = Aggregate("clip", bound=bound)
    one, other = (torch.tensor([*others, last], dtype=torch.float64).unsqueeze(1) for last in (0.5, poison))
    off = (kind({"w": one})["w"] - kind({"w": other})["w"]).abs()
    assert float(off) <= 2 * bound / (len(others) + 1) * (1 + 1e-9)


@given(st.lists(st.floats(-10, 10), min_size=5, max_size=9), st.floats(-1e9, 1e9), st.integers(0, 8))
def test_a_median_stays_among_the_honest(honest: list[float], poison: float, at: int) -> None:
    values = [*honest]
    values.insert(min(at, len(values)), poison)
    found = float(Aggregate("median_of_means", groups=len(values))({"w": torch.tensor(values).unsqueeze(1)})["w"])
    assert min(honest) - 1e-4 <= found <= max(honest) + 1e-4


@given(st.integers(3, 40), st.integers(3, 9), st.data())
def test_fewer_poisoned_tasks_than_half_of_the_groups_move_no_median(tasks: int, groups: int, data: Any) -> None:
    few = st.sets(st.integers(0, tasks - 1), max_size=(min(groups, tasks) - 1) // 2)
    grads = torch.ones(tasks, 1)
    grads[sorted(data.draw(few))] = 1e6
    assert float(Aggregate("median_of_means", groups=groups)({"w": grads})["w"]) == 1


@pytest.mark.parametrize(
    "settings", [{"kind": "trimmed"}, {"bound": 0}, {"bound": -1}, {"bound": math.nan}, {"groups": 2}]
)
def test_aggregations_that_cannot_be_are_refused(settings: Any) -> None:
    with pytest.raises(InvalidInput):
        Aggregate(**settings)


def test_means_are_the_same_however_they_are_made() -> None:
    expected = flat(learner().meta_gradient(blobs(6)))
    wide = flat(learner(aggregate=Aggregate("clip", bound=1e6)).meta_gradient(blobs(6)))
    assert torch.allclose(expected, wide, atol=1e-6)


def test_metric_learners_are_aggregated_as_well() -> None:
    made = MetaLearner(net(), Prototypical(), aggregate=Aggregate("clip", bound=1e-3))
    assert float(flat(made.meta_gradient(blobs(8))).norm()) <= 1e-3 * (1 + 1e-4)


# What others hand in ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [MAML(inner_steps=2), ANIL("^2"), Prototypical(), Reptile(adapt_steps=2)])
def test_a_learned_task_does_not_move_when_training_goes_on(algorithm: Algorithm) -> None:
    made, batch = MetaLearner(net(), algorithm, outer_rate=0.1), blobs()
    compares = isinstance(algorithm, Prototypical)
    learned = [made.adapt(batch[0], num_steps=steps) for steps in ((None,) if compares else (None, 0))]
    before = [each(batch[0].query_set.x) for each in learned]
    made.meta_train_step(batch)
    assert all(torch.equal(each(batch[0].query_set.x), was) for each, was in zip(learned, before, strict=True))


@pytest.mark.parametrize("algorithm", [MAML(inner_steps=1), Prototypical()])
@pytest.mark.parametrize("kind", [torch.int32, torch.uint8])
def test_classes_may_be_whole_numbers_of_any_size(algorithm: Algorithm, kind: torch.dtype) -> None:
    batch = blobs()
    small = TaskBatch(batch.support_x, batch.support_y.to(kind), batch.query_x, batch.query_y.to(kind))
    one, other = (MetaLearner(net(), algorithm).meta_gradient(each) for each in (batch, small))
    assert same(one, other)


def with_targets(batch: TaskBatch, where: str, change: Any) -> TaskBatch:
    y = {name: getattr(batch, name) for name in ("support_y", "query_y")}
    y[where] = change(y[where])
    return TaskBatch(batch.support_x, y["support_y"], batch.query_x, y["query_y"])


def refused(made: MetaLearner, batch: TaskBatch, what: str) -> None:
    """By every way that looks at the targets; nothing changes."""
    before = made.meta_parameters()
    for call in (made.meta_train_step, made.meta_gradient, made.evaluate_tasks):
        with pytest.raises(InvalidInput, match=what):
            call(batch)
    with pytest.raises(InvalidInput, match=what):
        made.evaluate(made.adapt(batch[0]), batch[0])
    assert same(made.meta_parameters(), before)
    assert made.step == 0


@pytest.mark.parametrize("where", ["support_y", "query_y"])
@pytest.mark.parametrize("change", [lambda y: y.float(), lambda y: y.unsqueeze(-1)])
def test_targets_that_are_no_classes_are_refused_by_cross_entropy(where: str, change: Any) -> None:
    refused(learner(), with_targets(blobs(), where, change), "are no classes for scores")


@pytest.mark.parametrize("where", ["support_y", "query_y"])
@pytest.mark.parametrize(
    ("number", "kind"), [(3, torch.long), (-1, torch.long), (-100, torch.int32), (200, torch.uint8)]
)
@pytest.mark.parametrize("body", ["rules", "func", "loop"])
def test_classes_without_a_score_are_refused(where: str, number: int, kind: torch.dtype, body: str) -> None:
    nets: dict[str, Callable[[], nn.Module]] = {
        "rules": net,
        "func": lambda: nn.Sequential(net(), nn.Hardtanh()),
        "loop": lambda: nn.Sequential(
            nn.Unflatten(1, (1, 2)), nn.Conv1d(1, 3, 2, padding_mode="circular"), nn.Flatten()
        ),
    }
    made = MetaLearner(nets[body](), MAML(inner_steps=1))

    def change(y: Tensor) -> Tensor:
        y = y.to(kind)
        y[0, 1] = number
        return y

    refused(made, with_targets(blobs(), where, change), rf"Class {number} has no score: there are 3, numbered from 0")
    assert str(made.engine).startswith(body)


@pytest.mark.parametrize("algorithm", [Prototypical(), Matching(fce=False), Relation(features=3)])
def test_embeddings_are_compared_for_any_number_of_classes_but_negative_ones(algorithm: Algorithm) -> None:
    made, batch = MetaLearner(net(), algorithm), GaussianBlobs(ways=7, queries=2).sample_batch(2)
    assert set(made.evaluate_tasks(batch)) == {"loss", "accuracy"}
    refused(MetaLearner(net(), algorithm), with_targets(batch, "support_y", lambda y: y - 1), "Class -1 is none")
    for off, evaluated in ((-1, -1), (7, 7)):
        other = with_targets(batch, "query_y", lambda y, off=off: torch.full_like(y, off))
        with pytest.raises(InvalidInput, match="has no example in the support set"):
            made.meta_train_step(other)
        with pytest.raises(InvalidInput, match=f"Class {evaluated} has no score: there are 7"):
            made.evaluate_tasks(other)


@pytest.mark.parametrize("where", ["support_y", "query_y"])
@pytest.mark.parametrize("change", [lambda y: y.expand(-1, -1, 2).contiguous(), lambda y: y[..., :0]])
def test_targets_of_another_size_are_refused_by_the_squared_error(where: str, change: Any) -> None:
    batch = with_targets(Sinusoid().sample_batch(3), where, change)
    refused(regressor(), batch, r"Targets of shape \((2,|0,)\) do not fit outputs of shape \(1,\)")


def test_targets_may_have_another_shape_of_one_size() -> None:
    batch = Sinusoid().sample_batch(3)
    flat_y = with_targets(with_targets(batch, "support_y", lambda y: y[..., 0]), "query_y", lambda y: y[..., 0])
    one, other = (regressor().meta_gradient(each) for each in (batch, flat_y))
    assert same(one, other)


def test_a_network_that_gives_no_tensor_is_refused() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = net()

        def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
            return self.inner(x), x

    with pytest.raises(InvalidInput, match="gives a tuple for 6 examples"):
        MetaLearner(Two(), MAML()).meta_train_step(blobs())


def test_numbers_may_be_of_numpy() -> None:
    """What they decide is the same, and is called the same: a checkpoint does not know the difference."""
    plain, ours = (
        MetaLearner(
            net(),
            MAML(inner_steps=whole(2), inner_rate=real(0.25), multi_step=whole(3), first_order=truth(False)),
            outer_rate=real(0.5), clip=real(2.0), seed=whole(7), at_once=whole(2),
            aggregate=Aggregate("clip", bound=real(4.0), groups=whole(5)),
        )
        for whole, real, truth in ((int, float, bool), (np.int64, np.float32, np.bool_))
    )  # fmt: skip
    assert plain.describe() == ours.describe()
    assert plain.algorithm == ours.algorithm
    assert plain.meta_train_step(blobs()) == ours.meta_train_step(blobs())
    assert same(plain.meta_parameters(), ours.meta_parameters())
    task = blobs()[0]
    adapted = [one.adapt(task, num_steps=np.int16(3), learning_rate=np.float32(0.5)).losses for one in (plain, ours)]
    assert adapted[0] == adapted[1]


@given(
    algorithm=st.sampled_from([MAML, MetaSGD, IMAML, FineTuning, Reptile]),
    value=st.floats(allow_nan=True) | st.integers(max_value=0) | st.text() | st.booleans() | st.none(),
)
def test_inner_steps_are_whole_numbers_from_one_on(algorithm: Any, value: Any) -> None:
    with pytest.raises(InvalidInput, match="inner_steps is "):
        algorithm(inner_steps=value)


def test_whole_numbers_to_be_predicted_have_no_accuracy() -> None:
    batch = Sinusoid(seed=0).sample_batch(3)
    counts = TaskBatch(batch.support_x, batch.support_y.long(), batch.query_x, batch.query_y.long())
    made = regressor()
    assert "task_evaluation_accuracy" not in made.meta_train_step(counts)
    assert set(made.evaluate_tasks(counts)) == {"loss"}


def test_a_gradient_too_long_for_its_norm_spoils_nothing() -> None:
    torch.manual_seed(0)
    made = MetaLearner(nn.Linear(1, 1), MAML(inner_steps=1, inner_rate=1e-30, first_order=True), loss="mse")
    batch = Sinusoid(seed=0).sample_batch(2)
    far = TaskBatch(1e3 * batch.support_x, 1e17 * batch.support_y, 1e3 * batch.query_x, 1e17 * batch.query_y)
    assert made.meta_train_step(far)["gradient_norm"] > 1e18
    assert all(value.isfinite().all() for value in made.meta_parameters().values())


def test_where_nothing_depends_on_what_would_learn_nothing_is_learned() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    losses = MetaLearner(body, MAML(inner_steps=2, adapt=r"^0\.bias")).adapt(blobs()[0]).losses
    assert losses[0] == losses[-1]


def test_the_outer_rate_is_the_algorithms_where_none_is_said() -> None:
    assert [MetaLearner(net(), one).describe()["outer_rate"] for one in (Reptile(), MAML())] == ["1.0", "0.001"]
    assert "'fused': None" in MetaLearner(net(), MAML()).describe()["optimizer"]  # how, not which
    assert MetaLearner(net(), Reptile(), outer_rate=0.5).describe()["outer_rate"] == "0.5"


def test_a_schedule_that_is_no_function_is_refused() -> None:
    with pytest.raises(InvalidInput, match="outer_schedule is one_cycle"):
        learner(outer_schedule=one_cycle(1.0, steps=10))
    curve = one_cycle(1.0, steps=10)
    assert learner(outer_schedule=curve.at).meta_train_step(blobs())["learning_rate"] == 0.01 * curve.value


def test_losses_after_every_step_add_up_where_nothing_learns_inside() -> None:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(2, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    idle = {"inner_steps": 3, "adapt": r"^0\.bias"}  # batch norm takes it out again
    one, other = (MetaLearner(body, MAML(**idle, multi_step=steps)).meta_gradient(blobs()) for steps in (0, 10))
    torch.testing.assert_close(one, other)


# One query, and others that are no list of tasks ------------------------------------------------------------------------


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(8), nn.Sequential(nn.BatchNorm1d(8), nn.Softsign())])
def test_one_query_beside_a_batch_norm_is_answered_with_the_support_set(norm: nn.Module) -> None:
    torch.manual_seed(0)
    made = MetaLearner(nn.Sequential(nn.Linear(2, 8), norm, nn.ReLU(), nn.Linear(8, 3)), MAML(3, 0.5))
    task = blobs(1)[0]
    adapted, (asked, y) = made.adapt(task), task.query_set
    one_by_one = torch.cat([adapted(each[None]) for each in asked])
    assert len(one_by_one.unique(dim=0)) > 9
    assert float((one_by_one.argmax(1) == y).double().mean()) > 0.5
    beside = adapted(asked[:2])
    assert torch.allclose(beside.flip(0), adapted(asked[:2].flip(0)), atol=1e-6)
    single = MetaLearningTask(task.support_set, (asked[:1], y[:1]))
    assert made.evaluate_tasks([single])["loss"] == pytest.approx([made.evaluate(adapted, single)["loss"]])
    body, alone = made.model(), adapted(asked[:3])  # as many as classes: by themselves, as in training
    for name, value in adapted._adapted.params.items():
        parameter = body.get_parameter(name)
        parameter.detach().copy_(value[0].reshape(parameter.shape))
    assert torch.allclose(alone, body.train()(asked[:3]), atol=1e-5)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(8), nn.Sequential(nn.BatchNorm1d(8), nn.Softsign())])
def test_queries_beside_a_batch_norm_are_few_by_the_classes_of_their_own_task(norm: nn.Module) -> None:
    torch.manual_seed(0)
    made, x = MetaLearner(nn.Sequential(nn.Linear(2, 8), norm, nn.Linear(8, 5)), MAML(3, 0.1)), torch.randn(10, 2)
    tasks = [MetaLearningTask((x, torch.arange(10) % ways), (x[:3], torch.arange(3) % 2)) for ways in (2, 5)]
    apart = [made.evaluate_tasks([task])["loss"][0] for task in tasks]
    assert made.evaluate_tasks(tasks)["loss"] == pytest.approx(apart, rel=1e-5)


def test_a_batch_norm_cannot_adapt_to_one_example_whenever_it_comes() -> None:
    made = MetaLearner(nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3)), MAML(1))
    x, y = torch.randn(6, 2), torch.arange(6) % 3
    single = MetaLearningTask((x[:1], y[:1]), (x, y))
    for earlier in ([], [MetaLearningTask((x, y), (x, y))]):
        for task in earlier:
            made.adapt(task)
        with pytest.raises(InvalidInput, match="batch norm is given a single row"):
            made.adapt(single)
    one_query = [MetaLearningTask((x, y), (x[:1], y[:1]))] * 2
    normed = nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    assert MetaLearner(normed, Reptile()).meta_train_step(one_query)["meta_loss"] > 0


@pytest.mark.parametrize("after", [nn.Tanh(), nn.Softsign(), nn.Conv1d(4, 4, 1)])
@pytest.mark.parametrize("algorithm", [MAML(1), IMAML(1), Reptile(1, batch_size=1)])
def test_training_puts_no_single_row_through_a_batch_norm(algorithm: Algorithm, after: nn.Module) -> None:
    made = MetaLearner(
        nn.Sequential(nn.Unflatten(1, (2, 1)), nn.Conv1d(2, 4, 1), nn.BatchNorm1d(4), after, nn.Flatten())
        if isinstance(after, nn.Conv1d)
        else nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), after),
        algorithm,
    )
    x, y = torch.randn(6, 2), torch.arange(6) % 3
    for task in (MetaLearningTask((x, y), (x[:1], y[:1])), MetaLearningTask((x[:1], y[:1]), (x, y))):
        with pytest.raises(InvalidInput, match="batch norm is given a single row"):
            made.meta_train_step([task])
    assert made.step == 0


def test_networks_that_fill_in_what_is_missing_are_asked_as_they_are() -> None:
    class Filling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(2, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(x.nan_to_num(0))
            return out

    x, y = torch.randn(6, 2), torch.arange(6) % 3
    x[0, 0] = math.nan
    for algorithm in (MAML(1), Prototypical()):
        made, task = MetaLearner(Filling(), algorithm), MetaLearningTask((x, y), (x, y))
        made.meta_train_step([task])
        assert made.adapt(task)(x).isfinite().all()
        assert made.evaluate_tasks([task])["loss"][0] > 0


@pytest.mark.parametrize(
    "wrong",
    [torch.zeros(4, 3), torch.zeros(4, 2, dtype=torch.float64), torch.zeros(2), torch.zeros(0, 2), torch.tensor(1.0)],
)
def test_inputs_that_do_not_fit_are_named_whenever_they_come(wrong: Tensor) -> None:
    made, task = learner(), blobs(1)[0]
    adapted = made.adapt(task)
    with pytest.raises(InvalidInput, match=r"does not take|no inputs|gives a tensor"):
        adapted(wrong)
    if wrong.ndim and len(wrong) == 4:
        side = (wrong, torch.zeros(4).long())
        for broken in (MetaLearningTask(side, task.query_set), MetaLearningTask(task.support_set, side)):
            with pytest.raises(InvalidInput, match="does not take the examples"):
                made.meta_train_step([broken])
            with pytest.raises(InvalidInput, match="does not take the examples"):
                made.evaluate_tasks([broken])


def test_no_number_is_never_an_answer() -> None:
    made, tasks = learner(), broken(1)
    whole = MetaLearningTask(blobs()[0].support_set, blobs()[0].query_set)
    bad = MetaLearningTask(tasks[1].query_set, tasks[0].query_set, "bad")
    with pytest.raises(InvalidInput, match="Task 'bad' diverged at inner step 0"):
        made.adapt(bad)
    with pytest.raises(InvalidInput, match="1 of 2 answers are no numbers"):
        made.adapt(whole)(torch.tensor([[math.nan, 0], [0, 0]]))
    with pytest.raises(InvalidInput, match="answers are no numbers"):
        MetaLearner(net(), Prototypical()).adapt(bad)(torch.zeros(1, 2))
    found = made.evaluate_tasks([bad, whole])
    assert [math.isnan(value) for value in (*found["loss"], *found["accuracy"])] == [True, False, True, False]
    report = learner(diverged="skip").fit(GaussianBlobs(ways=3), steps=1, batch_size=2, validation=[bad, whole])
    assert report.validation_loss == report.validation_loss
    report = learner(diverged="skip").fit(GaussianBlobs(ways=3), steps=1, batch_size=2, validation=[bad])
    assert report.validation_loss != report.validation_loss


@pytest.mark.parametrize("algorithm", [Prototypical(), Matching(features=3), Relation(features=3)])
def test_where_nothing_steps_no_inner_rate_is_blamed(algorithm: Algorithm) -> None:
    with pytest.raises(InvalidInput, match=r"Task 'train-1' diverged in its loss\b(?! after)(?!.*inner rate)"):
        MetaLearner(net(), algorithm).meta_train_step(broken(1))


@pytest.mark.parametrize("algorithm", [Prototypical(), Matching(features=3), Relation(features=3)])
def test_queries_of_a_class_without_support_are_refused_in_judging_as_in_training(algorithm: Algorithm) -> None:
    made, x = MetaLearner(net(), algorithm), torch.randn(4, 2)
    task = MetaLearningTask((x, torch.tensor([0, 0, 2, 2])), (x[:3], torch.tensor([0, 1, 2])))
    adapted = made.adapt(task)
    for call in (
        lambda: made.meta_train_step([task]),
        lambda: made.evaluate_tasks([task]),
        lambda: made.evaluate(adapted, task),
    ):
        with pytest.raises(InvalidInput, match="no example in the support set"):
            call()


@pytest.mark.parametrize("algorithm", [MAML(2, 0.2), IMAML(2), Reptile(2, adapt_steps=2), FineTuning(2)])
def test_losses_and_accuracies_of_every_step(algorithm: Algorithm) -> None:
    made, task = MetaLearner(net(), algorithm), blobs(1)[0]
    adapted = made.adapt(task)
    x, y = task.support_set
    assert len(adapted.losses) == len(adapted.accuracies) == 3
    assert adapted.accuracies[-1] == pytest.approx(float((adapted(x).argmax(1) == y).double().mean()))
    assert regressor().adapt(Sinusoid().sample_batch(1)[0]).accuracies == []
    assert MetaLearner(net(), Prototypical()).adapt(task).accuracies == []


def test_real_targets_are_predicted_as_they_are() -> None:
    task = Sinusoid().sample_batch(1)[0]
    adapted = regressor().adapt(task)
    assert torch.equal(adapted.predict(task.query_set.x), adapted(task.query_set.x))


def test_whole_numbers_that_are_no_classes_are_predicted_as_they_are() -> None:
    x = torch.arange(8.0).view(8, 1)
    for y in (3 * torch.arange(8).view(8, 1), 3 * torch.arange(8)):
        adapted = regressor().adapt(MetaLearningTask((x, y), (x, y)))
        assert torch.equal(adapted.predict(x), adapted(x))


@pytest.mark.parametrize("algorithm", [MAML(1), Prototypical(), Reptile(1, adapt_steps=1)])
def test_classes_are_predicted_by_their_numbers(algorithm: Algorithm) -> None:
    task = blobs(1)[0]
    adapted = MetaLearner(net(), algorithm).adapt(task)
    assert torch.equal(adapted.predict(task.query_set.x), adapted(task.query_set.x).argmax(-1))


@pytest.mark.parametrize("kind", [torch.int32, torch.uint8, torch.bool])
@pytest.mark.parametrize("algorithm", [Relation(features=3), Prototypical(), Matching(features=3), MAML(1)])
def test_classes_of_any_whole_type(algorithm: Algorithm, kind: torch.dtype) -> None:
    x, y = torch.randn(6, 2), torch.arange(6) % 2
    losses = [
        MetaLearner(net(), algorithm).meta_train_step([MetaLearningTask((x, of), (x, of))])["meta_loss"]
        for of in (y, y.to(kind))
    ]
    assert losses[0] == losses[1]


def test_many_shapes_are_said_to_be_slow_once() -> None:
    made, x, y = learner(), torch.randn(30, 2), torch.arange(30) % 3
    ragged = [MetaLearningTask((x[: 6 + n], y[: 6 + n]), (x, y)) for n in range(8)]
    with pytest.warns(UserWarning, match="8 tasks of 8 shapes are slow"):
        made.meta_train_step(ragged)
    made.evaluate_tasks(ragged)
    with pytest.warns(UserWarning, match="8 shapes are slow"):
        learner().evaluate_tasks(ragged)


def test_an_optimiser_of_ones_own_keeps_its_rates() -> None:
    def rated(values: Any) -> torch.optim.Optimizer:
        first, *rest = values
        return torch.optim.SGD([{"params": [first], "lr": 0.5}, {"params": rest, "lr": 0.25}])

    made = learner(optimizer=rated, outer_rate=None, outer_schedule=lambda step: 0.5)
    before, grads = made.meta_parameters(), made.meta_gradient(blobs())
    assert made.meta_train_step(blobs())["learning_rate"] == 0.25
    for (name, value), rate in zip(made.meta_parameters().items(), (0.25, *[0.125] * 3), strict=True):
        assert torch.allclose(value, before[name] - rate * grads[name])
    said = learner(optimizer=rated, outer_rate=0.01).meta_train_step(blobs())
    assert said["learning_rate"] == 0.01
    assert made.describe()["outer_rate"] == "0.5, 0.25"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: MetaLearner(net(), MAML), "is no algorithm"),
        (lambda: MetaLearner(net(), "maml"), "'maml' is no algorithm"),
        (lambda: learner(aggregate="clip"), "aggregate is 'clip'"),
        (lambda: learner(optimizer=torch.optim.LBFGS), "LBFGS asks for the loss several times"),
        (
            lambda: learner(outer_schedule=lambda step: None).meta_train_step(blobs()),
            "outer_schedule gave None at step 0",
        ),
        (lambda: learner().meta_train_step(blobs()[0]), "A MetaLearningTask is no list of tasks"),
        (lambda: learner().meta_train_step([1]), "A list is no list of tasks"),
        (lambda: learner().meta_train_step(7), "A int is no list of tasks"),
        (lambda: learner().meta_train_step([]), "There are no tasks"),
    ],
)
def test_what_is_none_of_what_is_wanted_is_named(call: Callable[[], object], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        call()


def test_a_loss_of_ones_own_is_asked_for_when_a_learner_is_loaded(tmp_path: Path) -> None:
    loss = nn.CrossEntropyLoss(label_smoothing=0.5)
    made = learner(loss=loss)
    made.save(tmp_path)
    with pytest.raises(InvalidInput, match="had a loss of its own"):
        MetaLearner.load(tmp_path, net())
    found = MetaLearner.load(tmp_path, net(), loss=loss).evaluate_tasks(blobs())
    assert found == made.evaluate_tasks(blobs())
