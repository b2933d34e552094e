"""A stream of days in which intents arrive in groups, users correct some answers, and two days are poisoned.

Compared on every day, on the test texts of the intents seen so far, split into intents of the newest group and older:

- Onward: record, cycle, whatever the gate says;
- naive: a linear classifier fine-tuned on each newest day (SGD, partial_fit);
- no learning: the first day's model;
- ceiling: the same learner trained on all data so far with true labels (at the end of each group).

Modes: `given` (labels come with the records) and `feedback` (once a champion serves, feedback alone: 30 % of wrong ones
are corrected, and right ones rated well: all, or the share --confirmed). On two days 40 % of the labels said are
flipped to another label.

    python benchmarks/text_stream.py --data snips --mode given --seeds 3
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import onward
from benchmarks.machine import write_results
from benchmarks.real_data import Text, banking77, snips
from onward.config import load_learner, settings_from
from onward.core import DatasetVersion, Entity, EvaluationSet, Example, Labels, ManualClock, Prediction, Training
from onward.evaluation import score, scorecard
from onward.workspace import Workspace

FLIPPED = 0.4
CORRECTED = 0.3
TENANT = "default"


@dataclass(frozen=True)
class Plan:
    """How a data set becomes a stream."""

    groups: list[list[str]]
    days_per_group: int
    poisoned: tuple[int, int]

    @property
    def days(self) -> int:
        return len(self.groups) * self.days_per_group

    def group(self, day: int) -> int:
        return day // self.days_per_group


@dataclass
class Story:
    """What happened in one run."""

    days: list[dict[str, Any]] = field(default_factory=list)
    bad_promotions: int = 0
    poisoned_refused: int = 0
    cycle_cpu: float = 0.0


def plan_for(name: str, labels: Sequence[str], rng: random.Random, per_group: int | None) -> Plan:
    shuffled = sorted(labels)
    rng.shuffle(shuffled)
    if name == "snips":
        per = per_group or 5
        return Plan([shuffled[:3], shuffled[3:5], shuffled[5:]], per, (per + per // 2, 2 * per + per // 2))
    return Plan([shuffled[i : i + 11] for i in range(0, 77, 11)], per_group or 3, (8, 16))


def spread(texts: Sequence[Text], plan: Plan, rng: random.Random) -> list[list[Text]]:
    """Each intent's texts, evenly over the days from its arrival on."""
    days: list[list[Text]] = [[] for _ in range(plan.days)]
    arrival = {label: g * plan.days_per_group for g, group in enumerate(plan.groups) for label in group}
    for text in rng.sample(list(texts), len(texts)):
        days[rng.randrange(arrival[text.label], plan.days)].append(text)
    return days


def flip(label: str, known: Sequence[str], rng: random.Random) -> str:
    return rng.choice([other for other in known if other != label])


def given(
    day: int, texts: Sequence[Text], known: Sequence[str], *, poisoned: bool, entities: bool, rng: random.Random
) -> list[dict[str, Any]]:
    """The day's records, labels with them."""
    lines = []
    for number, text in enumerate(texts):
        label = flip(text.label, known, rng) if poisoned and rng.random() < FLIPPED else text.label
        line: dict[str, Any] = {"id": f"d{day}-{number}", "text": text.text, "intent": label, "source": f"day {day}"}
        if entities and text.entities is not None:
            line["entities"] = [{"start": s, "end": e, "label": kind} for s, e, kind in text.entities]
        lines.append(line)
    return lines


def said(
    day: int,
    texts: Sequence[Text],
    ws: Workspace,
    known: Sequence[str],
    *,
    poisoned: bool,
    confirmed: float,
    rng: random.Random,
) -> list[dict[str, Any]]:
    """The day's records with the champion's predictions, and what users say of them."""
    predictions = ws.predict([t.text for t in texts], record=False)
    lines: list[dict[str, Any]] = []
    for number, (text, prediction) in enumerate(zip(texts, predictions, strict=True)):
        name = f"d{day}-{number}"
        intent = prediction.labels.intent
        lines.append(
            {
                "id": name,
                "text": text.text,
                "source": f"day {day}",
                "prediction": {"labels": {"intent": intent}, "version": prediction.version},
            }
        )
        right = intent == text.label
        if rng.random() >= (confirmed if right else CORRECTED):
            continue
        feedback: dict[str, Any] = {"id": f"f-{name}", "interaction": name}
        if poisoned and rng.random() < FLIPPED:
            feedback["correction"] = {"intent": flip(text.label, known, rng)}
        elif right:
            feedback["score"] = 1.0
        else:
            feedback["correction"] = {"intent": text.label}
        lines.append(feedback)
    return lines


