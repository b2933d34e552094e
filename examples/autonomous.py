"""An autonomous learner beside a chat: it watches, learns from what people corrected, and can go back.

Run: python examples/autonomous.py
"""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

from onward import create_autonomous_learner

KEYWORDS = {"refund": "money", "order_status": "parcel"}
FORMS = {
    "greeting": ("hello from {}", "good morning, {} speaking"),
    "order_status": ("where is my parcel to {}", "my parcel to {} is late"),
    "refund": ("money back for the lamp from {}", "reimburse me for the lamp from {}"),
}
PLACES = ("Oslo", "Graz", "Turin", "Porto", "Lyon", "Gdansk", "Malmo", "Tartu", "Leiden", "Cork", "Basel", "Brno")


def analyze(text: str) -> dict[str, str]:
    """Knows a few keywords, and takes what it does not know for a greeting."""
    return {"intent": next((name for name, word in KEYWORDS.items() if word in text), "greeting")}


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        learner = create_autonomous_learner(
            spacy_analyzer=analyze,
            model_backup_dir=Path(folder) / "backups",
            workspace=Path(folder) / "workspace",
            settings={"training": {"learners": ["linear"]}},
        )
        talks = [(intent, form.format(place)) for intent, forms in FORMS.items() for form in forms for place in PLACES]
        for number, (intent, text) in enumerate(talks * 2):
            await learner.collect_conversation_metadata(
                tenant_id="shop",
                user_text=f"{text}, {number}",
                user_id=f"u-{number % 20}",
                user_feedback={"correction": {"intent": intent}},
            )
        result = await learner.trigger_learning_cycle("shop")
        print(f"{result.status}: {result.reason}")
        question = "reimburse me for the bell"
        answer = learner.workspace.predict(question, tenant="shop")
        print(f"the analyzer says {analyze(question)['intent']}, the champion {answer.labels.intent}")
        metrics = await learner.get_learning_metrics()
        print(f"{metrics.total_cycles} cycle, {metrics.model_improvements} improvement")
        print(f"back in service: {await learner.training_pipeline.rollback_model(result.backup_path)}")
        learner.workspace.close()


if __name__ == "__main__":
    asyncio.run(main())
