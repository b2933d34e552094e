"""The figures of docs/guides/trends.md are those of benchmarks/results/trend_power.json."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
PEERS = ("plain", "Hamed-Rao", "Yue-Wang", "pre-whitening", "trend-free pre-whitening")
COLUMNS: dict[str, tuple[str, ...]] = {
    "false alarms": ("onward", "30-59", "60-199", "200-999", "onward at 1 %", *PEERS),
    "power": ("50", "200", "800", "plain", "Hamed-Rao", "pre-whitening"),
    "coverage": ("50", "200", "800"),
    "convergence": ("0.0", "0.5", "1.0", "1.5", "2.0"),
    "watch": ("ever", "again"),
    "change points, false alarms": ("onward", "ruptures"),
    "change points, found": ("exactly", "too many"),
}
LAST = {"watch": "median first", "change points, found": "median points off"}


def cell(found: dict[str, Any], column: str) -> str:
    share = f"{100 * found['rate']:.1f} %"
    low, high = found["interval"]
    return f"{share} ({100 * low:.1f} to {100 * high:.1f})" if column == "onward" else share


def rows(results: dict[str, Any], table: str) -> Iterator[str]:
    for row in results[table]:
        cells = [row["row"], *(cell(row[column], column) for column in COLUMNS[table])]
        if table in LAST:
            cells.append("-" if row[LAST[table]] is None else f"{row[LAST[table]]:.0f}")
        yield f"| {' | '.join(cells)} |"


def speeds(results: dict[str, Any]) -> Iterator[str]:
    for row in results["cpu"]:
        yield f"| {row['what']} | {row['milliseconds']:.2f} | {row['first']:.2f} |"


def test_the_guide_says_what_was_measured() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "trend_power.json").read_text(encoding="utf8"))
    page = set((ROOT / "docs" / "guides" / "trends.md").read_text(encoding="utf8").splitlines())
    expected = [*speeds(results), *(row for table in COLUMNS for row in rows(results, table))]
    assert [row for row in expected if row not in page] == []