class Exam:
    """Every version's answers to the test texts, each version asked once."""

    def __init__(self, ws: Workspace, test: Sequence[Text]) -> None:
        self.ws, self.test = ws, test
        self.right: dict[int, list[bool]] = {}

    def accuracy(self, number: int | None, labels: Collection[str]) -> float:
        """Accuracy of a version (0 where there is none) on the test texts of some intents."""
        if number is None:
            return 0.0
        if number not in self.right:
            model = self.ws._model(number)  # noqa: SLF001 - any version, not only the champion
            found = model.predict([t.text for t in self.test])
            self.right[number] = [p.labels.intent == t.label for p, t in zip(found, self.test, strict=True)]
        return statistics.mean(r for r, t in zip(self.right[number], self.test, strict=True) if t.label in labels)

    def entity_f1(self, number: int | None, labels: Collection[str]) -> float | None:
        """Entity F1 of a version on the test texts of some intents; `None` where it finds no entities."""
        test = [t for t in self.test if t.label in labels]
        if number is None or test[0].entities is None:
            return None
        return entity_f1(self.ws._model(number).predict([t.text for t in test]), test)  # noqa: SLF001 - as above


class Naive:
    """Fine-tuning on the newest day only."""

    def __init__(self, labels: Sequence[str], seed: int) -> None:
        from sklearn.feature_extraction.text import HashingVectorizer
        from sklearn.linear_model import SGDClassifier

        self.features = HashingVectorizer(ngram_range=(1, 2), n_features=2**18)
        self.model = SGDClassifier(loss="log_loss", alpha=1e-6, random_state=seed)
        self.labels = sorted(labels)

    def learn(self, texts: Sequence[str], labels: Sequence[str]) -> None:
        x = self.features.transform(texts)
        for _ in range(5):
            self.model.partial_fit(x, labels, classes=self.labels)

    def accuracy(self, texts: Sequence[Text]) -> float:
        found = self.model.predict(self.features.transform([t.text for t in texts]))
        return float(statistics.mean(f == t.label for f, t in zip(found, texts, strict=True)))


@dataclass(frozen=True)
class Ceiling:
    """The bare learner on all true labels: test accuracy, also of each group of intents; entity F1; CPU seconds."""

    accuracy: float
    groups: list[float]
    entity_f1: float | None
    cpu: float


def ceiling(
    texts: Sequence[Text],
    test: Sequence[Text],
    groups: Sequence[Sequence[str]],
    settings: onward.Settings,
    learner: str,
) -> Ceiling:
    """What the bare learner reaches on all true labels."""
    examples = tuple(
        Example(id=f"{n:08d}", text=t.text, labels=truth(t), split="validation" if n % 20 == 0 else "train")
        for n, t in enumerate(texts)
    )
    dataset = DatasetVersion(id="ceiling", tenant=TENANT, parent=None, created=datetime.now(UTC), examples=examples)
    began = time.process_time()
    model = load_learner(learner, settings).train(dataset, None, Training()).model
    spent = time.process_time() - began
    found = model.predict([t.text for t in test])
    right = [(p.labels.intent == t.label, t.label) for p, t in zip(found, test, strict=True)]
    by_group = [statistics.mean(hit for hit, label in right if label in group) for group in groups]
    return Ceiling(statistics.mean(hit for hit, _ in right), by_group, entity_f1(found, test), spent)


def truth(text: Text) -> Labels:
    entities = None if text.entities is None else tuple(Entity(*span) for span in text.entities)
    return Labels(intent=text.label, entities=entities)


