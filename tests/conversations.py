"""Small labelled conversations for tests: learnable, varied, and the same every time."""

from __future__ import annotations

import random
from typing import Any

WORDS = {
    "order_status": (
        ["where is", "track", "has it shipped", "when will I get", "any news of"],
        ["my parcel", "order", "the delivery", "package"],
    ),
    "refund": (
        ["refund", "money back for", "return", "reimburse me for", "cancel and repay"],
        ["the broken lamp", "my purchase", "this chair", "those shoes"],
    ),
    "greeting": (["hello", "hi", "good morning", "hey", "greetings"], ["there", "team", "support", "everyone"]),
    "gift_card": (
        ["gift card", "voucher", "coupon code", "redeem", "balance of"],
        ["for my sister", "number", "expired", "at checkout"],
    ),
}
ENDS = ["please", "today", "thanks", "now", "again", "asap", "if possible", "soon", "urgently", "kindly"]
FEELINGS = {
    "positive": ["great", "lovely", "wonderful"],
    "negative": ["awful", "terrible", "horrible"],
    "neutral": ["ok", "fine", "so"],
}


def lines(
    count: int,
    *,
    intents: tuple[str, ...] = ("order_status", "refund", "greeting"),
    seed: int = 0,
    flipped: float = 0.0,
    sentiment: bool = False,
    source: str = "chat",
) -> list[dict[str, Any]]:
    """Interactions with given labels; a share of the intents flipped to another one."""
    rng = random.Random(f"{seed} {source}")
    made = []
    for number in range(count):
        intent = intents[number % len(intents)]
        verbs, objects = WORDS[intent]
        feeling = rng.choice(sorted(FEELINGS))
        words = [rng.choice(FEELINGS[feeling])] if sentiment else []
        text = " ".join(
            [*words, rng.choice(verbs), rng.choice(objects), rng.choice(ENDS), f"ref{rng.randrange(10**6)}"]
        )
        said = rng.choice([i for i in intents if i != intent]) if rng.random() < flipped else intent
        line: dict[str, Any] = {
            "id": f"{source}-{seed}-{number}",
            "text": text,
            "intent": said,
            "user": f"u{number % 17}",
            "source": source,
        }
        if sentiment:
            line["sentiment"] = feeling
        made.append(line)
    return made
