from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from onward.core import Example, Labels
from onward.learners.contract import dataset_of
from onward.learners.text._shared import deadline, learning_examples, stratified, within_replay_budget


def examples(intents: str, *, new: bool = True) -> list[Example]:
    return [
        Example(id=f"{new}{i}", text="t", labels=Labels(intent=x), split="train", new=new)
        for i, x in enumerate(intents)
    ]


@given(st.text("abc", max_size=40), st.integers(0, 50), st.integers(0, 9))
def test_a_stratified_sample(intents: str, count: int, seed: int):
    sample = stratified(examples(intents), count, seed)
    assert len(sample) == min(count, len(intents))
    assert [int(e.id[4:]) for e in sample] == sorted({int(e.id[4:]) for e in sample})
    assert sample == stratified(examples(intents), count, seed)
    taken = Counter(e.labels.intent for e in sample)
    for intent, available in Counter(intents).items():
        assert taken[intent] >= min(available, count // 3)


def test_another_seed_takes_others():
    many = examples("a" * 100)
    assert stratified(many, 10, seed=1) != stratified(many, 10, seed=2)


@given(st.text("ab", max_size=20), st.text("ab", max_size=20), st.integers(1, 30))
def test_the_replay_budget_never_drops_the_new(before: str, now: str, budget: int):
    everything = [*examples(before, new=False), *examples(now)]
    kept = within_replay_budget(everything, budget, seed=0)
    assert [e for e in kept if e.new] == examples(now)
    assert len(kept) == min(len(everything), max(budget, len(now)))


def test_the_evaluation_split_is_not_for_learning():
    mixed = [
        Example(id=split, text="t", labels=Labels(intent="a"), split=split)
        for split in ("train", "validation", "evaluation")
    ]
    assert [e.id for e in learning_examples(dataset_of(mixed))] == ["train", "validation"]


def test_a_deadline_far_away_has_not_passed():
    assert not deadline(3600.0)()