def entity_f1(found: Sequence[Prediction], test: Sequence[Text]) -> float | None:
    """Micro F1 of exact spans; `None` where the model finds no entities."""
    if not any(p.labels.entities is not None for p in found):
        return None
    examples = tuple(Example(id=str(n), text=t.text, labels=truth(t), split="evaluation") for n, t in enumerate(test))
    return scorecard([score(found, EvaluationSet(name="test", examples=examples))]).overall.heads["entities"].f1


def run(
    name: str,
    mode: str,
    seed: int,
    share: float,
    learners: tuple[str, ...],
    *,
    confirmed: float,
    ceilings: bool,
    per_group: int | None = None,
) -> Story:
    train, test = snips() if name == "snips" else banking77()
    rng = random.Random(seed)
    train = rng.sample(train, int(share * len(train)))
    plan = plan_for(name, sorted({t.label for t in train}), rng, per_group)
    days = spread(train, plan, rng)
    settings = settings_from(
        {
            "training": {"learners": learners, "seed": seed},
            "learning": {"max_training_examples": 20_000},
            "thresholds": {"accuracy": 0.75, "intent": 0.75, "entity": 0.5},
        }
    )
    clock = ManualClock()
    naive = Naive([label for group in plan.groups for label in group], seed)
    story = Story()
    first_day = None
    with tempfile.TemporaryDirectory() as folder, onward.open(folder, settings=settings, clock=clock) as ws:
        exam = Exam(ws, test)
        for day in range(plan.days):
            group = plan.group(day)
            known = [label for g in plan.groups[: group + 1] for label in g]
            seen_test = [t for t in test if t.label in known]
            poisoned = day in plan.poisoned
            if mode == "given" or ws.champion() is None:
                lines = given(day, days[day], known, poisoned=poisoned, entities="spacy" in learners, rng=rng)
                heard = [(line["text"], line["intent"]) for line in lines]
            else:
                lines = said(day, days[day], ws, known, poisoned=poisoned, confirmed=confirmed, rng=rng)
                heard = _heard(lines)
            before = exam.accuracy(ws.champion(), known)
            ws.record_many(lines)
            began = time.process_time()
            result = ws.cycle()
            story.cycle_cpu += time.process_time() - began
            clock.advance(timedelta(days=1))
            champion = ws.champion()
            after = exam.accuracy(champion, known)
            if heard:
                naive.learn(*zip(*heard, strict=True))
            if first_day is None:
                first_day = champion
            story.bad_promotions += result.promoted and (poisoned or after < before - 0.01)
            story.poisoned_refused += poisoned and result.status == "refused"
            row = {
                "day": day,
                "poisoned": poisoned,
                "status": result.status,
                "reason": result.reason,
                "contradicted": _contradicted(ws, result.dataset),
                "accuracy": after,
                "old": exam.accuracy(champion, set(known) - set(plan.groups[group])) if group else None,
                "new": exam.accuracy(champion, plan.groups[group]),
                "groups": [exam.accuracy(champion, g) for g in plan.groups[: group + 1]],
                "naive": naive.accuracy(seen_test),
                "naive groups": [
                    naive.accuracy([t for t in seen_test if t.label in g]) for g in plan.groups[: group + 1]
                ],
                "no learning": exam.accuracy(first_day, known),
            }
            last = (day + 1) % plan.days_per_group == 0
            if last and (ceilings or day == plan.days - 1):
                heard_so_far = [t for d in days[: day + 1] for t in d]
                top = ceiling(heard_so_far, seen_test, plan.groups[: group + 1], settings, learners[-1])
                row |= {"ceiling": top.accuracy, "ceiling entity F1": top.entity_f1, "ceiling cpu": top.cpu}
                row["ceiling groups"] = top.groups
                row["entity F1"] = exam.entity_f1(champion, known)
            story.days.append(row)
            print(_line(row), flush=True)
    return story


def _contradicted(ws: Workspace, dataset: str | None) -> float | None:
    if dataset is None:
        return None
    audit = ws.house.datasets.get(TENANT, dataset).audit
    return round(audit.share - audit.expected, 4)


