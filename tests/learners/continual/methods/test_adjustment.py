"""What is taken from old classes' scores: nothing where no class is new, more the more often new ones come."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.learners.continual.streams import digits, network
from torch import nn
from torch.nn.functional import cross_entropy

from onward.learners.continual import ContinualLearner, Course, Experience, Heads, Hooks, recommended
from onward.learners.continual.memory import Buffer
from onward.learners.continual.methods._adjustment import EXAMPLES, Adjustment


def of(*classes: int, each: int = 1) -> Experience:
    y = torch.tensor(classes).repeat(each)
    return Experience(torch.zeros(len(y), 1), y)


def remembering(*classes: int, each: int = 1) -> Buffer:
    buffer, one = Buffer(1000), of(*classes, each=each)
    buffer.add(one.x, one.y, 0, torch.Generator())
    return buffer


def adjustment(strength: float, buffer: Buffer, kind: str = "class") -> Adjustment:
    course = Course(nn.Linear(1, 6), cross_entropy, Heads(kind), lambda x: x, torch.Generator(), 4)
    return Adjustment(strength, course, buffer)


def taken(strength: float, experience: Experience, buffer: Buffer, width: int = 6, kind: str = "class") -> list[float]:
    one, scores = adjustment(strength, buffer, kind), torch.arange(float(width)).expand(2, -1)
    one.begin(experience)
    found = scores - one.adjusted(scores)
    assert torch.equal(found[0], found[1])
    return [round(value, 5) for value in found[0].tolist()]


def test_old_classes_are_lowered_by_how_much_more_often_and_as_more_examples_new_ones_come() -> None:
    found = taken(0.5, of(2, 3, each=40), remembering(0, 1, 4, each=10), 7)
    lowered = 0.5 * (log(3 / 2) + EXAMPLES * log(4))
    assert found == pytest.approx([lowered, lowered, 0, 0, lowered, 0, 0], abs=1e-5)


def test_what_is_remembered_and_comes_again_counts_for_both() -> None:
    found = taken(1.0, of(*[1] * 30, *[2] * 10, *[3] * 20), remembering(0, 1, 2, each=12))
    often = [1 / 3, 1 / 3 + 1 / 3, 10 / 60 + 1 / 3, 1 / 3]  # of what comes, a third at most
    many = [12, 20 + 12, 10 + 12, 20]
    expected = [log(often[1] / often[c]) + EXAMPLES * log(many[1] / many[c]) for c in range(4)]
    assert found == pytest.approx([*expected, 0, 0], abs=1e-5)


def test_a_stray_example_of_an_old_class_changes_little() -> None:
    buffer, fresh = remembering(0, 1, each=20), [2] * 99
    pure, stray = taken(1.0, of(*fresh), buffer), taken(1.0, of(*fresh, 0), buffer)
    assert stray[1] - stray[0] == pytest.approx(log(1.02) + EXAMPLES * log(21 / 20), abs=1e-5)
    assert 0 < pure[0] - stray[0] < 1  # two classes come, where there was one


@given(
    each=st.integers(1, 50),
    kept=st.integers(1, 50),
    classes=st.sets(st.integers(0, 5), min_size=1),
    more=st.lists(st.integers(0, 5), max_size=20),
    strength=st.floats(0, 3),
)
def test_where_the_same_classes_come_or_none_is_remembered_nothing_changes(
    each: int, kept: int, classes: set[int], more: list[int], strength: float
) -> None:
    y = [*list(classes) * each, *(number for number in more if number in classes)]
    for buffer in (Buffer(9), remembering(*classes, each=kept)):
        assert taken(strength, of(*y), buffer) == [0] * 6


@given(st.lists(st.integers(0, 5), min_size=1, max_size=40), st.lists(st.integers(0, 5), min_size=1, max_size=40))
def test_what_comes_the_most_is_not_lowered_and_what_never_came_neither(learned: list[int], kept: list[int]) -> None:
    found = taken(1.0, of(*learned), remembering(*kept))
    met = {*learned, *kept}
    assert min(found[number] for number in met) == 0
    assert all(found[number] == 0 for number in range(6) if number not in met)
    groups = [set(learned) - set(kept), set(kept) - set(learned)]
    assert all(len({found[number] for number in group}) <= 1 for group in groups)


def test_tasks_told_apart_real_targets_and_no_strength_change_nothing() -> None:
    assert taken(1.0, of(1, 2, each=9), remembering(0), kind="task") == [0] * 6
    assert taken(0.0, of(1, 2, each=9), remembering(0)) == [0] * 6
    x = torch.zeros(2, 1)
    for y in (torch.rand(2, 1), torch.rand(2), torch.ones(2, 3).long()):
        buffer = Buffer(5)
        buffer.add(x, torch.zeros_like(y), 0, torch.Generator())
        assert taken(1.0, Experience(x, y), buffer) == [0] * 6


def test_class_numbers_beyond_the_outputs_change_nothing() -> None:
    assert taken(1.0, of(0, each=9), remembering(1, 7), 2)[0] == 0


def test_what_does_not_count_stays_out() -> None:
    one = adjustment(1.0, remembering(0))
    one.begin(of(1, each=3))
    lowered = EXAMPLES * log(3)
    assert one.adjusted(torch.tensor([[0.0, 0.0, -torch.inf]])).tolist() == [[pytest.approx(-lowered), 0, -torch.inf]]
    assert one.adjusted(torch.zeros(1, 2).double())[0, 0].item() == pytest.approx(-lowered, abs=1e-12)


def test_it_goes_on_as_it_began_and_begins_anew() -> None:
    one = adjustment(1.0, remembering(0, each=2))
    one.begin(of(1, each=9))
    other = adjustment(1.0, remembering(1, each=5))
    other.begin(of(0, each=3))
    other.restore(one.state())
    scores = torch.zeros(1, 6)
    assert torch.equal(one.adjusted(scores), other.adjusted(scores))
    assert one.adjusted(scores)[0, 0] < 0
    one.begin(of(0))
    assert one.adjusted(scores) is scores


def test_the_loss_of_the_batch_is_adjusted_and_the_one_that_is_told_is_not() -> None:
    first, second = digits()[:2]
    gradients, losses = [], []

    class Looking:
        def start(self, course: Course) -> Hooks:
            def look(step: object) -> None:
                gradients.append(course.network[-1].bias.grad.clone())

            return Hooks(measure=look)

    class Lowered:
        def start(self, course: Course) -> Hooks:
            return Hooks(adjust=lambda scores: scores - torch.tensor([9.0, 9.0, *[0.0] * 8]))

    for methods in ([Looking()], [Lowered(), Looking()]):
        one = ContinualLearner(network(), methods, batch_size=len(second))
        one.heads.learn(first)
        losses.append(one.learn(second, steps=1).losses[0])
    assert losses[0] == losses[1]
    assert (gradients[0][:2] > 1e-2).all()  # pushed down
    assert (gradients[1][:2].abs() < 1e-4).all()


def test_going_back_and_learning_other_things_leaves_nothing_behind() -> None:
    first, second, third = digits()[:3]
    one = ContinualLearner(network(), recommended(60), rate=3e-3, batch_size=32)
    one.learn(first, epochs=2)
    kept = one.state_dict()
    ends = []
    for detour in (second, third):
        one.learn(detour, epochs=2)
        one.load_state_dict(kept)
        one.learn(second, epochs=2)
        ends.append(one.scores(second.x))
    assert torch.equal(*ends)


@pytest.mark.parametrize("seed", range(2))
def test_strays_of_an_old_class_do_not_harm_it(seed: int) -> None:
    def recall(strays: int) -> float:
        stream, one = digits(), ContinualLearner(network(), recommended(100), rate=3e-3, batch_size=32, seed=seed)
        zeros = stream[0].x[stream[0].y == 0]
        for at, experience in enumerate(stream):
            some = zeros[at * strays : (at + 1) * strays] if at else zeros[:0]
            x, y = torch.cat([experience.x, some]), torch.cat([experience.y, torch.zeros(len(some)).long()])
            one.learn(Experience(x, y), epochs=8)
        return float((one.predict(zeros) == 0).double().mean())

    assert recall(3) > recall(0) - 0.03
