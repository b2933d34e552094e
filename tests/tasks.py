"""Made-up few-shot tasks: each names a few concepts by labels of its own; a concept is spoken of in many words."""

from __future__ import annotations

import random
from typing import Any

FILLERS = ("please", "today", "now", "again", "soon", "the", "about", "thing", "my", "urgent")
SYLLABLES = ("ba", "ke", "li", "mo", "nu", "ra", "se", "ti", "vo", "zu", "fa", "ge", "hi", "jo", "pu")


def vocabulary(concepts: int = 8, words: int = 8, seed: int = 0) -> list[list[str]]:
    """The words of each concept; no two concepts share one."""
    rng = random.Random(f"words {seed}")
    made: dict[str, None] = {}
    while len(made) < concepts * words:
        made["".join(rng.choice(SYLLABLES) for _ in range(4))] = None
    every = list(made)
    return [every[i * words : (i + 1) * words] for i in range(concepts)]


def task(
    name: str,
    said: list[list[str]],
    *,
    ways: int = 3,
    shots: int = 2,
    queries: int = 4,
    flipped: float = 0.0,
    labels: str = "abcdefgh",
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Support and query lines of a task; a share of the labels flipped to another one of the task."""
    rng = random.Random(f"task {name}")
    chosen = rng.sample(range(len(said)), ways)
    names = rng.sample(labels, ways)
    lines = [
        {
            "id": f"{name}-{label}-{n}",
            "text": " ".join([*rng.sample(said[concept], 2), *rng.sample(FILLERS, 3), f"x{rng.randrange(10**6)}"]),
            "intent": rng.choice([x for x in names if x != label]) if rng.random() < flipped else label,
            "user": f"u{rng.randrange(40)}",
        }
        for concept, label in zip(chosen, names, strict=True)
        for n in range(shots + queries)
    ]
    support = [line for line in lines if int(str(line["id"]).rsplit("-", 1)[1]) < shots]
    return support, [line for line in lines if line not in support]
