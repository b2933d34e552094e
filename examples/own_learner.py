"""A learner of your own: the one of docs/guides/learners.md, competing with the linear learner.

Run: python examples/own_learner.py
"""

import math
import re
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import onward
from onward import Labels, Prediction, Settings
from onward.core import Damaged, DatasetVersion, InvalidInput, Model, Trained, Training, decode, encode


def create(settings: Settings) -> "WordCounter":
    """What onward.toml names: it gets the settings and gives the learner."""
    del settings
    return WordCounter()


@dataclass(frozen=True, slots=True)
class WordModel:
    """How often each word occurs in each intent."""

    counts: Mapping[str, Mapping[str, int]]

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        vocabulary = len({word for counted in self.counts.values() for word in counted}) + 1
        totals = {intent: sum(counted.values()) + vocabulary for intent, counted in self.counts.items()}
        return [self._predict(Counter(words(text)), totals) for text in texts]

    def _predict(self, said: Counter[str], totals: Mapping[str, int]) -> Prediction:
        scores = {
            intent: sum(n * math.log((self.counts[intent].get(word, 0) + 1) / total) for word, n in said.items())
            for intent, total in totals.items()
        }
        best = max(scores, key=lambda intent: (scores[intent], intent))
        sure = 1 / sum(math.exp(score - scores[best]) for score in scores.values())
        return Prediction(Labels(intent=best), {"intent": sure})

    def save(self, folder: Path) -> None:
        (folder / "counts.json").write_bytes(encode(self))


class WordCounter:
    """Naive Bayes on words."""

    def train(self, dataset: DatasetVersion, champion: Model | None, training: Training) -> Trained:
        del champion  # it counts anew every time
        started = time.monotonic()
        examples = [example for example in dataset.examples if example.split != "evaluation"]
        usable = [example for example in examples if example.labels.intent is not None]
        if not usable:
            raise InvalidInput("No example has an intent.", mend="Record labelled interactions.")
        counts: dict[str, Counter[str]] = {}
        for example in usable:
            counts.setdefault(str(example.labels.intent), Counter()).update(words(example.text))
        training.progress(1, 1, "counted")
        report = {
            "examples": len(usable),
            "skipped": len(examples) - len(usable),
            "quick": False,
            "seconds": time.monotonic() - started,
        }
        return Trained(WordModel(counts), report)

    def load(self, folder: Path) -> WordModel:
        try:
            return decode((folder / "counts.json").read_bytes(), WordModel)
        except OSError as error:
            raise Damaged(f"{folder} holds no word counts.", why=f"{error}.", mend="Restore a back-up.") from error


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def main() -> None:
    sys.path.insert(0, str(Path(__file__).parent))  # "own_learner:create" must be importable
    settings = {"training": {"learners": ["linear", "words"]}, "plugins": {"words": "own_learner:create"}}
    with tempfile.TemporaryDirectory() as folder, onward.open(folder, settings=settings) as ws:
        ws.record_many(
            {"text": f"{opening} {thing} {number}", "intent": intent, "user": f"u-{number}"}
            for intent, opening in OPENINGS.items()
            for thing in THINGS
            for number in range(20)
        )
        result = ws.cycle()
        print(f"{result.status}: {result.reason}")
        for version in ws.versions():
            accuracy = version.scorecard.overall.accuracy if version.scorecard else 0.0
            print(f"version {version.number}, {version.learner}: accuracy {accuracy:.3f}")


OPENINGS = {"order_status": "where is", "refund": "money back for", "praise": "I love"}
THINGS = ("my lamp", "the bell", "that saddle")

if __name__ == "__main__":
    main()
