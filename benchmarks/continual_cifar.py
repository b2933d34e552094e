"""Split CIFAR-10 beside the figures of the DER paper (Buzzega et al. 2020, arXiv:2004.07211), by its protocol.

    python -m benchmarks.continual_cifar --device cuda [--methods "DER++ 200" ...] [--seeds 0 1 2 3 4]
        [--epochs 50] [--width 64] [--each 5000] [--heads all] [--minutes 60] [--folder CHECKPOINTS] [--again]
    python -m benchmarks.continual_cifar --small          # a minute on a CPU: shows that it works, says nothing else

ResNet-18, 50 epochs on each of five tasks of two classes, SGD without momentum, batches of 32 and as many replayed,
random crops and flips. As in the authors' code the loss is over all ten outputs from the first task on (`--heads all`;
`seen`: over the classes met so far), and one training is judged twice: among all classes (class-incremental), and among
the two of each example's own task (task-incremental). The images are JPEG copies: the figures are a little lower than
of the originals. With fewer epochs, images or filters a run is told apart in benchmarks/results/continual_cifar.json,
which is written after every task; a run that is cut off goes on from its checkpoint, bit for bit on a CPU.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.continual_workloads.cifar10 import LOSSY, TASKS, augmented, images, resnet18, scaled, tasks
from benchmarks.continual_workloads.record import interval
from benchmarks.machine import RESULTS, write_results
from onward.core import NotFound
from onward.learners.continual import (
    ContinualLearner,
    DarkExperienceReplay,
    Experience,
    ExperienceReplay,
    FineTuning,
    Method,
    recommended,
)

NAME = "continual_cifar"
METHODS: dict[str, tuple[float, Callable[[], Method]]] = {
    "fine-tuning": (0.1, FineTuning),
    "ER 200": (0.1, lambda: ExperienceReplay(200, weight="examples")),
    "ER 500": (0.1, lambda: ExperienceReplay(500, weight="examples")),
    "DER++ 200": (0.03, lambda: DarkExperienceReplay(200, alpha=0.1, beta=0.5)),
    "DER++ 500": (0.03, lambda: DarkExperienceReplay(500, alpha=0.2, beta=0.5)),
    "onward 200": (0.03, lambda: recommended(200)),
    "onward 500": (0.03, lambda: recommended(500)),
    "joint": (0.1, FineTuning),
}
"""The learning rate and the settings that the authors found; onward's at that of DER++."""
PUBLISHED = {
    "fine-tuning": {"class": 19.62, "task": 61.02},
    "ER 200": {"class": 44.79, "task": 91.19},
    "ER 500": {"class": 57.74, "task": 93.61},
    "DER++ 200": {"class": 64.88, "task": 91.92},
    "DER++ 500": {"class": 72.70, "task": 93.88},
    "joint": {"class": 92.20, "task": 98.31},
}
Found = dict[str, Any]


@dataclass(frozen=True)
class Protocol:
    """What decides a run besides method and seed.

    Args:
        each, tests: training and test images of each class.
        width: filters of the first layer.
        heads: "all" outputs count in training, or only those of classes "seen".
    """

    epochs: int
    each: int
    width: int
    heads: str
    tests: int = 1000

    def __str__(self) -> str:
        return f"{self.epochs} epochs, {self.each} images a class, {self.width} filters, {self.heads} heads"


def scores(learner: ContinualLearner, tests: Sequence[Experience]) -> dict[str, list[float]]:
    """Percent right on the test of each task, among all classes and among those of the task."""
    found: dict[str, list[float]] = {"class": [], "task": []}
    for test in tests:
        said = learner.scores(test.x)
        own = torch.full_like(said, -torch.inf)
        own[:, list(test.classes)] = said[:, list(test.classes)]
        found["class"].append(_right(said, test.y))
        found["task"].append(_right(own, test.y))
    return found


def _right(said: Tensor, y: Tensor) -> float:
    return 100 * float((said.argmax(1) == y).double().mean())


def made(method: str, seed: int, protocol: Protocol, device: str) -> ContinualLearner:
    """A new learner."""
    rate, how = METHODS[method]
    torch.manual_seed(seed)
    network = resnet18(protocol.width).to(device)
    return ContinualLearner(
        network,
        [how()],
        scenario="domain" if protocol.heads == "all" else "class",
        optimizer="sgd",
        rate=rate,
        batch_size=32,
        prepare=scaled,
        augment=augmented,
        seed=seed,
    )


