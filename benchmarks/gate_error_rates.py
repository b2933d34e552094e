"""How often the gate errs: simulated candidates whose true quality is known, judged like real ones.

Run: python benchmarks/gate_error_rates.py [candidates]

For every row of the first table so many candidates are judged (1,000 by default: minutes on one core), for the others
three tenths of that.
"""

from __future__ import annotations

import json
import math
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from onward.config import GateSettings, ThresholdSettings
from onward.core import Head, LabelAudit, Verdict
from onward.evaluation import HeadOutcomes, Outcomes, judge, scorecard

RESULTS = Path(__file__).parent / "results" / "gate_error_rates.json"
NO_THRESHOLDS = ThresholdSettings(accuracy=0.0, intent=0.0, sentiment=0.0, entity=0.0)
Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class World:
    """What is simulated. Rates are shares of answers, 0..1.

    Args:
        new: new evaluation examples.
        old: sizes of the older sets.
        heads: heads that every example has.
        accuracy: of the champion, on average; examples differ in how hard they are, equally for all heads.
        churn: share of answers in which an equally good candidate differs (hard examples more often).
        gain: accuracy by which the candidate is truly better on the new work; negative: worse.
        gain_old: the same on the older sets.
        lost: accuracy that it truly loses on the first older set, beside that.
        intents: intents, equally frequent.
        forgotten: share of the first intent's right answers that it forgets.
        slow: whether all that was over many cycles: the champion of today is as the candidate, and the one of the world
            is that of the day when the sets were frozen.
    """

    new: int
    old: tuple[int, ...] = ()
    heads: tuple[Head, ...] = ("intent",)
    accuracy: float = 0.9
    churn: float = 0.05
    gain: float = 0.0
    gain_old: float = 0.0
    lost: float = 0.0
    intents: int = 10
    forgotten: float = 0.0
    slow: bool = False


def simulate(world: World, random: np.random.Generator) -> tuple[list[Outcomes], list[Outcomes]]:
    """Outcomes of one candidate and of the champion on the same sets, oldest first."""
    shifts = [world.gain_old - (world.lost if at == 0 else 0.0) for at in range(len(world.old))]
    sets = zip(world.old, shifts, strict=True)
    pairs = [_pair(f"set{at:03d}", size, world, random, shift) for at, (size, shift) in enumerate(sets)]
    pairs.append(_pair("new", world.new, world, random, world.gain))
    return [candidate for candidate, _ in pairs], [champion for _, champion in pairs]


def _pair(name: str, count: int, world: World, random: np.random.Generator, shift: float) -> tuple[Outcomes, Outcomes]:
    ease = random.beta(4 * world.accuracy, 4 * (1 - world.accuracy), count)
    intent = random.integers(world.intents, size=count)
    answers = [_answers(ease, intent, world, random, shift) for _ in world.heads]
    candidate = _outcomes(name, world.heads, intent, [after for after, _ in answers])
    return candidate, _outcomes(name, world.heads, intent, [before for _, before in answers])


def _answers(
    ease: NDArray[np.float64], intent: NDArray[np.int64], world: World, random: np.random.Generator, shift: float
) -> tuple[Flags, Flags]:
    before = random.random(len(ease)) < ease
    redrawn = random.random(len(ease)) < world.churn / (2 * _spread(world.accuracy))
    after = np.where(redrawn, random.random(len(ease)) < ease, before)
    rate = shift / (1 - world.accuracy) if shift > 0 else -shift / world.accuracy
    moved = random.random(len(ease)) < rate
    after = np.where(moved, shift > 0, after)
    return after & ~((intent == 0) & (random.random(len(ease)) < world.forgotten)), before


def _spread(accuracy: float) -> float:
    """Mean of ease * (1 - ease) for ease ~ Beta(4 accuracy, 4 (1 - accuracy))."""
    return accuracy * (1 - accuracy) * 4 / 5


