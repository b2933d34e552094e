"""A workspace's stores, from its storage."""

from __future__ import annotations

from onward.config import Settings
from onward.core import Clock
from onward.curation import Datasets
from onward.evaluation import EvaluationSets
from onward.experience import Experience
from onward.loop import House
from onward.monitoring import Conditions
from onward.registry import Cycles, Registry
from onward.storage import Storage


def house_of(storage: Storage, settings: Settings, clock: Clock) -> House:
    """All that a cycle works with, over one storage."""
    return House(
        storage=storage,
        settings=settings,
        clock=clock,
        experience=Experience(storage.database, clock),
        datasets=Datasets(storage),
        evaluation_sets=EvaluationSets(storage),
        registry=Registry(storage.database, clock),
        cycles=Cycles(storage.database),
        conditions=Conditions(storage.database, clock),
    )
