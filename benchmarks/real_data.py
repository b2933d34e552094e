"""Public data sets, found through the environment variable ONWARD_DATA and never shipped."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

DEFAULT = Path(__file__).resolve().parents[2] / "shared" / "data"


class Text(NamedTuple):
    """One labelled text. `entities`: (start, end, label) by character, or None where not annotated."""

    text: str
    label: str
    entities: tuple[tuple[int, int, str], ...] | None = None


def folder() -> Path | None:
    """The folder of data sets, or None where there is none."""
    found = Path(os.environ.get("ONWARD_DATA", DEFAULT))
    return found if found.is_dir() else None


def _lines(name: str) -> list[dict[str, Any]]:
    found = folder()
    if found is None:
        raise FileNotFoundError("Set ONWARD_DATA to the folder of data sets.")
    with gzip.open(found / name, "rt", encoding="utf8") as file:
        return [json.loads(line) for line in file]


def _spans(segments: list[list[str | None]]) -> tuple[str, tuple[tuple[int, int, str], ...]]:
    text, spans = "", []
    for words, slot in segments:
        if slot is not None:
            spans.append((len(text), len(text) + len(words or ""), slot))
        text += words or ""
    return text, tuple(spans)


def snips() -> tuple[list[Text], list[Text]]:
    """SNIPS (Sonos, CC0): 13,784 training and 700 test texts, 7 intents, 39 kinds of slots."""
    rows: dict[str, list[Text]] = {"train": [], "test": []}
    for line in _lines("text/snips_intents_slots.jsonl.gz"):
        text, spans = _spans(line["segments"])
        rows["train" if line["split"] == "train" else "test"].append(Text(text, line["label"], spans))
    return rows["train"], rows["test"]


def banking77() -> tuple[list[Text], list[Text]]:
    """BANKING77 (PolyAI, CC-BY 4.0): 10,003 training and 3,080 test texts, 77 intents."""
    rows: dict[str, list[Text]] = {"train": [], "test": []}
    for line in _lines("text/banking77.jsonl.gz"):
        rows[line["split"]].append(Text(line["text"], line["label"]))
    return rows["train"], rows["test"]


def sst2() -> tuple[list[Text], list[Text]]:
    """SST-2: 6,920 training and 1,821 test sentences, "positive" or "negative"."""
    rows: dict[str, list[Text]] = {"train": [], "test": []}
    for line in _lines("text/sst2.jsonl.gz"):
        name = ("negative", "positive")[line["label"]]
        rows.setdefault(line["split"], []).append(Text(line["text"], name))
    return rows["train"], rows["test"]
