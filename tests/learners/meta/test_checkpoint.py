"""Nothing that was learned is lost: trainings go on bit for bit, and what is damaged or another's is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from onward.core import Damaged, InvalidInput, NotFound, Unavailable
from onward.learners.meta import MAML, MAMLPlusPlus, MetaLearner, MetaLearningTask, MetaSGD, Prototypical, Reptile
from onward.learners.meta._checkpoint import Checkpoint, Saved, read_checkpoint, save_learner, write_checkpoint
from onward.learners.meta._fit import Training
from onward.learners.meta._identity import Named
from onward.learners.meta._standing import Plan
from onward.learners.meta._watch import Recorder
from onward.learners.meta.algorithms import Algorithm
from onward.learners.meta.tasks import Examples, GaussianBlobs, Sinusoid, from_arrays
from onward.learners.neural import keep, kept, put_together
from onward.schedules import one_cycle

ROOT = Path(__file__).parents[3]
SETTINGS: dict[str, Any] = {"batch_size": 3, "validate_every": 4, "validation_tasks": 5, "checkpoint_every": 3}


def net(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Dropout(0.1), nn.Linear(8, 3))


def blobs() -> GaussianBlobs:
    return GaussianBlobs(ways=3, queries=4, seed=2)


def learner(algorithm: Algorithm | None = None, **settings: Any) -> MetaLearner:
    return MetaLearner(net(), algorithm or MAML(inner_steps=1, inner_rate=0.1), outer_rate=0.01, **settings)


def same(one: MetaLearner, other: MetaLearner) -> bool:
    ours, theirs = one.meta_parameters(), other.meta_parameters()
    return ours.keys() == theirs.keys() and all(torch.equal(ours[n], theirs[n]) for n in ours)


# Going on ----------------------------------------------------------------------------------------------------------


def test_a_training_that_is_killed_again_and_again_ends_as_one_that_is_not(tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "tests.learners.meta.lives", tmp_path, "8", str(os.getpid())],
        capture_output=True, text=True, check=True, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    said = json.loads(run.stdout)
    assert (said["code"], said["equal"], said["history"]) == (0, True, True)
    assert said["stages"] > 1
    assert said["files"] == [".json", ".safetensors"]


@pytest.mark.parametrize(
    "algorithm",
    [
        MAML(inner_steps=2, inner_rate=0.1),
        MetaSGD(inner_rate=0.1),
        MAMLPlusPlus(inner_steps=2, multi_step=5),
        Reptile(),
        Prototypical(),
    ],
    ids=lambda one: type(one).__name__,
)
@pytest.mark.parametrize("optimizer", ["adam", "sgd", lambda values: torch.optim.AdamW(values, amsgrad=True)])
def test_goes_on_bit_for_bit(tmp_path: Path, algorithm: Algorithm, optimizer: Any) -> None:
    def trained(folder: Path | None, *steps: int) -> tuple[MetaLearner, list[dict[str, float]]]:
        for until in steps:
            made, tasks = learner(algorithm, optimizer=optimizer), blobs()
            report = made.fit(tasks, steps=until, validation=tasks.split("v"), checkpoints=folder, **SETTINGS)
        return made, [{n: v for n, v in row.items() if n != "seconds"} for row in report.history]

    whole, expected = trained(None, 10)
    torn, found = trained(tmp_path, 2, 5, 10)
    assert same(whole, torn)
    assert found == expected
    assert whole.step == torn.step == 10


class Ragged:
    """Tasks of differing shapes, from a stream that keeps no state."""

    def __init__(self) -> None:
        self._parts = [Sinusoid(shots, seed=shots) for shots in (3, 5)]

    def sample_batch(self, batch_size: int) -> list[MetaLearningTask]:
        return [self._parts[at % 2].sample_batch(1)[0] for at in range(batch_size)]


def test_a_stream_without_a_state_is_drawn_anew_up_to_there(tmp_path: Path) -> None:
    def made() -> MetaLearner:
        torch.manual_seed(0)
        return MetaLearner(nn.Sequential(nn.Linear(1, 4), nn.Tanh(), nn.Linear(4, 1)), loss="mse")

    whole, torn, again = made(), made(), made()
    whole.fit(Ragged(), steps=6, batch_size=3, validation=Ragged(), validation_tasks=2)
    torn.fit(Ragged(), steps=4, batch_size=3, validation=Ragged(), validation_tasks=2, checkpoints=tmp_path)
    again.fit(Ragged(), steps=6, batch_size=3, validation=Ragged(), validation_tasks=2, checkpoints=tmp_path)
    assert same(whole, again)
    assert not same(whole, torn)


def test_tasks_and_validation_may_come_from_one_stream(tmp_path: Path) -> None:
    def trained(*steps: int, folder: Path | None = None) -> MetaLearner:
        for until in steps:
            made, tasks = learner(), blobs()
            made.fit(tasks, steps=until, validation=tasks, checkpoints=folder, **SETTINGS)
        return made

    assert same(trained(8), trained(3, 8, folder=tmp_path))


def test_the_validation_tasks_stay_the_same(tmp_path: Path) -> None:
    def trained(steps: int, validation: GaussianBlobs) -> list[float]:
        report = learner().fit(blobs(), steps=steps, validation=validation, checkpoints=tmp_path, **SETTINGS)
        return [row["validation_loss"] for row in report.history]

    moved = blobs().split("v")
    first = trained(4, moved)
    assert trained(8, moved)[:1] == first
    expected = learner().fit(blobs(), steps=8, validation=blobs().split("v"), **SETTINGS).history
    assert trained(8, moved) == [row["validation_loss"] for row in expected]


def test_what_is_done_already_is_not_done_again(tmp_path: Path) -> None:
    tasks = blobs()
    first = learner().fit(tasks, steps=6, validation=tasks.split("v"), checkpoints=tmp_path, **SETTINGS)
    made = learner()
    again = made.fit(blobs(), steps=6, validation=blobs().split("v"), checkpoints=tmp_path, **SETTINGS)
    fewer = learner().fit(blobs(), steps=2, validation=blobs().split("v"), checkpoints=tmp_path, **SETTINGS)
    assert again.history == first.history
    assert (again.steps, again.best_step, again.tasks_per_second) == (6, first.best_step, 0.0)
    assert fewer.steps == 6
    assert made.step == 6


def test_a_long_training_goes_on(tmp_path: Path) -> None:
    def made() -> MetaLearner:
        torch.manual_seed(0)
        return MetaLearner(nn.Sequential(nn.Linear(1, 1)), MAML(inner_steps=1), loss="mse")

    settings: dict[str, Any] = {"batch_size": 1, "checkpoints": tmp_path, "checkpoint_every": 10**6}
    made().fit(Sinusoid(1, 1), steps=2, **settings)
    card, tensors = kept(tmp_path, "checkpoint", Checkpoint)
    state = put_together(card.state, tensors)
    state["standing"]["done"] = 123_457
    write_checkpoint(tmp_path, card.training, state)
    assert made().fit(Sinusoid(1, 1), steps=123_459, **settings).steps == 123_459


def test_seconds_add_up_over_interruptions(tmp_path: Path) -> None:
    first = learner().fit(blobs(), steps=3, checkpoints=tmp_path, **SETTINGS)
    second = learner().fit(blobs(), steps=6, checkpoints=tmp_path, **SETTINGS)
    assert second.seconds > first.seconds > 0


# Another's ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "tasks", "settings", "what"),
    [
        (lambda: learner(MAML(inner_steps=3, inner_rate=0.1)), blobs, {}, "algorithm"),
        (lambda: learner(seed=5), blobs, {}, "seed"),
        (lambda: learner(clip=1.0), blobs, {}, "clip"),
        (lambda: learner(optimizer="sgd"), blobs, {}, "optimizer"),
        (lambda: MetaLearner(net(), MAML(inner_steps=1, inner_rate=0.1), outer_rate=0.02), blobs, {}, "outer_rate"),
        (lambda: learner(outer_schedule=one_cycle(1.0, steps=20).at), blobs, {}, "outer_schedule"),
        (lambda: learner(optimizer=lambda p: torch.optim.Adam(p, 0.01, weight_decay=0.1)), blobs, {}, "optimizer"),
        (learner, blobs, {"batch_size": 4}, "fit batch_size"),
        (learner, lambda: GaussianBlobs(ways=3, queries=5, seed=2), {}, "tasks"),
    ],
    ids=lambda one: one if isinstance(one, str) else "",
)
def test_a_checkpoint_of_another_training_is_refused(
    tmp_path: Path, made: Callable[[], MetaLearner], tasks: Callable[[], Any], settings: dict[str, int], what: str
) -> None:
    learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)
    other = made()
    before = other.meta_parameters()
    with pytest.raises(InvalidInput, match=f"belongs to another training: {what} differs"):
        other.fit(tasks(), steps=4, checkpoints=tmp_path, **(SETTINGS | settings))
    assert all(torch.equal(before[n], value) for n, value in other.meta_parameters().items())


def test_a_curve_that_went_on_elsewhere_is_the_same_schedule(tmp_path: Path) -> None:
    curve = one_cycle(1.0, steps=20)
    for steps in (1, 2):
        made = learner(outer_schedule=curve.at)
        assert made.fit(blobs(), steps=steps, checkpoints=tmp_path, **SETTINGS).steps == steps
        curve.step()


def test_a_checkpoint_judged_by_other_tasks_is_refused(tmp_path: Path) -> None:
    def trained(steps: int, validation: Any) -> int:
        return learner().fit(blobs(), steps=steps, validation=validation, checkpoints=tmp_path, **SETTINGS).steps

    tasks = list(blobs().split("v").sample_batch(4))
    query = (tasks[3].query_set.x.clone(), tasks[3].query_set.y)
    again = MetaLearningTask(tasks[3].support_set, Examples(*query), "again")
    assert trained(1, tasks) == 1
    assert trained(2, [*tasks[:3], again]) == 2
    again.query_set.x[0, 0] += 1
    for other in ([*tasks[:3], again], tasks[:3], tasks[::-1], blobs(), None):
        with pytest.raises(InvalidInput, match="another training: validation differs"):
            trained(3, other)


@pytest.mark.parametrize(
    "changed",
    [{}, {"seed": 9}, {"split": (13, 7)}, {"x": 7.0}, {"shots": 2}, {"y": 2}],
    ids=lambda one: next(iter(one), ""),
)
def test_a_checkpoint_over_other_examples_or_classes_is_refused(tmp_path: Path, changed: dict[str, Any]) -> None:
    def trained(steps: int, *, x: float = 1.0, y: int = 1, shots: int = 1, **drawn: Any) -> int:
        rows = torch.arange(400.0).view(200, 2) * x / 400
        tasks = from_arrays(rows, torch.arange(200) // y % 20, 3, shots, 2, **({"split": (12, 8)} | drawn))
        return learner().fit(tasks, steps=steps, batch_size=2, checkpoints=tmp_path).steps

    assert trained(1) == 1
    if not changed:
        assert trained(2) == 2
        return
    with pytest.raises(InvalidInput, match=r"another training: tasks differs.*seed 0, contents"):
        trained(2, **changed)


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)
    other = nn.Sequential(nn.Linear(2, 9), nn.Tanh(), nn.Dropout(0.1), nn.Linear(9, 3))
    with pytest.raises(
        InvalidInput, match=r"network, parameter 0\.bias, parameter 0\.weight, parameter 3\.weight differ"
    ):
        MetaLearner(other, MAML(inner_steps=1, inner_rate=0.1), outer_rate=0.01).fit(
            blobs(), steps=2, checkpoints=tmp_path, **SETTINGS
        )


class Stateless:
    def sample_batch(self, batch_size: int) -> Any:
        return blobs().sample_batch(batch_size)

    def __repr__(self) -> str:
        return repr(blobs())


def test_a_stream_that_cannot_be_put_there_is_refused(tmp_path: Path) -> None:
    learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)
    with pytest.raises(InvalidInput, match="no `load_state_dict`"):
        learner().fit(Stateless(), steps=2, checkpoints=tmp_path, **SETTINGS)


# Damaged -----------------------------------------------------------------------------------------------------------


def checkpoint(folder: Path) -> tuple[Path, Path]:
    """The two files of one."""
    learner().fit(blobs(), steps=2, checkpoints=folder, **SETTINGS)
    (weights,) = folder.glob("*.safetensors")
    return folder / "checkpoint.json", weights


def test_any_byte_that_flips_is_noticed(tmp_path: Path) -> None:
    for file in checkpoint(tmp_path):
        data = file.read_bytes()
        for at in range(0, len(data), max(1, len(data) // 60)):
            file.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
            with pytest.raises(Damaged):
                learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)
        file.write_bytes(data)
    assert learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS).steps == 2


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("left", [0, 1, 100])
def test_a_file_that_is_cut_off_is_noticed(tmp_path: Path, which: int, left: int) -> None:
    file = checkpoint(tmp_path)[which]
    file.write_bytes(file.read_bytes()[:left])
    with pytest.raises(Damaged):
        learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)


def test_missing_tensors_are_noticed(tmp_path: Path) -> None:
    checkpoint(tmp_path)[1].unlink()
    with pytest.raises(Damaged, match="No such file"):
        learner().fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)


@pytest.mark.parametrize("card", [{"training": {}, "state": 3}, {"training": 1, "state": {}}, {"training": {}}])
def test_a_record_of_something_else_is_noticed(tmp_path: Path, card: Any) -> None:

    keep(tmp_path, "checkpoint", card, {})
    with pytest.raises(Damaged):
        read_checkpoint(tmp_path, {})
    with pytest.raises(NotFound):
        kept(tmp_path, "learner", Checkpoint)


def test_a_state_without_its_parts_is_noticed(tmp_path: Path) -> None:

    made = learner()
    training = Training(made, blobs(), None, Plan(steps=1, checkpoints=tmp_path), print, Recorder(None, "x"))
    write_checkpoint(tmp_path, training.what, {"standing": {"done": 1}})
    with pytest.raises(Damaged, match="not whole"):
        training.begin()


def test_what_cut_off_writes_left_is_removed(tmp_path: Path) -> None:
    for name in (f"checkpoint-{'0' * 64}.safetensors", f".checkpoint-{'a' * 16}.part"):
        (tmp_path / name).write_bytes(b"half")
    (tmp_path / "notes.txt").write_text("mine")
    checkpoint(tmp_path)
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors", ".txt"}
    assert len(list(tmp_path.glob("*.safetensors"))) == 1


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Unavailable, match="cannot be written"):
        learner().fit(blobs(), steps=1, checkpoints=tmp_path / "file", **SETTINGS)


def test_a_folder_that_cannot_be_written_is_said_before_anything_is_learned(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    made, seen = learner(), []
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(Unavailable, match="Give the path of a folder"):
            made.fit(blobs(), steps=50, checkpoints=place, progress=lambda *told: seen.append(told), **SETTINGS)
    assert made.step == 0
    assert not seen
    made.fit(blobs(), steps=0, checkpoints=tmp_path / "new" / "folder", **SETTINGS)
    assert not list((tmp_path / "new" / "folder").glob("*.part"))


def test_settings_of_numpy_are_kept_as_numbers(tmp_path: Path) -> None:
    made = learner(MAML(inner_steps=np.int32(2), inner_rate=np.float32(0.25)))
    made.save(tmp_path)
    again = MetaLearner.load(tmp_path, made.model())
    assert again.algorithm == MAML(inner_steps=2, inner_rate=0.25)
    told = {"steps": np.int64(2), "validate_every": np.int64(1), "checkpoint_every": np.int16(1)}
    made.fit(blobs(), checkpoints=tmp_path / "it", **(SETTINGS | told))
    assert learner(made.algorithm).fit(blobs(), checkpoints=tmp_path / "it", **(SETTINGS | told)).tasks_per_second == 0


# Saved -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", [MAML(inner_steps=3), MetaSGD(), Reptile(), Prototypical(scale=2.0)])
def test_a_saved_learner_answers_as_before(tmp_path: Path, algorithm: Algorithm) -> None:
    made = learner(algorithm)
    task = blobs().sample_batch(4)[0]
    made.save(tmp_path)
    made.meta_train_step(blobs().sample_batch(4))
    made.save(tmp_path)
    loaded = MetaLearner.load(tmp_path, net(seed=7))
    assert loaded.algorithm == algorithm
    assert loaded.step == 1
    assert same(made, loaded)
    assert torch.equal(loaded.adapt(task)(task.query_set.x), made.adapt(task)(task.query_set.x))
    assert len(list(tmp_path.iterdir())) == 2


def test_the_loss_is_the_saved_one(tmp_path: Path) -> None:
    MetaLearner(nn.Linear(1, 1), loss="mse").save(tmp_path)
    assert MetaLearner.load(tmp_path, nn.Linear(1, 1)).describe()["loss"] == "SquaredError()"
    assert MetaLearner.load(tmp_path, nn.Linear(1, 1), loss="cross_entropy").describe()["loss"] == "CrossEntropy()"


def test_another_network_or_algorithm_is_refused(tmp_path: Path) -> None:
    learner().save(tmp_path)
    with pytest.raises(InvalidInput, match="another network"):
        MetaLearner.load(tmp_path, nn.Linear(2, 3))
    with pytest.raises(InvalidInput, match=r"saved with Named\(kind='MAML'"):
        MetaLearner.load(tmp_path, net(), Reptile())


def own_loss(outputs: Tensor, y: Tensor) -> Tensor:
    return (outputs - y).abs().mean()


def test_a_function_as_loss_is_handed_in_again(tmp_path: Path) -> None:
    MetaLearner(nn.Linear(1, 1), loss=own_loss).save(tmp_path)
    loaded = MetaLearner.load(tmp_path, nn.Linear(1, 1), loss=own_loss)
    assert "own_loss" in loaded.describe()["loss"]


class Own:
    """An algorithm of somebody else: MAML, and no dataclass."""

    def __init__(self) -> None:
        self._maml = MAML(inner_steps=1)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._maml, name)


def test_an_algorithm_of_ones_own_is_handed_in_again(tmp_path: Path) -> None:
    made = learner(Own())
    made.save(tmp_path)
    assert same(MetaLearner.load(tmp_path, net(), Own()), made)
    with pytest.raises(InvalidInput, match="no algorithm that Onward brings"):
        MetaLearner.load(tmp_path, net())


def test_settings_that_an_algorithm_does_not_know_are_said(tmp_path: Path) -> None:
    saved = Saved(repr(net()), Named("MAML", {"later": 1}), "mse", 0)
    save_learner(tmp_path, saved, learner().meta_parameters())
    with pytest.raises(InvalidInput, match="cannot be made"):
        MetaLearner.load(tmp_path, net())


def test_a_folder_in_place_of_a_file_is_damage(tmp_path: Path) -> None:
    (tmp_path / "learner.json").mkdir()
    with pytest.raises(Damaged, match="not what was stored"):
        MetaLearner.load(tmp_path, net())


def test_nothing_saved_is_said(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="holds no learner"):
        MetaLearner.load(tmp_path / "nowhere", net())
    checkpoint(tmp_path)
    with pytest.raises(NotFound):
        MetaLearner.load(tmp_path, net())


def test_a_learner_beside_a_checkpoint_does_not_harm_it(tmp_path: Path) -> None:
    made = learner()
    made.fit(blobs(), steps=2, checkpoints=tmp_path, **SETTINGS)
    made.save(tmp_path)
    assert same(MetaLearner.load(tmp_path, net()), made)
    assert learner().fit(blobs(), steps=3, checkpoints=tmp_path, **SETTINGS).steps == 3
    assert MetaLearner.load(tmp_path, net()).step == 2


def test_a_damaged_save_is_noticed(tmp_path: Path) -> None:
    learner().save(tmp_path)
    (weights,) = tmp_path.glob("*.safetensors")
    weights.write_bytes(weights.read_bytes()[:-1])
    with pytest.raises(Damaged):
        MetaLearner.load(tmp_path, net())


def test_nothing_is_pickled(tmp_path: Path) -> None:
    learner().save(tmp_path / "saved")
    checkpoint(tmp_path / "on the way")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(files) == 4
    for path in files:
        data = path.read_bytes()
        assert data[8:9] == b"{" if path.suffix == ".safetensors" else json.loads(data)
