"""Asking an analyzer: any object with `analyze(text)`, any callable, a spaCy pipeline; plain or asynchronous."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final

from onward.core import Entity, InvalidInput, Labels, Prediction

THREADS: Final = 4


@dataclass(frozen=True, slots=True)
class Analysis:
    """What an analyzer said of a text, and which model version it was, where it was one of ours."""

    intent: str | None = None
    sentiment: str | None = None
    entities: tuple[Entity, ...] | None = None
    persona: str | None = None
    version: int | None = None

    @property
    def labels(self) -> Labels:
        """The part that can be learned."""
        return Labels(self.intent, self.sentiment, self.entities)


def method_of(service: object, name: str) -> Callable[..., Any]:
    """The service's method of that name, or the service itself when it is callable.

    Raises:
        InvalidInput: it is neither.
    """
    found = getattr(service, name, service)
    if not callable(found):
        raise InvalidInput(
            f"{type(service).__name__} cannot be asked.", mend=f"Give an object with `{name}(...)`, or a function."
        )
    return found


class Service:
    """Somebody else's function, asked from an event loop without ever blocking it.

    A plain function runs in a thread of its own pool. One that hangs keeps its thread: with all threads hanging, the
    next question is refused at once, so that a dead service costs the conversation nothing.
    """

    def __init__(self, function: Callable[..., Any], seconds: float) -> None:
        self._function, self._seconds = function, seconds
        self._free = threading.Semaphore(THREADS)

    async def ask(self, *args: Any) -> Any:
        """The answer.

        Raises:
            TimeoutError: no answer in time, or every thread still waits for an earlier one.
            Exception: whatever the function raises.
        """
        async with asyncio.timeout(self._seconds):
            if inspect.iscoroutinefunction(self._function):
                return await self._function(*args)
            if not self._free.acquire(blocking=False):
                raise TimeoutError(f"{THREADS} earlier questions are unanswered")
            future: Future[Any] = Future()
            threading.Thread(target=self._answer, args=(future, args), name="onward-service", daemon=True).start()
            answer = await asyncio.wrap_future(future)
            return await answer if inspect.isawaitable(answer) else answer

    def _answer(self, future: Future[Any], args: tuple[Any, ...]) -> None:
        """Ask, in a daemon thread: what hangs must not keep the process from ending."""
        try:
            if future.set_running_or_notify_cancel():
                future.set_result(self._function(*args))
        except BaseException as error:  # noqa: BLE001 - whoever asked must hear of everything
            future.set_exception(error)
        finally:
            self._free.release()


def understood(answer: object, text: str) -> Analysis:
    """An analyzer's answer, whatever its shape: a mapping, a `Prediction`, a spaCy Doc, or an object with attributes.

    Raises:
        InvalidInput: it says nothing that is understood.
    """
    if isinstance(answer, Prediction):
        labels = answer.labels
        return Analysis(labels.intent, labels.sentiment, labels.entities, version=answer.version)
    if hasattr(answer, "ents"):
        return _from_doc(answer)
    if isinstance(answer, Mapping):
        return _from_mapping(answer, text)
    if any(hasattr(answer, name) for name in ("intent", "sentiment", "entities")):
        names = ("intent", "sentiment", "entities", "persona")
        return _from_mapping({name: getattr(answer, name, None) for name in names}, text)
    raise InvalidInput(
        f"The analyzer answered with a {type(answer).__name__}.",
        mend='Answer like {"intent": "refund", "sentiment": "negative", "entities": [("VL-1", "ORDER")]}.',
    )


def _from_doc(doc: Any) -> Analysis:
    entities = tuple(Entity(span.start_char, span.end_char, span.label_) for span in doc.ents)
    intent = max(doc.cats, key=doc.cats.get) if doc.cats else None
    return Analysis(intent=intent, entities=entities)


def _from_mapping(answer: Mapping[str, Any], text: str) -> Analysis:
    found = answer.get("entities")
    return Analysis(
        intent=_name(answer.get("intent")),
        sentiment=_name(answer.get("sentiment")),
        entities=None if found is None else _entities(found, text),
        persona=_name(answer.get("persona")),
    )


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _entities(found: Any, text: str) -> tuple[Entity, ...]:
    """Entities given as records, as {start, end, label}, or as (text, label) pairs looked up in the text."""
    entities = []
    for one in found:
        if isinstance(one, Entity):
            entities.append(one)
        elif isinstance(one, Mapping):
            entities.append(Entity(int(one["start"]), int(one["end"]), str(one["label"])))
        else:
            words, label = one
            start = text.find(words)
            if start >= 0:
                entities.append(Entity(start, start + len(words), str(label)))
    return tuple(sorted(set(entities)))
