"""What Onward adds to the work that its learners do: CPU time, bare and through the loop, interleaved in one process.

- cycle: `ws.cycle()` on a fresh workspace, and on one that has learned before and has 500 new interactions, against the
  same learner trained on the same examples and candidate and champion scored on the same evaluation texts;
- predict: `ws.predict(texts, record=False)` against the model asked directly (`nlp.pipe` for spaCy), in one batch and
  one by one; `record=True` beside it.

    python benchmarks/overhead.py --rounds 3
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import onward
from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77, snips
from onward.config import load_learner
from onward.core import Training
from onward.workspace import Workspace

NEW = 500


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """CPU seconds of a piece of work, all threads, and what it returned."""
    began = time.process_time()
    answer = work()
    return time.process_time() - began, answer


def lines(texts: Sequence[Text], *, entities: bool, start: int = 0) -> list[dict[str, Any]]:
    made = []
    for number, text in enumerate(texts, start):
        line: dict[str, Any] = {"id": f"i{number}", "text": text.text, "intent": text.label}
        if entities and text.entities is not None:
            line["entities"] = [{"start": s, "end": e, "label": kind} for s, e, kind in text.entities]
        made.append(line)
    return made


def bare(ws: Workspace, dataset_id: str, champion: int | None, learners: Sequence[str]) -> None:
    """The same training and scoring as the cycle that made the data set, and nothing else."""
    dataset = ws.house.datasets.get("default", dataset_id)
    sets = ws.house.evaluation_sets.all("default")
    texts = sorted({e.text for one in sets for e in one.examples} | {e.text for e in dataset.split("evaluation")})
    for kind in learners:
        load_learner(kind, ws.settings).train(dataset, None, Training(budget=600.0)).model.predict(texts)
    if champion is not None:
        ws._model(champion).predict(texts)  # noqa: SLF001 - the champion's model, loaded already


def cycles(texts: Sequence[Text], learners: tuple[str, ...], *, entities: bool) -> dict[str, float]:
    """One round: a first cycle and a second one, each beside its bare work."""
    settings = {
        "training": {"learners": learners},
        "learning": {"max_training_examples": 20_000},
        "thresholds": {"accuracy": 0.5, "intent": 0.5, "entity": 0.3},
    }
    with tempfile.TemporaryDirectory() as folder, onward.open(folder, settings=settings) as ws:
        ws.record_many(lines(texts[:-NEW], entities=entities))
        first, result = cpu(ws.cycle)
        first_bare, _ = cpu(lambda: bare(ws, result.dataset, None, learners))
        ws.record_many(lines(texts[-NEW:], entities=entities, start=len(texts)))
        champion = ws.champion()
        second, result = cpu(ws.cycle)
        second_bare, _ = cpu(lambda: bare(ws, result.dataset, champion, learners))
    return {"first": first, "first bare": first_bare, "second": second, "second bare": second_bare}


def predictions(texts: Sequence[Text], asked: Sequence[str], learner: str, rounds: int) -> dict[str, float]:
    """Microseconds of CPU a text, in one batch and one by one."""
    settings = {"training": {"learners": [learner]}, "thresholds": {"accuracy": 0, "intent": 0, "entity": 0}}
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder, onward.open(folder, settings=settings) as ws:
        ws.record_many(lines(texts, entities=learner == "spacy"))
        ws.cycle(force=True)
        model = ws._model(ws.champion() or 0)  # noqa: SLF001 - what is asked directly
        ask = _bare_predict(model, learner)
        single = asked[:200]
        ways: dict[str, tuple[int, Callable[[], Any]]] = {
            "batch bare": (len(asked), lambda: ask(asked)),
            "batch": (len(asked), lambda: ws.predict(asked, record=False)),
            "batch recorded": (len(asked), lambda: ws.predict(asked)),
            "single bare": (len(single), lambda: [ask([text]) for text in single]),
            "single": (len(single), lambda: [ws.predict(text, record=False) for text in single]),
        }
        for _ in range(max(5, rounds)):
            for name, (count, way) in ways.items():
                times.setdefault(name, []).append(cpu(way)[0] / count * 1e6)
    return {name: statistics.median(found) for name, found in times.items()}


def _bare_predict(model: Any, learner: str) -> Callable[[Sequence[str]], Any]:
    if learner == "spacy":
        return lambda texts: list(model.nlp.pipe(texts))
    return model.predict


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--spacy-texts", type=int, default=3000)
    arguments = parser.parse_args()
    data = {"snips": snips()[0], "banking77": banking77()[0]}
    for texts in data.values():
        random.Random(0).shuffle(texts)
    work: dict[str, tuple[list[Text], tuple[str, ...], bool]] = {
        "snips, linear": (data["snips"], ("linear",), False),
        "banking77, linear": (data["banking77"], ("linear",), False),
        "snips, linear and spacy": (data["snips"][: arguments.spacy_texts], ("linear", "spacy"), True),
    }
    found: dict[str, list[dict[str, float]]] = {name: [] for name in work}
    cycles(data["snips"][:1000], ("linear",), entities=False)  # libraries loaded before anything is measured
    for _ in range(arguments.rounds):
        for name, (texts, learners, entities) in work.items():
            found[name].append(cycles(texts, learners, entities=entities))
    report: dict[str, Any] = {"arguments": vars(arguments), "cycle, CPU s": {}, "predict, CPU us a text": {}}
    for name, rounds in found.items():
        row = {key: round(statistics.median(r[key] for r in rounds), 3) for key in rounds[0]}
        row["first ratio"] = round(statistics.median(r["first"] / r["first bare"] for r in rounds), 3)
        row["second ratio"] = round(statistics.median(r["second"] / r["second bare"] for r in rounds), 3)
        report["cycle, CPU s"][name] = row
        print(name, row, flush=True)
    asked = [text.text for text in snips()[1]]
    for learner in ("linear", "spacy"):
        row = predictions(data["snips"][:1500], asked, learner, arguments.rounds)
        row["batch ratio"], row["single ratio"] = row["batch"] / row["batch bare"], row["single"] / row["single bare"]
        report["predict, CPU us a text"][learner] = {key: round(value, 3) for key, value in row.items()}
        print(learner, report["predict, CPU us a text"][learner], flush=True)
    print(write_results("overhead", report))


if __name__ == "__main__":
    main()
