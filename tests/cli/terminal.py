"""Running the command line in this process, as a terminal would, and texts to feed it."""

import json
import random
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from onward.cli import EXIT_CODES, main

CLEAN = dict.fromkeys(("ONWARD_WORKSPACE", "ONWARD_DEBUG", "ONWARD_TRAINING__LEARNERS", "NO_COLOR", "FORCE_COLOR"))
OPENINGS = {
    "refund": ("i want my money back for the", "please refund the", "return the money for this", "refund me the"),
    "order_status": (
        "where is my parcel with the",
        "track the shipment of the",
        "when will it arrive, the",
        "where is the",
    ),
    "greeting": ("hello, i like your", "good morning, nice", "hi there, what a lovely", "hey, greetings to the"),
}
THINGS = [
    "saddle",
    "bag",
    "lamp",
    "pump",
    "helmet",
    "chain",
    "pedal",
    "tyre",
    "bell",
    "mirror",
    "lock",
    "rack",
    "basket",
    "glove",
    "jacket",
    "bottle",
    "computer",
    "fork",
    "wheel",
    "brake",
    "shifter",
    "cable",
    "spoke",
    "grip",
    "stem",
]
COLOURS = [
    "red",
    "blue",
    "green",
    "black",
    "white",
    "silver",
    "orange",
    "purple",
    "yellow",
    "golden",
    "crimson",
    "teal",
]


@dataclass(frozen=True)
class Answer:
    """What a command did: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def value(self) -> Any:
        """The one JSON value on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The one JSON error on standard error."""
        found = json.loads(self.err)
        assert list(found) == ["error", "what", "why", "mend", "options"]
        return found


def run(*arguments: object, stdin: bytes = b"", env: dict[str, str | None] | None = None) -> Answer:
    """Run `onward ARGUMENTS`; whatever happens, there is no traceback, and the exit code is one of the table's."""
    with CliRunner().isolation(input=stdin, env={**CLEAN, **(env or {})}) as (out, err, *_):
        try:
            main([str(each) for each in arguments])
        except SystemExit as end:
            code = end.code
        answer = Answer(code, out.getvalue().decode(), err.getvalue().decode())
    assert answer.code in EXIT_CODES
    assert "Traceback" not in answer.out + answer.err or (env or {}).get("ONWARD_DEBUG")
    return answer


def labelled(count: int, *, seed: int = 0, random_labels: bool = False) -> bytes:
    """So many labelled texts of three intents as JSON Lines; none twice."""
    rng = random.Random(seed)
    texts: dict[str, str] = {}
    while len(texts) < count:
        intent = rng.choice(list(OPENINGS))
        words = (rng.choice(OPENINGS[intent]), rng.choice(COLOURS), rng.choice(THINGS), "and", rng.choice(THINGS))
        texts[" ".join(words)] = rng.choice(list(OPENINGS)) if random_labels else intent
    lines = [
        {"id": f"s{seed}-{n}", "text": text, "intent": intent, "user": f"u{n % 20}"}
        for n, (text, intent) in enumerate(texts.items())
    ]
    return b"\n".join(json.dumps(line).encode() for line in lines)


def make(folder: Path, **settings: str) -> Path:
    """A new workspace that trains the linear learner only; `settings` replace lines of its onward.toml."""
    assert run("--workspace", folder, "init").code == 0
    change(folder, **{"learners": '["linear"]', **settings})
    return folder


def change(folder: Path, **settings: str) -> None:
    """Replace lines of a workspace's onward.toml."""
    file = folder / "onward.toml"
    lines = [line for line in file.read_text().splitlines() if line.partition(" =")[0] not in settings]
    text = "\n".join(lines)
    for name, value in settings.items():
        section = SECTIONS[name]
        text = text.replace(f"[{section}]", f"[{section}]\n{name} = {value}")
    file.write_text(text)


SECTIONS = {"learners": "training", "accuracy": "thresholds", "min_data_threshold": "learning", "linear": "plugins"}


def copy(folder: Path, to: Path) -> Path:
    """A copy of a workspace that a test may change."""
    return Path(shutil.copytree(folder, to))