def measure(
    method: str, seed: int, protocol: Protocol, device: str, folder: Path, told: Callable[[Found], None]
) -> Found:
    """One training, judged after every task."""
    train, test = (
        tasks(*(part.to(device) for part in images(name, each)))
        for name, each in (("train", protocol.each), ("test", protocol.tests))
    )
    if method == "joint":
        train = [Experience(torch.cat([one.x for one in train]), torch.cat([one.y for one in train]))]
    learner = made(method, seed, protocol, device)
    notes = folder / "notes.json"
    done = learner.resume(folder / "learner")
    kept: Found = json.loads(notes.read_text(encoding="utf8")) if notes.exists() else {"tasks": [], "seconds": 0.0}
    folder.mkdir(parents=True, exist_ok=True)

    def judge(at: int) -> None:
        kept["tasks"].append(scores(learner, test if method == "joint" else test[: at + 1]))
        notes.write_text(json.dumps(kept), encoding="utf8")
        told(kept)

    if len(kept["tasks"]) < done:  # it was cut off between the two
        judge(done - 1)
    for at, experience in enumerate(train[done:], done):
        report = learner.learn(
            experience,
            epochs=protocol.epochs,
            progress=_shown(f"{method}, seed {seed}, {at + 1} of {len(train)}"),
            checkpoints=folder / "learner",
            checkpoint_every=5_000,
        )
        kept["seconds"] += report.seconds
        kept["ms a step"] = round(1000 * report.seconds / max(report.steps, 1), 2)
        judge(at)
    return judged(kept)


def judged(kept: Found) -> Found:
    """Average accuracy after the last task, and how far below its best, or its first, each older task has fallen."""
    last = kept["tasks"][-1]
    said = dict(kept)
    for kind in ("class", "task"):
        said[kind] = sum(last[kind]) / TASKS
        rows = [row[kind] for row in kept["tasks"]]
        fallen = [max(row[at] for row in rows[at:-1]) - rows[-1][at] for at in range(len(rows) - 1)]
        said[f"{kind}, forgotten"] = sum(fallen) / len(fallen) if fallen else 0.0
    return said


def _shown(name: str) -> Callable[[int, int, str], None]:
    """A line now and then."""
    latest = time.monotonic()

    def tell(done: int, total: int, note: str) -> None:
        nonlocal latest
        if time.monotonic() - latest > 20:
            latest = time.monotonic()
            print(f"{name}: {done:,} of {total:,} steps, {note}", flush=True)

    return tell


def stored() -> Found:
    """What has been measured so far."""
    file = RESULTS / f"{NAME}.json"
    return json.loads(file.read_text(encoding="utf8")) if file.exists() else {}


def store(protocol: Protocol, method: str, seed: int, device: str, said: Found) -> None:
    """Put one run into the file, over what is there of it, and leave everything else."""
    found = stored()
    found.pop("machine", None)
    mine = found.setdefault("protocols", {}).setdefault(str(protocol), {**asdict(protocol), "runs": {}})
    named = torch.cuda.get_device_name() if device.startswith("cuda") else device
    mine["runs"].setdefault(method, {})[str(seed)] = {**said, "device": named}
    whole = {name: [run for run in runs.values() if "class" in run] for name, runs in mine["runs"].items()}
    kinds = ("class", "task", "class, forgotten", "task, forgotten")
    mine["rows"] = {
        name: {kind: interval([run[kind] for run in runs]) for kind in kinds} for name, runs in whole.items() if runs
    }
    write_results(NAME, found | {"data": LOSSY, "published": PUBLISHED})


def run_of(protocol: Protocol, method: str, seed: int) -> Found:
    """What is stored of one run; nothing where there was none."""
    found: Found = stored().get("protocols", {}).get(str(protocol), {}).get("runs", {}).get(method, {})
    return dict(found.get(str(seed), {}))


def asked() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--epochs", type=int, default=50, help="on each task")
    parser.add_argument("--width", type=int, default=64, help="filters of the first layer")
    parser.add_argument("--each", type=int, default=5000, help="training images of each class")
    parser.add_argument("--heads", choices=("all", "seen"), default="all")
    parser.add_argument("--small", action="store_true", help="hardly anything, and nothing is stored")
    parser.add_argument("--device", default="cpu", help="cuda where there is one")
    parser.add_argument("--minutes", type=float, help="after which no further run is begun")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "onward-continual-cifar")
    parser.add_argument("--again", action="store_true", help="what is there already, too")
    return parser.parse_args()


def main() -> None:
    said = asked()
    protocol = Protocol(said.epochs, said.each, said.width, said.heads)
    if said.small:
        protocol = Protocol(1, 100, 8, said.heads, 50)
    print(f"{protocol}. {LOSSY}.", flush=True)
    began = time.monotonic()
    for seed in said.seeds[:1] if said.small else said.seeds:
        for method in said.methods:
            if said.minutes and time.monotonic() - began > 60 * said.minutes:
                return
            if not said.again and not said.small and "class" in run_of(protocol, method, seed):
                continue
            folder = said.folder / str(protocol) / method / str(seed)

            def told(found: Found, method: str = method, seed: int = seed) -> None:
                if not said.small:
                    store(protocol, method, seed, said.device, found)

            try:
                found = measure(method, seed, protocol, said.device, folder, told)
            except NotFound as missing:
                print(f"Nothing is measured: {missing}")
                return
            told(found)
            shutil.rmtree(folder, ignore_errors=True)
            figures = {kind: round(found[kind], 2) for kind in ("class", "task", "class, forgotten", "task, forgotten")}
            print(f"{method}, seed {seed}: {figures}, {found.get('ms a step')} ms a step", flush=True)


if __name__ == "__main__":
    main()
