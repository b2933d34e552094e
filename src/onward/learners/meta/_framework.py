"""The whole of it in two calls: meta-train by the name of an algorithm, adapt to a task."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from math import prod
from typing import Any, Final, cast

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.neural import whole

from ._adapted import AdaptedModel
from ._checks import check_algorithm
from ._fit import drawn, refuse_no_distribution
from ._learner import MetaLearner
from ._networks import default_network
from ._standing import FitReport
from .algorithms import ANIL, MAML, Algorithm
from .engine import choose_engine
from .tasks import Examples, MetaLearningTask, TaskDistribution

HERE: Final = "onward.learners.meta"
ALGORITHMS: Final[Mapping[str, str]] = {
    "maml": f"{HERE}.algorithms:MAML",
    "fomaml": f"{HERE}._framework:first_order",
    "anil": f"{HERE}._framework:head_only",
    "meta-sgd": f"{HERE}.algorithms:MetaSGD",
    "maml++": f"{HERE}.algorithms:MAMLPlusPlus",
    "reptile": f"{HERE}.algorithms:Reptile",
    "imaml": f"{HERE}.algorithms:IMAML",
    "prototypical": f"{HERE}.algorithms:Prototypical",
    "matching": f"{HERE}.algorithms:Matching",
    "relation": f"{HERE}.algorithms:Relation",
    "fine-tuning": f"{HERE}.algorithms:FineTuning",
}
"""Name -> "module:attribute"; read when the name is asked for."""
EMBEDS: Final = frozenset({"prototypical", "matching", "relation"})
SIZED: Final = frozenset({"matching", "relation"})
STEPS: Final = 1000
LOOKED_AT: Final = 32  # tasks that a network is made for


def first_order(**settings: Any) -> MAML:
    """FOMAML: MAML without second derivatives (Finn, Abbeel and Levine 2017, section 5.2).

    >>> first_order(inner_steps=3).first_order
    True
    """
    return MAML(**{"first_order": True, **settings})


def head_only(head: str = "^head", **settings: Any) -> MAML:
    """ANIL on networks whose last layer is called "head", as the built-in ones are.

    >>> head_only().adapt
    '^head'
    """
    return ANIL(head, **settings)


def known(algorithm: str) -> str:
    """The name of an algorithm as the table has it: small letters, hyphens or underscores, or neither.

    Raises:
        InvalidInput: there is none; names those there are.

    >>> known("Meta_SGD"), known("ProtoTypical"), known("MAML++"), known("finetuning")
    ('meta-sgd', 'prototypical', 'maml++', 'fine-tuning')
    """
    plain = {_plain(name): name for name in ALGORITHMS}
    if _plain(algorithm) not in plain:
        raise InvalidInput(f"No algorithm is called {algorithm!r}.", mend="Name a known one.", options=ALGORITHMS)
    return plain[_plain(algorithm)]


def _plain(name: object) -> str:
    return str(name).lower().replace("_", "").replace("-", "").replace(" ", "")


class MetaLearningFramework:
    """Meta-trains a model on a distribution of tasks, and adapts it to new ones.

    Args:
        device: where to work; the CPU if not said.
        seed: of first weights, of dropout and of Reptile's order of examples; an algorithm that is handed in keeps its
            own.

    >>> from onward.learners.meta.tasks import GaussianBlobs
    >>> tasks = GaussianBlobs(ways=3, shots=5, dimensions=4)
    >>> framework = MetaLearningFramework()
    >>> meta_model = framework.meta_train(tasks, algorithm="prototypical", steps=10, batch_size=8)
    >>> new_task = tasks.split("test").sample_batch(1)[0]
    >>> adapted = framework.few_shot_adapt(meta_model, new_task, num_shots=5)
    >>> tuple(adapted(new_task.query_set.x).shape)
    (45, 3)
    """

    def __init__(self, *, device: str | torch.device | None = None, seed: int = 0) -> None:
        self._device, self._seed = device, seed
        self.report: FitReport | None = None
        """How the last training went."""

    def meta_train(
        self,
        task_distribution: TaskDistribution,
        algorithm: str | Algorithm = "maml",
        model: nn.Module | None = None,
        *,
        steps: int = STEPS,
        **settings: Any,
    ) -> MetaLearner:
        """Meta-train a model.

        Args:
            task_distribution: of the tasks to learn from.
            algorithm: "maml", "fomaml", "anil", "meta-sgd", "maml++", "reptile", "imaml", "prototypical", "matching",
                "relation" or "fine-tuning"; or one of `onward.learners.meta.algorithms` with its settings.
            model: any torch module; if not said, a network for the shape and kind of the tasks. 32 of them are drawn to
                see how many classes there are at most in one, and a stream with `load_state_dict` is put back.
            steps: of the outer loop.
            settings: of an algorithm that is named ("inner_steps"), of `MetaLearner` ("outer_rate") and of its `fit`
                ("batch_size", "validation"), each by its name.

        Returns:
            The meta-trained learner. How it went stands in `report`.

        Raises:
            InvalidInput: no algorithm or setting has such a name, a value cannot be used, or the distribution is none
                or gives no tasks.
        """
        ours, fits, rest = _sorted(settings)
        name = known(algorithm) if isinstance(algorithm, str) else _handed_in(algorithm, rest)
        tasks = _first(task_distribution, LOOKED_AT if model is None else 1)
        task = tasks[0]
        seed = ours.setdefault("seed", self._seed)
        ours.setdefault("loss", "mse" if task.query_set.y.is_floating_point() else "cross_entropy")
        ours.setdefault("device", self._device)
        net = model
        if net is None:
            net = default_network(tasks, embeds=name in EMBEDS, real=ours["loss"] == "mse", seed=seed)
        if isinstance(algorithm, str) and name in SIZED:
            rest.setdefault("features", _width(net, task))
        learner = MetaLearner(net, _made(name, rest, seed) if isinstance(algorithm, str) else algorithm, **ours)
        self.report = learner.fit(task_distribution, steps=steps, **fits)
        return learner

    def few_shot_adapt(
        self, meta_model: MetaLearner, new_task: MetaLearningTask | tuple[Tensor, Tensor], num_shots: int = 5
    ) -> AdaptedModel:
        """Adapt a meta-trained model to a task from its first examples.

        Args:
            meta_model: what `meta_train` gave, or another `MetaLearner`; it is not changed.
            new_task: a task, or a support set (x, y) alone: (n, ...) inputs, and (n,) class indices from 0 on,
                (n, places) of them, or (n, ...) real targets.
            num_shots: support examples that are looked at: of each class; in all, for real targets and where an example
                has a class at each of its places. Fewer where there are no more. At least 1.

        Returns:
            The model of the task: called with (n, ...) inputs it gives scores of classes, or real values.

        Raises:
            InvalidInput: `num_shots` is below 1, `meta_model` or `new_task` is none, or the task cannot be learned.
        """
        whole(1, num_shots=num_shots)
        if not isinstance(meta_model, MetaLearner):
            raise InvalidInput(
                f"A {type(meta_model).__name__} is no meta-trained model.",
                mend="Give what `meta_train` returned, or a MetaLearner.",
            )
        task = _task_of(new_task)
        x, y = task.support_set
        chosen = _first_shots(y, num_shots)
        return meta_model.adapt(MetaLearningTask(Examples(x[chosen], y[chosen]), task.query_set, task.task_id))


def _task_of(given: MetaLearningTask | tuple[Tensor, Tensor]) -> MetaLearningTask:
    """A task, or a support set as one."""
    if isinstance(given, MetaLearningTask):
        return given
    try:
        x, y = (torch.as_tensor(part) for part in given)
    except (TypeError, ValueError, RuntimeError) as error:
        raise InvalidInput(
            f"A {type(given).__name__} is no task, and no pair (x, y) of numbers.",
            why=f"{error}.",
            mend="Give a MetaLearningTask, or inputs and targets: real numbers, or classes numbered from 0 on.",
        ) from error
    pair = Examples(x, y)
    return MetaLearningTask(pair, pair)


def _first_shots(y: Tensor, shots: int) -> Tensor:
    """Positions of the first examples of each class, in their order; or of the first, where none is of one class."""
    if y.is_floating_point() or y.ndim != 1:
        return torch.arange(min(shots, len(y)), device=y.device)
    earlier = (y.unsqueeze(0) == y.unsqueeze(1)).tril(-1).sum(1)
    return (earlier < shots).nonzero().flatten()


def _sorted(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Settings of the learner, of its `fit`, and the rest, which are the algorithm's."""
    learner, fit = (_names(call) for call in (MetaLearner, MetaLearner.fit))
    return (
        {name: value for name, value in settings.items() if name in learner},
        {name: value for name, value in settings.items() if name in fit},
        {name: value for name, value in settings.items() if name not in learner | fit},
    )


