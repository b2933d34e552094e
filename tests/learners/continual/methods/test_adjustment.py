"""What is added to scores: nothing where classes come alike, more for those that come more often and as more examples."""

from math import log

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onward.learners.continual import Experience
from onward.learners.continual.memory import Buffer
from onward.learners.continual.methods._adjustment import EXAMPLES, Adjustment


def of(*classes: int, each: int = 1) -> Experience:
    y = torch.tensor(classes).repeat(each)
    return Experience(torch.zeros(len(y), 1), y)


def remembering(*classes: int, each: int = 1) -> Buffer:
    buffer, one = Buffer(1000), of(*classes, each=each)
    buffer.add(one.x, one.y, 0, torch.Generator())
    return buffer


def added(strength: float, experience: Experience, buffer: Buffer, width: int = 6) -> list[float]:
    scores = torch.arange(float(width)).expand(2, -1)
    adjusted = Adjustment(strength, buffer).adjusted(experience, scores) - scores
    assert torch.equal(adjusted[0], adjusted[1])
    return [round(value, 5) for value in adjusted[0].tolist()]


def test_what_comes_seldom_and_as_few_examples_is_lowered_by_both() -> None:
    found = added(0.5, of(2, 3, each=40), remembering(0, 1, 4, 5, each=10))
    lowered = -0.5 * (log(2) + EXAMPLES * log(4))  # half as often; a quarter of the examples
    assert found == pytest.approx([lowered, lowered, 0, 0, lowered, lowered], abs=1e-5)


def test_a_class_of_the_experience_that_is_remembered_too_comes_with_both() -> None:
    found = added(1.0, of(0, 1, each=30), remembering(1, 2, each=10), 4)
    often, many = {0: 1 / 2, 1: 1, 2: 1 / 2}, {0: 30, 1: 40, 2: 10}
    expected = [log(often[c] / often[1]) + EXAMPLES * log(many[c] / many[1]) for c in range(3)]
    assert found == pytest.approx([*expected, 0.0], abs=1e-5)


@given(
    each=st.integers(1, 50),
    kept=st.integers(1, 50),
    classes=st.sets(st.integers(0, 5), min_size=1),
    strength=st.floats(0, 3),
)
def test_where_all_classes_come_alike_nothing_changes(each: int, kept: int, classes: set[int], strength: float) -> None:
    for buffer in (Buffer(9), remembering(*classes, each=kept)):
        assert added(strength, of(*classes, each=each), buffer) == [0] * 6


def test_how_often_a_class_comes_within_its_group_is_left_as_it_is() -> None:
    even = added(1.0, of(2, 2, 2, 3, 3, 3), remembering(0, 0, 1, 1))
    assert added(1.0, of(2, 2, 2, 2, 2, 3), remembering(0, 1, 1, 1)) == even
    assert even[0] == even[1] < 0


def test_what_never_came_is_left_as_it_is_and_what_does_not_count_stays_out() -> None:
    scores = torch.tensor([[0.0, 0.0, -torch.inf]])
    adjusted = Adjustment(1.0, remembering(0)).adjusted(of(1, each=3), scores)
    assert adjusted.tolist() == [[pytest.approx(-EXAMPLES * log(3)), 0.0, -torch.inf]]


def test_no_strength_and_real_targets_change_nothing() -> None:
    scores = torch.zeros(1, 6)
    assert Adjustment(0.0, remembering(0)).adjusted(of(1), scores) is scores
    real = Experience(torch.zeros(2, 1), torch.rand(2, 1))
    buffer = Buffer(5)
    buffer.add(real.x, real.y, 0, torch.Generator())
    assert Adjustment(1.0, buffer).adjusted(real, scores) is scores


def test_it_follows_what_is_remembered() -> None:
    buffer, experience, scores = remembering(0, each=4), of(1, each=4), torch.zeros(1, 2)
    adjustment = Adjustment(1.0, buffer)
    assert adjustment.adjusted(experience, scores) is scores  # as often, and as many
    buffer.drop(torch.tensor([True, True, False, False]))
    assert adjustment.adjusted(experience, scores)[0, 0].item() == pytest.approx(EXAMPLES * log(2 / 4))
    more = of(0, each=6)
    buffer.add(more.x, more.y, 0, torch.Generator())
    assert adjustment.adjusted(experience, scores)[0, 1].item() == pytest.approx(EXAMPLES * log(4 / 8))
