"""Two processes do what one does, and neither ever waits for the other in vain."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.multiprocessing as mp
from safetensors.torch import load_file
from tests.learners.meta import two
from torch import Tensor

from onward.learners.meta._processes import processes, share, summed, together

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two processes have run every scenario."""
    folder = tmp_path_factory.mktemp("two")
    mp.spawn(two.run, (str(folder),), nprocs=2)
    return folder


def both(place: Path, name: str) -> list[dict[str, Any]]:
    """What each process said."""
    paths = [place / f"{name}.{rank}" for rank in (0, 1)]
    return [json.loads(Path(f"{p}.json").read_text()) | load_file(f"{p}.safetensors") for p in paths]


def alone(scenario: Callable[[], two.Said]) -> dict[str, Any]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return scenario()
    finally:
        torch.set_num_threads(threads)


def furthest(one: dict[str, Any], other: dict[str, Any]) -> float:
    tensors = [n for n, v in one.items() if isinstance(v, Tensor)]
    assert tensors
    assert tensors == [n for n in one if isinstance(other[n], Tensor)]
    return max(float((one[n] - other[n]).abs().max()) for n in tensors)


@pytest.mark.parametrize(
    "scenario",
    [two.many, two.ragged, two.few, two.clipped, two.starts_apart, two.one_is_skipped],
    ids=lambda one: one.__name__,
)
def test_two_processes_are_one(place: Path, scenario: Callable[[], two.Said]) -> None:
    first, second = both(place, scenario.__name__)
    single = alone(scenario)
    assert furthest(first, second) == 0
    assert furthest(first, single) < 1e-5
    assert first["figures"] == second["figures"]
    for ours, one in zip(first["figures"], single["figures"], strict=True):
        assert ours == pytest.approx(one, rel=1e-4)


def test_skipped_tasks_are_counted_over_both(place: Path) -> None:
    assert [step["skipped_tasks"] for step in both(place, "one_is_skipped")[0]["figures"]] == [1, 2]


def test_a_task_that_diverges_in_one_process_stops_both(place: Path) -> None:
    first, second = both(place, "one_diverges")
    assert second["raised"]["text"].startswith("Task 'train-1' diverged at inner step 1.")
    assert first["raised"]["text"].startswith("Process 1 of 2 stopped: InvalidInput: Task 'train-1' diverged at inner")
    assert {first["raised"]["kind"], second["raised"]["kind"]} == {"InvalidInput"}


def test_after_that_both_go_on_as_if_nothing_had_happened(place: Path) -> None:
    first, second = both(place, "one_diverges")
    before = dict(two.regressor().named_parameters())
    assert all(torch.equal(first[f"before.{n}"], p) for n, p in before.items())
    assert furthest(first, second) == 0
    expected = alone(lambda: two.trained(two.learner(), [two.poisoned()]))
    assert furthest(expected, {n: first[n] for n in expected}) < 1e-5


def test_when_all_tasks_diverge_both_say_so(place: Path) -> None:
    assert all(
        one["raised"]["text"].startswith("Every task of the step diverged.") for one in both(place, "all_diverge")
    )


def test_any_other_error_in_one_process_stops_both(place: Path) -> None:
    first, second = both(place, "one_breaks")
    assert second["raised"]["kind"] == "KeyError"
    assert first["raised"]["text"].startswith("Process 1 of 2 stopped: KeyError: 'no loss today'")


def test_medians_are_refused_by_both(place: Path) -> None:
    assert all("median_of_means needs every" in one["raised"]["text"] for one in both(place, "medians"))


def test_every_process_gets_as_many_tasks_of_all_shapes(place: Path) -> None:
    first, second = (one["shares"] for one in both(place, "shares"))
    assert first == [[0, 2, 4], [1, 3], [0, 2, 4]]
    assert second == [[1, 3], [0, 2, 4], [1, 3]]


def test_dropout_differs_between_processes_and_is_reproducible(place: Path) -> None:
    first, _ = both(place, "dropouts")
    assert not torch.allclose(first["one"], first["two"], rtol=0.01)
    assert torch.equal(first["two"], first["again"])
    assert torch.equal(first["one"], alone(two.dropouts)["one"])


# A whole training --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scenario", ["fitted", "fitted_on"])
def test_a_training_of_two_is_one(place: Path, scenario: str) -> None:
    first, second = both(place, scenario)
    single = alone(two.fitted)
    assert furthest(first, second) == 0
    assert furthest(first, single) < 1e-5
    assert first["figures"] == second["figures"]
    for ours, one in zip(first["figures"], single["figures"], strict=True):
        assert ours == pytest.approx(one, rel=1e-4)
    assert "validation_loss" in single["figures"][-1]


def test_from_a_checkpoint_on_it_is_the_same_bit_for_bit(place: Path) -> None:
    assert furthest(both(place, "fitted")[0], both(place, "fitted_on")[0]) == 0


def test_both_stop_when_one_must(place: Path) -> None:
    first, second = both(place, "late")
    assert first == second
    assert first["stopped"] == "budget"


def test_different_checkpoints_are_noticed_by_both(place: Path) -> None:
    assert all("found different checkpoints" in one["raised"]["text"] for one in both(place, "apart"))


def test_what_the_first_cannot_write_stops_both(place: Path) -> None:
    first, second = both(place, "unwritable")
    assert first["raised"]["kind"] == "Unavailable"
    assert second["raised"]["text"].startswith("Process 0 of 2 stopped: Unavailable: file cannot be written.")


def test_a_validation_that_breaks_one_stops_both(place: Path) -> None:
    first, second = both(place, "unjudged")
    assert second["raised"]["text"].startswith("The network does not take the examples")
    assert first["raised"]["text"].startswith("Process 1 of 2 stopped: ")


def test_only_the_first_shows_progress(place: Path) -> None:
    assert [one["told"] for one in both(place, "watched")] == [[1, 2], []]


def test_the_script_of_the_guide_is_the_same_alone_and_under_torchrun(tmp_path: Path) -> None:
    guide = (ROOT / "docs" / "guides" / "meta-learning.md").read_text(encoding="utf8")
    script = tmp_path / "train.py"
    script.write_text(guide.partition('```python title="train.py"\n')[2].partition("```")[0])
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    runs = [
        subprocess.Popen(
            [sys.executable, *launcher, str(script), str(tmp_path / name)],
            stderr=subprocess.PIPE, env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        for name, launcher in (("one", []), ("two", torchrun))
    ]  # fmt: skip
    for run in runs:
        said = run.communicate()[1]
        assert run.returncode == 0, said
        assert b"10/10" in said
    one, other = (load_file(next((tmp_path / name).glob("*.safetensors"))) for name in ("one", "two"))
    assert furthest(one, other) < 1e-5


def test_nothing_of_a_group_outlives_it(place: Path) -> None:
    assert [one["threads"] for one in both(place, "left")] == [[], []]


# Alone -------------------------------------------------------------------------------------------------------------


def test_alone_nothing_is_exchanged() -> None:
    values = [torch.ones(2)]
    assert processes() == (0, 1)
    assert summed(values)[0] is values[0]
    assert list(range(5))[share(3)] == [0, 1, 2, 3, 4]
    with pytest.raises(ZeroDivisionError), together(torch.device("cpu")):
        _ = 1 / 0