def _outcomes(name: str, heads: Sequence[Head], intent: NDArray[np.int64], right: Sequence[Flags]) -> Outcomes:
    where, ids = np.arange(len(intent)), _ids(name, len(intent))
    wanted = tuple(map("intent{}".format, intent.tolist()))
    found = {head: _head(head, where, wanted, flags) for head, flags in zip(heads, right, strict=True)}
    return Outcomes(name, name == "new", ids, np.mean([flags.astype(float) for flags in right], axis=0), found)


def _head(head: Head, where: NDArray[np.int64], wanted: tuple[str, ...], right: Flags) -> HeadOutcomes:
    if head == "entities":
        spans = np.stack([right, ~right, ~right], axis=1).astype(np.intp)
        return HeadOutcomes(where, right.astype(float), (), (), spans)
    said = tuple(label if ok else "other" for label, ok in zip(wanted, right.tolist(), strict=True))
    return HeadOutcomes(where, right.astype(float), wanted, said, np.empty((0, 3), np.intp))


@cache
def _ids(name: str, count: int) -> tuple[str, ...]:
    return tuple(f"{name}/{at}" for at in range(count))


def verdicts(world: World, candidates: int, seed: int, **gate: float) -> list[Verdict]:
    """The gate's verdicts on so many simulated candidates, without absolute thresholds."""
    random = np.random.default_rng(seed)
    settings = GateSettings.model_validate(gate)
    return [verdict(*simulate(world, random), settings, slow=world.slow) for _ in range(candidates)]


def verdict(candidate: Sequence[Outcomes], champion: Sequence[Outcomes], gate: GateSettings, *, slow: bool) -> Verdict:
    """The gate's, without absolute thresholds."""
    once = scorecard([replace(part, new=True) for part in champion]).sets if slow else ()
    today = candidate if slow else champion
    return judge(
        candidate,
        today,
        audit=LabelAudit(),
        gate=gate,
        thresholds=NO_THRESHOLDS,
        standards={one.name: one for one in once},
    )


def promoted(verdict: Verdict) -> bool:
    return verdict.decision == "promote"


def failed(prefix: str) -> Callable[[Verdict], bool]:
    """Whether a check with a name that begins so failed."""
    return lambda verdict: any(check.name.startswith(prefix) and not check.passed for check in verdict.checks)


