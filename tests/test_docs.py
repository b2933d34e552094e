"""The documentation is true: every block runs, every link leads somewhere, every setting, command and code is named."""

from __future__ import annotations

import contextlib
import io
import json
import re
import shlex
import shutil
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import onward
from onward.autonomous import ConversationMetadata, LearningCycleResult, LearningMetrics, ValidationResult
from onward.cli import EXIT_CODES, app
from onward.config import Settings, settings_from
from onward.experience import read_lines
from tests.cli.terminal import run

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
SUPPORT = ROOT / "examples" / "support"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = [*PAGES, *sorted(ROOT.glob("[A-Z]*.md")), *sorted((ROOT / "changelog.d").glob("*.md"))]
SAMPLES = {"conversations": "day1", "next-week": "day2", "imported": "day3_poisoned"}
LINEAR = {"ONWARD_TRAINING__LEARNERS": '["linear"]'}
NAME_THEIR_LEARNERS = {"learners.md", "few-shot.md", "continual-loop.md"}
FIND_A_WORKSPACE = {
    "alerts.md",
    "gate.md",
    "curation.md",
    "operating.md",
    "back-ups.md",
    "tracker.md",
}  # .onward, with two versions
FENCE = re.compile(r"^```(?P<language>\w*)(?P<options>[^\n]*)\n(?P<body>.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[[^\]]*\]\((?P<target>[^)\s]+)\)")
PRINTED = re.compile(r"^\s*print\(.*\)  # (.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, the file it is, if it is one, and its text."""

    language: str
    title: str | None
    body: str


def blocks(page: Path) -> list[Block]:
    found = []
    for fence in FENCE.finditer(page.read_text(encoding="utf8")):
        title = re.search(r'title="([^"]+)"', fence["options"])
        found.append(Block(fence["language"], title and title[1], fence["body"]))
    return found


def name_of(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


# Blocks ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files that the documentation reads: our support desk, without what the linear learner does not learn."""
    folder = tmp_path_factory.mktemp("samples")
    for name, day in SAMPLES.items():
        lines = map(_without_entities, (SUPPORT / f"{day}.jsonl").read_text(encoding="utf8").splitlines())
        (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf8")
    return folder


def _without_entities(line: str) -> str:
    try:
        record = json.loads(line)
    except ValueError:
        return line
    for labels in (record.get("labels"), record.get("correction")):
        if labels:
            labels.pop("entities", None)
    return json.dumps(record)


@pytest.fixture(scope="module")
def taught(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with two versions, the second in service."""
    folder = tmp_path_factory.mktemp("taught") / "workspace"
    with onward.open(folder, settings={"training": {"learners": ["linear"]}}) as workspace:
        for name in ("conversations", "next-week"):
            workspace.record_file(samples / f"{name}.jsonl")
            assert workspace.cycle().status == "promoted"
    return folder


@pytest.fixture
def place(samples: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a page runs: the current folder, on Python's path, with the sample files in it."""
    folder = tmp_path / "place"
    shutil.copytree(samples, folder)
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("ONWARD_WORKSPACE", raising=False)
    before = set(sys.modules)
    yield folder
    for module in set(sys.modules) - before:
        if str(getattr(sys.modules[module], "__file__", "")).startswith(str(folder)):
            del sys.modules[module]


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page)], ids=name_of)
def test_every_block_runs(
    page: Path, place: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    environment = {} if page.name in NAME_THEIR_LEARNERS else LINEAR
    for key, value in environment.items():
        monkeypatch.setenv(key, value)
    if page.name in FIND_A_WORKSPACE:
        shutil.copytree(request.getfixturevalue("taught"), place / ".onward")
    namespace: dict[str, Any] = {"__name__": "documentation"}
    try:
        for block in blocks(page):
            run_block(block, namespace, place, environment)
    finally:
        for value in namespace.values():
            if isinstance(value, onward.Workspace):
                value.close()


def run_block(block: Block, namespace: dict[str, Any], place: Path, environment: dict[str, str]) -> None:
    match block.language:
        case "python" if block.title:
            (place / block.title).write_text(block.body, encoding="utf8")
        case "python":
            run_python(block.body, namespace)
        case "console":
            run_console(block.body, environment)
        case "json":
            now = onward.core.SystemClock().now()
            assert read_lines(block.body.encode(), source="docs", now=now).bad == ()
        case "toml":
            settings_from(tomllib.loads(block.body))
        case other:
            assert other == "text", f"A block of {other or 'nothing'} is neither run nor marked as text."


def run_python(source: str, namespace: dict[str, Any]) -> None:
    """Run it; what stands in a comment after a print is what is printed."""
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(source, "documentation", "exec"), namespace)
    printed = iter(out.getvalue().splitlines())
    for expected in PRINTED.findall(source):
        assert expected in printed, f"{expected!r} was not printed, but:\n{out.getvalue()}"


def run_console(text: str, environment: dict[str, str]) -> None:
    for line in text.splitlines():
        assert line.startswith("$ "), f"{line!r} is no command."
        command, _, remark = line.removeprefix("$ ").partition("  # exit ")
        for part in command.split(" && "):
            program, *arguments = shlex.split(part, comments=True)
            if program == "make":
                assert re.search(rf"^{arguments[0]}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
                continue
            assert program == "onward"
            answer = run(*arguments, env={**environment})
            assert answer.code == int(remark or 0), f"{part}: {answer.code}\n{answer.out}{answer.err}"


def test_the_learner_of_the_guide_is_the_example() -> None:
    (learner,) = [block.body for block in blocks(DOCS / "guides" / "learners.md") if block.title]
    example = (ROOT / "examples" / "own_learner.py").read_text(encoding="utf8")
    definitions = learner[learner.index("def create") :]
    assert definitions in example


# Mentions ----------------------------------------------------------------------------------------------------------


def settings_rows() -> Iterator[tuple[str, str]]:
    for section, table in Settings():
        if isinstance(table, BaseModel):
            for name, field in type(table).model_fields.items():
                default = json.dumps(getattr(table, name))
                yield section, f"| `{name}` | `{default}` | {field.description} |"


@pytest.mark.parametrize(("section", "row"), list(settings_rows()))
def test_every_setting_is_in_its_table(section: str, row: str) -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf8")
    _, _, after = page.partition(f"## {section}\n")
    assert row in after.partition("\n## ")[0].splitlines()


def test_no_setting_is_in_a_table_that_is_gone() -> None:
    page = (DOCS / "settings.md").read_text(encoding="utf8")
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == list(Settings.model_fields)
    told = [line for line in page.splitlines() if line.startswith("| `")]
    assert told == [row for _, row in settings_rows()]


@pytest.mark.parametrize(
    "command", sorted(str(one.callback.__name__) for one in app.registered_commands if one.callback)
)
def test_every_command_is_mentioned(command: str) -> None:
    assert f"`onward {command}" in (DOCS / "guides" / "operating.md").read_text(encoding="utf8")


@pytest.mark.parametrize("code", EXIT_CODES)
def test_every_exit_code_is_mentioned(code: int) -> None:
    assert re.search(rf"^\| {code} \| \w", (DOCS / "guides" / "operating.md").read_text(encoding="utf8"), re.MULTILINE)


@pytest.mark.parametrize("kind", [onward.Interaction, onward.Feedback, onward.Labels])
def test_every_key_of_a_record_is_mentioned(kind: Any) -> None:
    page = (DOCS / "guides" / "records.md").read_text(encoding="utf8")
    assert [field.name for field in fields(kind) if f"`{field.name}`" not in page] == []


@pytest.mark.parametrize("kind", [ConversationMetadata, LearningCycleResult, ValidationResult, LearningMetrics])
def test_everything_the_autonomous_learner_says_is_mentioned(kind: Any) -> None:
    page = (DOCS / "guides" / "autonomous.md").read_text(encoding="utf8")
    assert [field.name for field in fields(kind) if f"`{field.name}`" not in page] == []


def doors() -> Iterator[tuple[str, list[str]]]:
    for page in sorted((DOCS / "reference").glob("*.md")):
        door = page.read_text(encoding="utf8").splitlines()[0].removeprefix("# ")
        init = ROOT / "src" / door.replace(".", "/") / "__init__.py"
        source = init.read_text(encoding="utf8") if init.exists() else ""
        yield door, re.findall(r"^from \._\w+ import \w+ as (\w+)$", source, re.MULTILINE)


@pytest.mark.parametrize(("door", "names"), list(doors()))
def test_every_public_name_is_in_the_reference(door: str, names: list[str]) -> None:
    pages = "".join(page.read_text(encoding="utf8") for page in (DOCS / "reference").glob("*.md"))
    told = re.findall(rf"^::: {re.escape(door)}\.(\w+)$", pages, re.MULTILINE)
    assert set(names) <= set(told)
    assert len(told) == len(set(told)) > 0


def test_every_decision_is_listed() -> None:
    index = (DOCS / "decisions" / "index.md").read_text(encoding="utf8")
    records = sorted(DOCS.glob("decisions/0*.md"))
    expected = [
        f"- [{one.read_text(encoding='utf8').splitlines()[0].removeprefix('# ')}]({one.name})" for one in records
    ]
    assert [line for line in index.splitlines() if line.startswith("- ")] == expected


# Figures -----------------------------------------------------------------------------------------------------------


def result(name: str) -> Any:
    return json.loads((RESULTS / f"{name}.json").read_text(encoding="utf8"))


def figures() -> Iterator[str]:
    """The rows of docs/benchmarks.md that the stored results make."""
    for row in result("linear_learner")["full"]:
        accuracy = f"{row['accuracy']:.4f} | {row['calibration_error']:.4f} | {row['cpu_seconds']} | {row['megabytes']}"
        times = f"{row['predict_us_batch']} | {row['predict_us_single']}"
        yield f"| {row['name']} | {row['examples']:,} | {accuracy} | {times} |"
    for row in result("linear_learner")["quick"]:
        accuracy = f"{row['accuracy']:.4f} | {row['calibration_error']:.4f} | {row['cpu_seconds_each']}"
        yield f"| {row['name']} | {row['updates']} | {row['new_each']:,} | {accuracy} |"
    for row in gate_rows():
        yield f"| {row['row']} | {row['candidates']} | {100 * row['rate']:.1f} % |"
    yield from personal_data_rows()
    yield from recording_rows()
    yield from scale_rows()
    yield from tracker_rows()
    yield from strategy_rows()
    for name, row in result("few_shot_text")["all seeds"].items():
        shares = (f"{100 * one['mean']:.1f} % ± {100 * one['interval']:.1f}" for one in row.values())
        yield f"| BANKING77, {name} | {' | '.join(shares)} |"
    yield from meta_accuracy_rows()
    yield from meta_speed_rows()
    yield from continual_rows()
    for name, row in result("task_sampling")["batches"].items():
        cells = (f"{row[key]:.1f}" if key in row else "-" for key in ("CPU ms", "least ms", "one by one CPU ms"))
        yield f"| {name} | {' | '.join(cells)} |"


def continual_rows() -> Iterator[str]:
    yield from continual_accuracy_rows()
    yield from continual_cifar_rows()
    for name, row in result("continual_stream")["rows"].items():
        yield f"| Elec2, {name} | {plus_minus(row['accuracy'], 100, 1)} |"
    for name, row in result("continual_text")["methods"].items():
        yield f"| {name} | {100 * row['accuracy'][0]:.1f} % | {100 * row['forgetting'][0]:.1f} |"
    found = result("continual_speed")
    for work, row in found["steps"].items():
        told = [f"{one['CPU ms a step']:.2f} ({one['over by hand']:.2f})" if (one := row.get(name)) else "-"
                for name in ("by hand", "onward", "Avalanche")]  # fmt: skip
        yield f"| {work} | {' | '.join(told)} |"
    for part in ("fisher", "memory"):
        for name, value in found[part].items():
            yield f"| {name} | {value} |"


def continual_accuracy_rows() -> Iterator[str]:
    found = result("continual_accuracy")
    kinds = ("task", "domain", "class")
    for work, one in found["workloads"].items():
        for name, row in one["rows"].items():
            family, kind, *_ = work.split(", ")
            known = "-" if "one pass" in work else found["published"][family].get(name, "-")
            known = known[kinds.index(kind)] if isinstance(known, list) else known
            steps = f"{row['average']['seeds']} x {' or '.join(row['steps'])}"
            told = f"{plus_minus(row['average'], 100, 1)} | {plus_minus(row['forgetting'], 100, 1)}"
            yield f"| {work}, {name} | {steps} | {told} | {known} |"


def continual_cifar_rows() -> Iterator[str]:
    found = result("continual_cifar")
    for protocol, one in found["protocols"].items():
        for name, row in one["rows"].items():
            told = [plus_minus(row[part], 1, 1) for part in ("class", "class, forgotten", "task", "task, forgotten")]
            known = found["published"].get(name)
            papers = "- | -" if known is None else f"{known['class']:.1f} | {known['task']:.1f}"
            yield f"| {protocol}: {name} | {' | '.join(told)} | {papers} |"


def meta_speed_rows() -> Iterator[str]:
    columns = ("onward", "onward, compiled", "learn2learn", "higher", "torchopt", "nested loop", "vmap(grad)", "JAX")
    for work, by_threads in result("meta_speed")["workloads"].items():
        for threads, found in by_threads.items():
            rates = [found.get(name, {}).get("tasks a second") for name in columns]
            cells = ["-" if rate is None else f"{rate:,.{0 if rate >= 100 else 1}f}" for rate in rates]
            ratio = f"{found['learn2learn']['ours over it']:.2f}"
            yield f"| {work}, {threads} thread{'' if threads == '1' else 's'} | {' | '.join(cells)} | {ratio} |"


def meta_accuracy_rows() -> Iterator[str]:
    found = result("meta_accuracy")
    for name, row in found["workloads"]["sinusoid"]["rows"].items():
        told = [plus_minus(row.get(f"{steps} steps"), 1, 2) for steps in (0, 1, 2, 5, 10)]
        yield f"| {name} | {len(row['steps'])} | {' | '.join(told)} |"
    shapes = [f"{ways}-way {shots}-shot" for ways in (5, 20) for shots in (1, 5)]
    for name, row in found["workloads"]["omniglot"]["rows"].items():
        if "steps" in row:
            told = [plus_minus(row.get(shape), 100, 1) for shape in shapes]
            yield f"| {name} | {len(row['steps'])} x {max(row['steps']):,} | {' | '.join(told)} |"
    for name, runs in found["workloads"]["omniglot"]["runs"].items():
        for seed, one in runs.items():
            points = [(row["step"], 100 * row["validation_accuracy"]) for row in one["curve"]]
            yield f"| {name}, seed {seed} | {', '.join(f'{step:,}: {right:.1f}' for step, right in points)} |"
    for name, paper in found["papers"].items():
        if "omniglot" in paper:
            yield f"| {name}, paper | | {' | '.join(map(str, paper['omniglot']))} |"
    bare = [f"over logistic regression, {rows}" for rows in ("the ten examples", "all training projects")]
    for name, row in found["workloads"]["tabular"]["rows"].items():
        told = [plus_minus(row.get(part), 1, 3) for part in ("AUC", *bare)]
        yield f"| {name} | {' | '.join(told)} |"


def plus_minus(part: dict[str, Any] | None, times: float, digits: int) -> str:
    """A mean with its half width."""
    if not part or part["half width"] is None:
        return f"{times * part['mean']:z.{digits}f}" if part else "-"
    return f"{times * part['mean']:z.{digits}f} ± {times * part['half width']:.{digits}f}"


def strategy_rows() -> Iterator[str]:
    found = result("strategy")
    shipped = found["without trials, inputs as shipped"]["scores"]
    for name, row in found["without trials"]["scores"].items():
        cells = (f"{one['score']:.3f} | {one['regret']:.3f}" for one in (row, shipped[name]))
        yield f"| {name} | {' | '.join(cells)} |"
    for name, by_trials in found["with trials"].items():
        yield f"| {name} | {' | '.join(format(row['score'], '.3f') for row in by_trials.values())} |"
    for name, row in found["unseen families"]["families"].items():
        yield f"| {name} | {row['defaults']:.3f} | {row['predicted']:.3f} | {row['far away']} |"
    sections = {
        "inputs scaled, 96 tasks recorded": found["without trials"],
        "inputs as shipped, 96 tasks": found["without trials, inputs as shipped"],
        **{f"inputs scaled, {row['tasks']} tasks": row for row in found["shorter histories"]},
        "family never seen": found["unseen families"],
    }
    for name, section in sections.items():
        row = section["confidence"]
        yield f"| {name} | {row['confidence']} | {row['came true']} | {row['brier']} | {row['brier of the share']} |"


def tracker_rows() -> Iterator[str]:
    found = result("tracker")
    columns = {"a second": 0, "a CPU-second": 0, "p50 ms": 1, "p99 ms": 1}
    for name, row in found["recording"].items():
        cells = [f"{row[key]:,.{digits}f}" if key in row else "-" for key, digits in columns.items()]
        yield f"| {name} | {' | '.join(cells)} |"
    for place, rows in found["reading"].items():
        for row in rows:
            yield f"| {place}, {row['events']:,} | {' | '.join(f'{took:,.1f}' for took in row['ms'].values())} |"


def recording_rows() -> Iterator[str]:
    found = result("recording")
    columns = {"a second": 0, "lowest a second": 0, "p50 ms": 1, "p99 ms": 1, "CPU us": 0, "writer us": 0}
    for place, title in (("sqlite", "SQLite: "), ("postgresql", "PostgreSQL: "), ("mlflow", "")):
        for name, row in found[place].items():
            cells = [f"{row[key]:,.{digits}f}" if key in row else "-" for key, digits in columns.items()]
            yield f"| {title}{name} | {' | '.join(cells)} |"


def scale_rows() -> Iterator[str]:
    for row in result("scale")["sizes"]:
        calls = " | ".join(f"{took:,.1f}" for took in row["ms"].values())
        yield f"| {row['interactions']:,} | {calls} | {row['database MiB']:,} | {row['load']} |"
        for name in ("cycle over the rest", "cycle over 1,000 new"):
            one = row[name]
            figures = f"{one['seconds']} | {one['CPU seconds']} | {one['peak MiB']}"
            yield f"| {row['interactions']:,}: {name} | {figures} |"


def personal_data_rows() -> Iterator[str]:
    found = result("personal_data")
    finders = [found, found["presidio"], found["both"]]
    for kind, (_, planted) in found["recall"].items():
        shares = " | ".join(f"{100 * one['recall'][kind][0]:.2f} %" for one in finders)
        yield f"| {kind} | {planted:,} | {shares} |"
    for kind in found["both"]["precision"]:
        told = [one["precision"].get(kind) for one in finders]
        yield f"| {kind} | {' | '.join(f'{100 * one[0]:.2f} % | {one[1]}' if one else '- | -' for one in told)} |"
    alone, both = found["texts_per_second"]["patterns"], found["texts_per_second"]["with presidio"]
    for texts, rate in alone.items():
        yield f"| {texts} | {rate:,} | {both[texts]:,} |"


def gate_rows() -> list[dict[str, Any]]:
    found = result("gate_error_rates")
    return [row for kind in ("false promotion", "power", "false refusal", "detection") for row in found[kind]]


def test_the_benchmarks_are_what_was_measured() -> None:
    page = set((DOCS / "benchmarks.md").read_text(encoding="utf8").splitlines())
    missing = [row for row in figures() if row not in page]
    assert not missing, "docs/benchmarks.md lacks these rows:\n" + "\n".join(missing)


def test_the_gate_tells_what_was_measured() -> None:
    rates = {row["row"]: (str(row["candidates"]), f"{100 * row['rate']:.1f} %") for row in gate_rows()}
    told = 0
    for line in (DOCS / "guides" / "gate.md").read_text(encoding="utf8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if cells[0] in rates:
            assert (cells[1], cells[-1]) == rates[cells[0]], line
            told += 1
    assert told >= 10


# Links -------------------------------------------------------------------------------------------------------------


def links() -> Iterator[tuple[Path, str]]:
    for page in TEXTS:
        for link in LINK.finditer(FENCE.sub("", page.read_text(encoding="utf8"))):
            if "://" not in link["target"]:
                yield page, link["target"]


def slug(heading: str) -> str:
    """What mkdocs and GitHub make of a heading."""
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", heading.lower()).strip())


@pytest.mark.parametrize(("page", "target"), sorted(set(links())), ids=str)
def test_every_link_leads_somewhere(page: Path, target: str) -> None:
    path, _, anchor = target.partition("#")
    there = (page.parent / path).resolve() if path else page
    assert there.is_file()
    if anchor:
        headings = re.findall(r"^#+ (.+)$", FENCE.sub("", there.read_text(encoding="utf8")), re.MULTILINE)
        assert anchor in map(slug, headings)


def test_the_readme_leads_into_the_guides() -> None:
    told = {target for page, target in links() if page.name == "README.md" and page.parent == ROOT}
    assert {"docs/guides/learners.md", "docs/guides/autonomous.md", "docs/benchmarks.md"} <= told
