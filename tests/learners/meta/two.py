"""What two processes do at the same time: each scenario gives tensors and texts, which the tests compare."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors.torch import save_file
from torch import Tensor, nn

from onward.core import OnwardError
from onward.learners.meta import MAML, Aggregate, MetaLearner, MetaLearningTask
from onward.learners.meta._processes import share
from onward.learners.meta.tasks import Sinusoid, TaskBatch

Said = dict[str, Any]


def regressor(seed: int = 0, dropout: float = 0.0) -> nn.Sequential:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(1, 16), nn.Tanh(), nn.Dropout(dropout), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1)
    )


def learner(**settings: Any) -> MetaLearner:
    net = settings.pop("net", None) or regressor()
    return MetaLearner(net, MAML(inner_steps=2, inner_rate=0.05), loss="mse", **settings)


def trained(made: MetaLearner, batches: list[Any]) -> Said:
    return {"figures": [made.meta_train_step(batch) for batch in batches], **made.meta_parameters()}


def many() -> Said:
    tasks = Sinusoid(seed=1)
    return trained(learner(), [tasks.sample_batch(1001) for _ in range(5)])


def ragged_tasks() -> list[MetaLearningTask]:
    shapes = [(5, 10), (3, 4), (5, 10), (7, 2), (3, 4), (5, 10), (1, 1)]
    return [Sinusoid(*shape, seed=at).sample_batch(1)[0] for at, shape in enumerate(shapes)]


def ragged() -> Said:
    return trained(learner(), [ragged_tasks()] * 3)


def few() -> Said:
    tasks = Sinusoid(seed=2)
    return trained(learner(clip=0.5), [tasks.sample_batch(1) for _ in range(3)])


def clipped() -> Said:
    return trained(learner(aggregate=Aggregate("clip", bound=0.3)), [Sinusoid(seed=3).sample_batch(6)])


def starts_apart() -> Said:
    rank = dist.get_rank() if dist.is_initialized() else 0
    return trained(learner(net=regressor(seed=rank)), [Sinusoid(seed=4).sample_batch(4)])


def poisoned(*at: int, value: float = float("inf"), tasks: int = 4) -> TaskBatch:
    """Tasks of which those `at` have an input that is not finite; with two processes the odd ones are the second's."""
    batch = Sinusoid(seed=5).sample_batch(tasks)
    batch.support_x[list(at), 0] = value
    return batch


def raised(call: Callable[[], Any]) -> dict[str, str]:
    try:
        call()
    except (OnwardError, KeyError, RuntimeError) as error:
        return {"kind": type(error).__name__, "text": str(error)}
    return {"kind": "nothing", "text": ""}


def one_diverges() -> Said:
    """It stops both, changes nothing, and both go on."""
    made = learner()
    first = raised(lambda: made.meta_train_step(poisoned(1)))
    same = {f"before.{n}": p for n, p in made.meta_parameters().items()}
    return {"raised": first, **same, **trained(made, [poisoned()])}


def one_is_skipped() -> Said:
    return trained(learner(diverged="skip"), [poisoned(1), poisoned(1, 3)])


def all_diverge() -> Said:
    return {"raised": raised(lambda: learner(diverged="skip").meta_train_step(poisoned(0, 1, 2, 3)))}


def one_breaks() -> Said:
    """A loss that fails in the second process."""

    def loss(outputs: Tensor, y: Tensor) -> Tensor:
        if dist.get_rank():
            raise KeyError("no loss today")
        return (outputs - y).square().mean()

    made = MetaLearner(nn.Sequential(nn.Linear(1, 1)), MAML(inner_steps=1), loss=loss)
    return {"raised": raised(lambda: made.meta_train_step(Sinusoid().sample_batch(2)))}


def medians() -> Said:
    made = learner(aggregate=Aggregate("median_of_means"))
    return {"raised": raised(lambda: made.meta_train_step(Sinusoid().sample_batch(6)))}


def shares() -> Said:
    """Which of five tasks are this process's, when so many of other shapes came before."""
    return {"shares": [list(range(5))[share(before)] for before in range(3)]}