def interval(hits: int, trials: int) -> tuple[float, float]:
    """95 % interval of a rate (Wilson, 1927)."""
    rate, z = hits / trials, 1.96
    centre = (rate + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(rate * (1 - rate) / trials + z * z / (4 * trials * trials)) / (1 + z * z / trials)
    return max(0.0, centre - half), min(1.0, centre + half)


Row = tuple[str, World, Callable[[Verdict], bool], Mapping[str, float]]
THREE: tuple[Head, ...] = ("intent", "sentiment", "entities")
SEVEN, FIFTY = (100,) * 7, (60,) * 50


def false_promotions() -> Iterable[Row]:
    """Candidates no better than the champion: every promotion is an error."""
    worlds = {
        "15 new, no older set": World(15, churn=0.2),
        "50 new, 1 older set": World(50, (100,)),
        "100 new, 7 older sets": World(100, SEVEN),
        "100 new, 7 older sets, churn 2 %": World(100, SEVEN, churn=0.02),
        "100 new, 7 older sets, churn 15 %": World(100, SEVEN, churn=0.15),
        "1000 new, 7 older sets": World(1000, SEVEN),
        "1000 new, no older set, churn 15 %": World(1000, churn=0.15),
        "30 new, 50 older sets": World(30, FIFTY),
        "100 new, 7 older sets, 3 heads": World(100, SEVEN, THREE),
        "300 new, 7 older sets, accuracy 0.6, churn 20 %": World(300, SEVEN, accuracy=0.6, churn=0.2),
        "100 new, 7 older sets, 1 point worse": World(100, SEVEN, gain=-0.01, gain_old=-0.01),
        "100 new, 7 older sets, 5 points worse": World(100, SEVEN, gain=-0.05, gain_old=-0.05),
        "1000 new, 7 older sets, worse by 1 point on new work only": World(1000, SEVEN, gain=-0.01),
    }
    for name, world in worlds.items():
        yield name, world, promoted, {}
    for count, churn in ((50, 0.05), (300, 0.02), (300, 0.05), (1000, 0.05)):
        worse = World(count, SEVEN, gain=-0.02, gain_old=-0.02, churn=churn)
        yield f"margin 0.02, {count} new, 2 points worse, churn {churn:.0%}", worse, promoted, {"margin": 0.02}


def power() -> Iterable[Row]:
    """Better candidates: the share promoted."""
    for gain in (0.01, 0.02, 0.05, 0.1, 0.5):
        for new in (50, 100, 300, 1000):
            world = World(new, SEVEN, accuracy=min(0.9, 0.97 - gain), gain=gain)
            both = World(new, SEVEN, accuracy=world.accuracy, gain=gain, gain_old=gain)
            yield f"{gain * 100:.0f} points better on {new} new", world, promoted, {}
            yield f"{gain * 100:.0f} points better on {new} new and on 700 older", both, promoted, {}
    for new in (50, 100, 300, 1000):
        yield f"equal, margin 0.02, {new} new, churn 2 %", World(new, SEVEN, churn=0.02), promoted, {"margin": 0.02}
        yield f"equal, margin 0.02, {new} new, churn 5 %", World(new, SEVEN), promoted, {"margin": 0.02}


def false_refusals() -> Iterable[Row]:
    """Equally good candidates: the share that each check refuses."""
    for churn in (0.01, 0.02, 0.05, 0.1):
        for name, old in (("7 older sets of 60", (60,) * 7), ("50 older sets of 60", FIFTY)):
            for heads in (("intent",), THREE):
                world = World(60, old, heads, churn=churn)
                yield f"forgetting: {name}, churn {churn:.0%}, {len(heads)} heads", world, failed("forgetting"), {}
    banking = World(100, (440,) * 7, intents=77, churn=0.05)
    yield "intents: 77 intents, 40 older examples each", banking, failed("intent "), {}
    small = World(100, (110,) * 7, intents=77, churn=0.1)
    yield "intents: 77 intents, 10 older examples each, churn 10 %", small, failed("intent "), {}
    yield "not worse: 100 new, 3 heads", World(100, SEVEN, THREE), failed("not worse"), {}
    for churn in (0.05, 0.1, 0.144):
        for name, old in (("7 older sets of 60", (60,) * 7), ("50 older sets of 60", FIFTY), ("7 of 150", (150,) * 7)):
            world = World(60, old, churn=churn, slow=True)
            yield f"slip of a set: {name}, churn {churn:.0%} since they were frozen", world, failed("slip set"), {}
    for churn in (0.05, 0.1, 0.144):
        for each in (10, 20, 40):
            world = World(100, (11 * each,) * 7, intents=77, churn=churn, slow=True)
            name = f"77 intents, {each} older examples each, churn {churn:.0%} since they were frozen"
            yield f"slip of an intent: {name}", world, failed("slip intent"), {}


def detection() -> Iterable[Row]:
    """Harmful candidates: the share that the check in question refuses."""
    for lost in (0.06, 0.1, 0.2):
        for size, sets in ((60, 7), (60, 50), (150, 7), (150, 50), (300, 7)):
            world = World(60, (size,) * sets, lost=lost, churn=0.02)
            yield f"{lost * 100:.0f} points lost on 1 of {sets} sets of {size}", world, failed("forgetting"), {}
    for churn in (0.05, 0.1):
        for size, sets in ((60, 7), (60, 50), (150, 7)):
            world = World(60, (size,) * sets, lost=0.2, churn=churn)
            yield f"20 points lost on 1 of {sets} sets of {size}, churn {churn:.0%}", world, failed("forgetting"), {}
    for each, share in ((10, 0.5), (10, 1.0), (20, 0.5), (20, 1.0), (40, 0.5)):
        world = World(100, (11 * each,) * 7, intents=77, churn=0.02, forgotten=share)
        yield f"1 intent of 77 ({each} older examples) forgotten to {share:.0%}", world, failed("intent intent0"), {}
    for lost in (0.1, 0.2, 0.3):
        for size, sets in ((60, 7), (60, 50), (150, 7), (150, 50), (300, 7)):
            slow = World(60, (size,) * sets, lost=lost, slow=True)
            yield (
                f"{lost * 100:.0f} points lost on 1 of {sets} sets of {size}, bit by bit",
                slow,
                failed("slip set"),
                {},
            )
    for each, share in ((10, 0.5), (10, 1.0), (20, 0.5), (20, 1.0), (40, 0.5)):
        slow = World(100, (11 * each,) * 7, intents=77, forgotten=share, slow=True)
        name = f"1 intent of 77 ({each} older examples) forgotten to {share:.0%}, bit by bit"
        yield name, slow, failed("slip intent intent0"), {}


TABLES: dict[str, Callable[[], Iterable[Row]]] = {
    "false promotion": false_promotions,
    "power": power,
    "false refusal": false_refusals,
    "detection": detection,
}


def measured(row: Row, candidates: int, seed: int) -> dict[str, Any]:
    name, world, asked, gate = row
    hits = sum(asked(verdict) for verdict in verdicts(world, candidates, seed, **gate))
    low, high = interval(hits, candidates)
    print(f"  {name:66s} {hits / candidates:6.1%}   [{low:6.1%}, {high:6.1%}]", flush=True)
    return {
        "row": name,
        "candidates": candidates,
        "rate": hits / candidates,
        "interval": [low, high],
        "world": asdict(world),
        "gate": dict(gate),
    }


def seconds_for(examples: int) -> float:
    """Median CPU seconds of one verdict on so many examples with three heads, a fifth of them new."""
    world = World(examples // 5, (examples // 20,) * 16, THREE, intents=77)
    candidate, champion = simulate(world, np.random.default_rng(0))
    times = []
    for _ in range(7):
        start = time.process_time()
        judge(candidate, champion, audit=LabelAudit(), gate=GateSettings(), thresholds=NO_THRESHOLDS)
        times.append(time.process_time() - start)
    return sorted(times)[3]


def machine() -> dict[str, Any]:
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(models),
        "python": platform.python_version(),
    }


def main(candidates: int = 1000) -> None:
    start, found = time.time(), {}
    for seed, (table, rows) in enumerate(TABLES.items()):
        count = candidates if table == "false promotion" else max(1, candidates * 3 // 10)
        print(f"{table} ({count} candidates a row, with 95 % intervals)")
        found[table] = [measured(row, count, 1000 * seed + at) for at, row in enumerate(rows())]
    speed = {str(count): seconds_for(count) for count in (1000, 5000, 20_000)}
    for count, seconds in speed.items():
        print(f"judge() on {count} examples with 3 heads: {seconds * 1000:.0f} ms CPU")
    equal = [row for row in found["false promotion"] if not row["world"]["gain"]]
    total = sum(row["candidates"] for row in equal)
    promotions = round(sum(row["rate"] * row["candidates"] for row in equal))
    low, high = interval(promotions, total)
    print(
        f"{promotions} of {total} candidates exactly as good promoted: {promotions / total:.1%} [{low:.1%}, {high:.1%}]"
    )
    result = {"machine": machine(), "seconds": time.time() - start, "cpu_seconds": speed}
    result["exactly as good"] = {"promoted": promotions, "candidates": total, "interval": [low, high]}
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps({**result, **found}, indent=1) + "\n")


if __name__ == "__main__":
    main(*(int(argument) for argument in sys.argv[1:2]))
