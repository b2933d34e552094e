"""Sum up what the fault tests counted: python -m tests.faults.report FOLDER SECONDS

Writes benchmarks/results/faults.json, and prints the same as a table.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.machine import write_results

from tests.faults.harness import FAULTS, SEED

ALL = ("kills", "acknowledged", "lost", "doubled")


def main(folder: str, seconds: str) -> None:
    parts = [json.loads(file.read_text(encoding="utf8")) for file in sorted(Path(folder).glob("*.json"))]
    found = summed(parts)
    results = {
        "asked_for": FAULTS,
        "seed": SEED,
        "seconds": round(float(seconds)),
        **{name: found["counts"][name] for name in ALL},
        "kills_by_operation": found["kills"],
        "other_faults": {name: count for name, count in sorted(found["counts"].items()) if name not in ALL},
        "doctor": dict(sorted(found["findings"].items())),
        "tests": len(parts),
    }
    file = write_results("faults", results)
    for name, count in [*results.items(), *found["kills"].items(), *results["other_faults"].items()]:
        if not isinstance(count, dict):
            print(f"{name:44} {count:>10}")
    print(file)
    if found["counts"]["lost"] or found["counts"]["doubled"]:
        raise SystemExit("Something acknowledged was lost, or is there twice.")


def summed(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """All counts, all findings, and the kills of each test."""
    counts, findings, kills = Counter[str](), Counter[str](), {}
    for part in parts:
        counts.update(part["counts"])
        findings.update(part["findings"])
        if part["counts"].get("kills"):
            kills[part["name"].removeprefix("test_killed_while_")] = part["counts"]["kills"]
    return {"counts": counts, "findings": findings, "kills": kills}


if __name__ == "__main__":
    main(*sys.argv[1:])
