"""The tables of docs/guides/schedules.md are what the schedules do and what benchmarks/results/schedules.json says."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import onward.schedules
from onward.schedules import Curve

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "guides" / "schedules.md").read_text(encoding="utf8")
SHOWN = (0, 10, 25, 50, 75, 99)
BARS = " ▁▂▃▄▅▆▇█"
PICTURE = re.compile(r"^\| `(?P<call>\w+\(.*\))` \| (?P<picture>[▁▂▃▄▅▆▇█]+) \|(?P<values>.*)\|$", re.MULTILINE)


def picture(curve: Curve) -> str:
    """From 0 (the lowest bar) to 0.1 (the highest), every fourth of 100 steps."""
    return "".join(BARS[1 + min(7, int(curve.at(step) * 80))] for step in range(0, 100, 4))


def test_the_shapes_are_what_the_curves_do() -> None:
    rows = list(PICTURE.finditer(PAGE))
    shown = {row["call"].partition("(")[0] for row in rows}
    assert shown == {name for name, made in curves().items() if made}
    for row in rows:
        curve = eval(row["call"], dict(vars(onward.schedules)))
        values = " | ".join(f"{curve.at(step):.4f}" for step in SHOWN)
        assert f"| `{row['call']}` | {picture(curve)} | {values} |" == row[0]


def curves() -> dict[str, bool]:
    """Each function of the door, and whether it makes a curve."""
    functions = inspect.getmembers(onward.schedules, inspect.isfunction)
    return {name: inspect.signature(one).return_annotation == "Curve" for name, one in functions}


def row_of(found: dict[str, Any]) -> str:
    loss = f"{found['loss']:.3f} ± {found['loss half width']:.3f}"
    accuracy = f"{100 * found['accuracy']:.1f} ± {100 * found['accuracy half width']:.1f}"
    return f"| {found['schedule']} | {loss} | {accuracy} % |"


def row_of_quadratic(found: dict[str, Any]) -> str:
    return f"| {found['schedule']} | {found['log10 loss']:.2f} ± {found['half width']:.2f} | {found['worst']:.2f} |"


def test_the_guide_says_what_was_measured() -> None:
    results = json.loads((ROOT / "benchmarks" / "results" / "schedules.json").read_text(encoding="utf8"))
    expected = [*map(row_of, results["digits"]), *map(row_of_quadratic, results["quadratic"])]
    missing = [row for row in expected if row not in PAGE.splitlines()]
    assert not missing, "docs/guides/schedules.md lacks these rows:\n" + "\n".join(missing)
    assert f"{results['seeds']} seeds" in PAGE


def test_every_public_name_is_in_the_guide() -> None:
    names = [name for name in vars(onward.schedules) if not name.startswith("_")]
    assert [name for name in names if f"`{name}" not in PAGE] == []