def _names(call: Callable[..., Any]) -> set[str]:
    """The names of its settings: what is keyword-only."""
    return {n for n, p in inspect.signature(call).parameters.items() if p.kind is inspect.Parameter.KEYWORD_ONLY}


def _handed_in(algorithm: Algorithm, settings: Mapping[str, Any]) -> str:
    """What an algorithm that was handed in is called.

    Raises:
        InvalidInput: it is none, or there are settings of an algorithm beside it.
    """
    check_algorithm(algorithm, options=ALGORITHMS)
    kind = type(algorithm).__name__
    if settings:
        raise InvalidInput(
            f"The {kind} that was handed in does not take these settings: {', '.join(map(repr, settings))}.",
            why="It has its own already.",
            mend=f"Make it with them, {kind}(...), or name it; other settings are those of MetaLearner and of its fit.",
            options=_names(MetaLearner) | _names(MetaLearner.fit),
        )
    return _plain(kind)


def _made(name: str, settings: Mapping[str, Any], seed: int) -> Algorithm:
    make = _loaded(name)
    own = set(inspect.signature(make).parameters) - {"settings"}
    drawn_by = {"seed": seed} if "seed" in own else {}
    try:
        return cast("Algorithm", make(**drawn_by, **settings))
    except TypeError as error:
        raise InvalidInput(
            f"{name} does not take these settings: {error}.",
            mend="Settings are those of the algorithm, of MetaLearner and of its fit.",
            options=own | _names(MetaLearner) | _names(MetaLearner.fit),
        ) from error


def _loaded(name: str) -> Callable[..., Any]:
    module, _, attribute = ALGORITHMS[name].partition(":")
    return cast("Callable[..., Any]", getattr(import_module(module), attribute))


def _first(tasks: TaskDistribution, count: int) -> Sequence[MetaLearningTask]:
    """Tasks to look at; a stream that says where it stands is put back there."""
    refuse_no_distribution(tasks)
    state = tasks.state_dict() if hasattr(tasks, "state_dict") else None
    found = drawn(tasks, count)
    if state is not None and hasattr(tasks, "load_state_dict"):
        tasks.load_state_dict(state)
    return found


def _width(net: nn.Module, task: MetaLearningTask) -> int:
    """How many numbers a network gives for an example."""
    device = next((p.device for p in net.parameters()), torch.device("cpu"))
    x = task.query_set.x[:1].to(device)
    two = torch.cat([x, x])  # some networks norm over a batch
    return prod(choose_engine(net, two).shape(two))