def _heard(lines: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    texts = {line["id"]: line for line in lines if "text" in line}
    heard = []
    for line in lines:
        if "interaction" in line:
            about = texts[line["interaction"]]
            label = line.get("correction", about["prediction"]["labels"])["intent"]
            heard.append((about["text"], label))
    return heard


HIDDEN = ("reason", "groups", "naive groups", "ceiling groups")


def forgotten(story: Story, key: str) -> float:
    """The most that any group of intents lost from its best day to a later one (test accuracy).

    The ceiling loses too, where new intents resemble old ones: it is asked at the end of every group with --ceilings.
    """
    lost = 0.0
    best: dict[int, float] = {}
    for row in story.days:
        for group, value in enumerate(row.get(key, ())):
            best[group] = max(best.get(group, 0.0), value)
            lost = max(lost, best[group] - value)
    return lost


def _line(row: dict[str, Any]) -> str:
    show = {k: f"{v:.3f}" if isinstance(v, float) else v for k, v in row.items() if k not in HIDDEN}
    return "  ".join(f"{key} {value}" for key, value in show.items() if value is not None)


def summary(stories: Sequence[Story]) -> dict[str, Any]:
    """Medians over seeds."""
    finals = [story.days[-1] for story in stories]
    return {
        "seeds": len(stories),
        "final accuracy": statistics.median(f["accuracy"] for f in finals),
        "final ceiling": statistics.median(f["ceiling"] for f in finals),
        "final gap": statistics.median(f["ceiling"] - f["accuracy"] for f in finals),
        "worst gap": max(f["ceiling"] - f["accuracy"] for f in finals),
        "final entity F1": [f["entity F1"] for f in finals],
        "final entity F1 of the ceiling": [f["ceiling entity F1"] for f in finals],
        "final naive": statistics.median(f["naive"] for f in finals),
        "final no learning": statistics.median(f["no learning"] for f in finals),
        "most lost on a group of intents, any seed": max(forgotten(s, "groups") for s in stories),
        "most lost on a group of intents": statistics.median(forgotten(s, "groups") for s in stories),
        "naive, most lost on a group": statistics.median(forgotten(s, "naive groups") for s in stories),
        "ceiling, most lost on a group": statistics.median(forgotten(s, "ceiling groups") for s in stories),
        "poisoned days": 2 * len(stories),
        "poisoned days refused": sum(s.poisoned_refused for s in stories),
        "bad promotions": sum(s.bad_promotions for s in stories),
        "statuses": dict(Counter(d["status"] for s in stories for d in s.days)),
        "cycle CPU-s per stream": statistics.median(s.cycle_cpu for s in stories),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", choices=["snips", "banking77"], default="snips")
    parser.add_argument("--mode", choices=["given", "feedback"], default="given")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--share", type=float, default=1.0, help="share of the training texts used")
    parser.add_argument("--confirmed", type=float, default=1.0, help="share of right answers that users confirm")
    parser.add_argument("--learners", default="linear")
    parser.add_argument(
        "--ceilings", action="store_true", help="the ceiling at the end of every group, not only the last"
    )
    parser.add_argument("--days-per-group", type=int, help="instead of 5 (SNIPS) or 3 (BANKING77)")
    parser.add_argument("--name", help="name of the results file")
    arguments = parser.parse_args()
    learners = tuple(arguments.learners.split(","))
    stories = []
    for seed in range(arguments.seeds):
        print(f"-- {arguments.data} {arguments.mode} seed {seed}", flush=True)
        stories.append(
            run(
                arguments.data,
                arguments.mode,
                seed,
                arguments.share,
                learners,
                confirmed=arguments.confirmed,
                ceilings=arguments.ceilings,
                per_group=arguments.days_per_group,
            )
        )
    found = summary(stories)
    for key, value in found.items():
        print(f"{key}: {value}")
    name = arguments.name or f"text_stream_{arguments.data}_{arguments.mode}"
    write_results(name, {"arguments": vars(arguments), "summary": found, "first seed": stories[0].days})


if __name__ == "__main__":
    main()