def dropouts() -> Said:
    """The same task twice: what the two processes make of it differs by their dropout alone."""
    task = Sinusoid(seed=6).sample_batch(1)[0]

    def gradient(tasks: list[MetaLearningTask]) -> Tensor:
        return learner(net=regressor(dropout=0.5)).meta_gradient(tasks)["0.weight"]

    return {"one": gradient([task]), "two": gradient([task, task]), "again": gradient([task, task])}


def fitted(folder: str = "") -> Said:
    """Interrupted by nobody, with three validation tasks, from a checkpoint on where there is a folder."""
    for steps in (4, 9) if folder else (9,):
        made, tasks = learner(seed=3), Sinusoid(seed=7)
        report = made.fit(
            tasks, steps=steps, batch_size=5, validation=tasks.split("v"), validate_every=3, validation_tasks=3,
            checkpoints=folder or None,
        )  # fmt: skip
    rows = [{n: v for n, v in row.items() if n != "seconds"} for row in report.history]
    return {"figures": rows, **made.meta_parameters()}


def fitted_on() -> Said:
    return fitted(f"{Path.cwd()}/checkpoints")


def late() -> Said:
    """One process is asked to stop, and both do."""
    rank = dist.get_rank()
    report = learner().fit(Sinusoid(), steps=10**9, batch_size=2, budget=0.3 if rank else 1e9)
    return {"stopped": report.stopped, "steps": report.steps}


def apart() -> Said:
    """Only the second process finds a checkpoint."""
    here = f"{Path.cwd()}/apart{dist.get_rank()}"
    if dist.get_rank():
        shutil.copytree("checkpoints", here)

    def call() -> None:
        tasks = Sinusoid(seed=7)
        learner(seed=3).fit(
            tasks, steps=9, batch_size=5, validation=tasks.split("v"), validate_every=3, validation_tasks=3,
            checkpoints=here,
        )  # fmt: skip

    return {"raised": raised(call)}


def unwritable() -> Said:
    """The first process, which writes, cannot."""
    Path("file").write_text("")
    return {"raised": raised(lambda: learner().fit(Sinusoid(), steps=1, batch_size=2, checkpoints="file"))}


def unjudged() -> Said:
    """A validation task that only one process works on, and that breaks it."""
    odd = MetaLearningTask((torch.zeros(3, 2), torch.zeros(3, 1)), (torch.zeros(3, 2), torch.zeros(3, 1)))
    tasks = [*Sinusoid().sample_batch(1), odd]
    return {"raised": raised(lambda: learner().fit(Sinusoid(), steps=1, batch_size=2, validation=tasks))}


def watched() -> Said:
    told: list[int] = []
    learner().fit(Sinusoid(), steps=2, batch_size=2, progress=lambda done, total, note: told.append(done))
    return {"told": told}


SCENARIOS: dict[str, Callable[[], Said]] = {
    one.__name__: one
    for one in (
        many, ragged, few, clipped, starts_apart, one_diverges, one_is_skipped, all_diverge, one_breaks, medians, shares, dropouts,
        fitted, fitted_on, late, apart, unwritable, unjudged, watched,
    )
}  # fmt: skip


def run(rank: int, folder: str, scenarios: dict[str, Callable[[], Said]] | None = None) -> None:
    """One of the two."""
    torch.set_num_threads(1)
    place = Path(folder)
    os.chdir(place)
    late = datetime.timedelta(seconds=60)
    dist.init_process_group("gloo", f"file://{place / 'meeting'}", timeout=late, rank=rank, world_size=2)
    for name, scenario in (scenarios or SCENARIOS).items():
        write(place / f"{name}.{rank}", scenario())
    dist.barrier()  # nobody goes while the other still speaks
    dist.destroy_process_group()
    threads = [task.read_text().strip() for task in Path("/proc/self/task").glob("*/comm")]
    write(place / f"left.{rank}", {"threads": [name for name in threads if "gloo" in name]})


def write(path: Path, said: Said) -> None:
    save_file({n: v for n, v in said.items() if isinstance(v, Tensor)}, f"{path}.safetensors")
    Path(f"{path}.json").write_text(json.dumps({n: v for n, v in said.items() if not isinstance(v, Tensor)}))
