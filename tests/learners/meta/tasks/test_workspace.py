"""Tasks from a workspace that has learned."""

import numpy as np
import pytest
import torch
from tests.cli.terminal import labelled
from tests.tasks import task as made
from tests.tasks import vocabulary

import onward
from onward.core import InvalidInput, NotFound
from onward.learners.meta.tasks import from_workspace

LINEAR = {"training": {"learners": ["linear"]}}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Two tenants that have learned three intents each, and one that has not."""
    with onward.open(tmp_path_factory.mktemp("shop") / "shop", settings=LINEAR) as workspace:
        for seed, tenant in enumerate(("north", "south")):
            workspace.record_file(labelled(120, seed=seed), tenant=tenant)
            assert workspace.cycle(tenant=tenant).status == "promoted"
        workspace.record("hello", tenant="new", intent="greeting")
        yield workspace


def encoder(texts):
    """Which text it is, by its length and its first letters."""
    return np.array([[len(text), *text.encode()[:7]] for text in texts], dtype=float)


def test_tasks_of_intents(shop):
    data = from_workspace(shop, encoder, tenant="north", ways=3, shots=2, queries=3)
    assert data.classes == ("greeting", "order_status", "refund")
    batch = data.sample_batch(4)
    assert batch.support_x.shape == (4, 6, 8)
    names = {"greeting": "hg", "order_status": "wt", "refund": "ipr"}
    for task in batch:
        for x, y in zip(*task.support_set, strict=True):
            assert chr(int(x[1])) in names[task.metadata["classes"][int(y)]] + "h"
    divided = from_workspace(shop, encoder, tenant="north", ways=1, split=(2, 1), seed=1)
    assert len(divided.classes) == 2
    assert len(divided.split("test").classes) == 1


def test_what_judges_is_left_out(shop):
    seen = []

    def remember(texts):
        seen.extend(texts)
        return encoder(texts)

    from_workspace(shop, remember, tenant="north", ways=3, shots=1, queries=1)
    number = shop.champion(tenant="north")
    dataset = shop.house.datasets.get("north", shop.house.registry.version(number, "north").dataset)
    judges = {example.text for example in dataset.split("evaluation")}
    assert judges
    assert sorted(seen) == sorted(e.text for e in dataset.examples if e.split != "evaluation")
    assert not judges & set(seen)


def test_tasks_of_tenants(shop):
    data = from_workspace(shop, encoder, "tenant", ways=2, shots=2, queries=3)
    assert data.groups == ("north", "south")
    told = data.sample_batch(50).metadata
    assert {one["group"] for one in told} == {"north", "south"}
    assert all(len(set(one["classes"])) == 2 for one in told)
    divided = from_workspace(shop, encoder, "tenant", ways=2, shots=2, queries=3, split=(1, 1))
    assert {*divided.groups, *divided.split("test").groups} == {"north", "south"}


WORDS = vocabulary()
CONCEPTS = {word: number for number, words in enumerate(WORDS) for word in words}
RECORDED = tuple(f"shop {number}" for number in range(16))


@pytest.fixture(scope="module")
def mall(tmp_path_factory):
    """A tenant with recorded tasks, whose labels mean something else in each, and the same labels outside of tasks."""
    with onward.open(tmp_path_factory.mktemp("mall") / "mall", settings=LINEAR) as workspace:
        for name in RECORDED:
            workspace.record_task(name, *made(name, WORDS, labels="abc"))
        for said in zip(*made("outside", WORDS, labels="abc", shots=40, queries=40), strict=True):
            for line in said:
                workspace.record(line["text"], intent=line["intent"])
        assert workspace.cycle().status == "promoted"
        yield workspace


def concept(texts):
    """Which concept each text speaks of."""
    return np.array([[next(CONCEPTS[word] for word in text.split() if word in CONCEPTS)] for text in texts], float)


@pytest.mark.parametrize("by", ["intent", "tenant"])
def test_labels_of_recorded_tasks_do_not_meet_those_of_others(mall, by):
    data = from_workspace(mall, concept, by, ways=3, shots=2, queries=2)
    outside = None if by == "intent" else "default"
    names = {one if by == "intent" else one[1] for one in data.groups if one != outside}
    assert outside in data.groups
    assert len(names) > 5
    assert names < set(RECORDED)  # those that judge are left out
    meanings = {}
    for drawn in data.sample_batch(200):
        for x, y in [*zip(*drawn.support_set, strict=True), *zip(*drawn.query_set, strict=True)]:
            meaning = drawn.metadata["group"], drawn.metadata["classes"][int(y)]
            assert meanings.setdefault(meaning, int(x)) == int(x)
    assert len(set(meanings.values())) > 3
    assert len(meanings) == 3 * len(data.groups)


def test_whole_recorded_tasks_go_to_a_split(mall):
    enough = {"ways": 3, "shots": 2, "queries": 2}
    every = set(from_workspace(mall, concept, **enough).groups)
    train = from_workspace(mall, concept, **(enough | {"ways": 1}), split=(0.5, 0.5))
    parts = [set(train.split(name).groups) for name in train.splits]
    assert set.union(*parts) == every
    assert set.intersection(*parts) <= {None}
    first, *rest = sorted(every - {None})
    told = from_workspace(mall, concept, **enough, split={"train": ["a", "b", "c", *rest], "test": [first]})
    assert set(told.groups) == {None, *rest}
    assert told.split("test").groups == (first,)


def test_what_cannot_be(shop):
    with pytest.raises(NotFound, match=r"label 'intent' of new.*onward cycle"):
        from_workspace(shop, encoder, tenant="new")
    with pytest.raises(NotFound, match="label 'sentiment' of north"):
        from_workspace(shop, encoder, tenant="north", head="sentiment")
    with pytest.raises(InvalidInput, match=r"by is 'user'.*Known: intent, tenant"):
        from_workspace(shop, encoder, "user")
    with pytest.raises(InvalidInput, match=r"head is 'entities'.*Known: intent, sentiment"):
        from_workspace(shop, encoder, head="entities")
    with pytest.raises(InvalidInput, match="needs 5 classes, and the split 'all' has 3 with 10 examples or more"):
        from_workspace(shop, encoder, tenant="north")
    with pytest.raises(InvalidInput, match="1 inputs and"):
        from_workspace(shop, lambda texts: torch.zeros(1, 3), tenant="north", ways=2)
