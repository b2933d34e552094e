"""One learner for every method: learn experience after experience, predict, judge, keep."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from onward.core import InvalidInput, content_hash
from onward.learners.neural import (
    Progress,
    above,
    at_least,
    check_optimizer,
    deferred,
    folder_of,
    is_kept,
    keep,
    kept,
    optimizer_of,
    plain_number,
    put_together,
    refuse_foreign,
    seed_of_torch,
    shown,
    taken_apart,
    text,
    whole,
)

from ._checks import (
    asked,
    check_experience,
    check_functions,
    check_methods,
    check_network,
    check_scores,
    check_targets,
    is_classes,
    keys_of,
    methods_of,
)
from ._experience import Experience
from ._heads import Heads, Kind
from ._loop import Loop, Plan, Standing, Training, batches, clock, draw_again, refuse_diverged
from ._losses import LossFunction, loss_of
from ._method import Course, Hooks, Method, Prepare, unchanged
from ._report import LearnReport, Stopped
from .methods import recommended

OptimizerOf = Callable[[Iterable[nn.Parameter]], torch.optim.Optimizer]
RECORD: Final = "continual"


class ContinualLearner:
    """Learns one experience after the other, and keeps what it knew as far as its methods can.

    Args:
        network: any torch module that takes (n, ...) inputs; it is trained in place. Parameters with
            `requires_grad=False` stay as they are.
        methods: how not to forget: one, or several together where they allow it. If not said, what is `recommended`.
        scenario: "task", "domain" or "class": which outputs count for an example, see `Heads`.
        loss: "cross_entropy" for classes, "mse" for real targets, or a function of (scores, y).
        optimizer: "adam", "sgd", or a function of the parameters.
        rate: learning rate, above 0.
        batch_size: new examples of a step, at least 1.
        prepare: makes inputs of examples, e.g. scales them; methods remember examples as they are given.
        augment: varies (n, ...) examples before that in training steps, and there alone: crops, flips, noise. What it
            draws from torch follows from the seed.
        fresh_optimizer: begin each experience with a new optimiser.
        seed: of the order of the examples, dropout, and all that methods draw.

    Raises:
        InvalidInput: a value is out of its range, or two methods exclude each other.

    >>> from onward.learners.continual import ContinualLearner, Experience, FineTuning
    >>> _ = torch.manual_seed(0)
    >>> learner = ContinualLearner(nn.Linear(2, 2), [FineTuning()], rate=0.1, batch_size=2)
    >>> x, y = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([0, 1])
    >>> learner.learn(Experience(x, y), epochs=50).steps
    50
    >>> learner.predict(x)
    tensor([0, 1])
    """

    def __init__(  # noqa: PLR0913 - each is a choice of its own
        self,
        network: nn.Module,
        methods: Method | Sequence[Method] | None = None,
        *,
        scenario: Kind = "class",
        loss: str | LossFunction = "cross_entropy",
        optimizer: str | OptimizerOf = "adam",
        rate: float = 1e-3,
        batch_size: int = 128,
        prepare: Prepare | None = None,
        augment: Prepare | None = None,
        fresh_optimizer: bool = False,
        seed: int = 0,
    ) -> None:
        check_network(network)
        above(rate=rate)
        whole(1, batch_size=batch_size)
        whole(0, seed=seed)
        check_optimizer(optimizer)
        check_functions(prepare=prepare, augment=augment)
        generator = torch.Generator().manual_seed(seed_of_torch(seed))
        self._loss, self._rate, self._seed, self._fresh = loss, plain_number(rate), int(seed), fresh_optimizer
        ways = (prepare or unchanged, generator, int(batch_size), augment or unchanged)
        self._course = Course(network, loss_of(loss), Heads(scenario), *ways)
        self.methods = (recommended(),) if methods is None else methods_of(methods)
        self._optimizer_of = optimizer
        self._hooks: tuple[Hooks, ...] = tuple(method.start(self._course) for method in self.methods)
        check_methods(self._hooks)
        self._optimizer: torch.optim.Optimizer | None = None
        self._trained: tuple[str, ...] = ()
        self._under_way: dict[str, Any] | None = None
        self._at = Standing()
        self._begun: list[Hooks] = []
        self._summed = False

    @property
    def network(self) -> nn.Module:
        """The network that is trained."""
        return self._course.network

    @property
    def serving(self) -> nn.Module:
        """The network that predicts; the trained one unless a method brings another."""
        return next((hook.serve() for hook in self._hooks if hook.serve), self._course.network)

    @property
    def heads(self) -> Heads:
        """The classes of each task met so far."""
        return self._course.heads

    @property
    def learned(self) -> int:
        """Experiences finished."""
        return self._course.learned

    @property
    def device(self) -> torch.device:
        """Where the network is."""
        return self._course.device

    def learn(
        self,
        experience: Experience,
        *,
        epochs: int = 1,
        steps: int | None = None,
        budget: float | None = None,
        progress: bool | Progress | None = None,
        checkpoints: Path | str | None = None,
        checkpoint_every: int = 500,
    ) -> LearnReport:
        """Learn one experience.

        Args:
            epochs: passes over its examples, at least 1.
            steps: instead of epochs, at least 1.
            budget: seconds, at least 0, after which it ends with what it has learned.
            progress: `True` for a bar, or a function of (steps done, steps in all, note).
            checkpoints: a folder; every so many steps, and at the end, all is kept there that it takes to go on bit
                for bit: `resume` in a new process, and the same `learn` again.

        Raises:
            InvalidInput: the experience does not fit the network or diverges.
            KeyboardInterrupt: Ctrl-C was pressed; a checkpoint was kept where there is a folder. The same `learn` again
                goes on.
        """
        whole(1, epochs=epochs, checkpoint_every=checkpoint_every, **({} if steps is None else {"steps": steps}))
        if budget is not None:
            at_least(0, budget=budget)
        check_experience(experience, self.device)
        began = time.perf_counter()
        every = None if checkpoints is None else checkpoint_every
        with shown(progress) as watch, deferred() as interrupted, self._chance(), self._unmet(), torch.enable_grad():
            training = self._begin(experience, epochs, steps, None if checkpoints is None else folder_of(checkpoints))
            stopped = self._run(training, watch, interrupted, clock(budget), every)
            if stopped != "interrupted":
                self._end(experience)
                training = replace(training, over=True)
            self._keep(training)
            if stopped == "interrupted":
                training = replace(training, identity=self._identity(experience, training.plan))
                self._under_way = training.state(self.device)
        if stopped == "interrupted":
            raise KeyboardInterrupt
        at, seconds = training.at, time.perf_counter() - began
        return LearnReport(at.step, len(experience), seconds, tuple(at.losses), tuple(at.accuracies), stopped)

    @contextmanager
    def _chance(self) -> Iterator[None]:
        """Dropout draws by this learner's seed, and nobody else's draws change."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            torch.manual_seed(seed_of_torch(self._seed * 1_000_003 + self.learned))
            yield

    @contextmanager
    def _unmet(self) -> Iterator[None]:
        """What is refused before its first step was not met: its classes do not count, nor what methods began."""
        before, chance = self.heads.state(), self._course.generator.get_state()
        self._at, self._begun, self._summed = Standing(), [], False
        optimizer = self._trained, self._optimizer
        try:
            yield
        except InvalidInput:
            if not (self._at.step or self._summed):
                self.heads.restore(before)
                self._course.generator.set_state(chance)
                self._trained, self._optimizer = optimizer
                for hook in reversed(self._begun):
                    if hook.unmet:
                        hook.unmet()
            raise

    def _begin(self, experience: Experience, epochs: int, steps: int | None, folder: Path | None) -> Training:
        """From the first step, or from where a checkpoint left it."""
        left = self._under_way  # it stays where anything is refused
        self._check_fit(experience)  # before anything changes
        if left is None:
            for hook in self._hooks:
                if hook.begin:
                    hook.begin(experience)
                self._begun.append(hook)
            self.heads.learn(experience)
        chosen = experience
        for hook in self._hooks:
            chosen = hook.material(chosen) if hook.material else chosen
        self._prepare_optimizer(new=left is None)
        epoch = len(batches(torch.arange(len(chosen)), self._course.batch_size)) if len(chosen) else 0
        total = epochs * epoch if steps is None else steps
        plan = Plan(total if len(chosen) else 0, max(epoch, 1), self._seed * 1_000_003 + self.learned)
        identity = self._identity(experience, plan) if left is not None or folder is not None else {}
        at = Standing()
        if left is not None:
            _refuse_other(left["identity"], identity, folder)
            at = Standing(**left["standing"])
            draw_again(left["random"], self.device)
        self._under_way, self._at = None, at
        return Training(chosen, plan, at, identity, folder)

    def _check_fit(self, experience: Experience) -> None:
        """Look whether the network takes such examples and their variations, and gives what their targets want."""
        course, first = self._course, experience.x[:1]
        check_targets(asked(course, course.network, first), experience.y, self._loss)
        if course.augment is not unchanged:
            asked(course, course.network, course.augmented(first))

    def _run(
        self,
        training: Training,
        watch: Progress,
        interrupted: Callable[[], bool],
        late: Callable[[], bool],
        every: int | None,
    ) -> Stopped:
        instead = next((hook.instead for hook in self._hooks if hook.instead), None)
        if instead is not None:
            instead(training.experience)
            self._summed = True
            return "steps"
        if not training.plan.steps:
            return "steps"
        said: list[Stopped] = []

        def stop(at: Standing) -> bool:
            watch(at.step, training.plan.steps, at.told)
            if interrupted() or late():
                said.append("interrupted" if interrupted() else "budget")
            return bool(said)

        def reached(at: Standing) -> None:
            if every is not None and at.step % every == 0 and at.step < training.plan.steps:
                refuse_diverged(self._course, at.step)  # what was kept before stays
                self._keep(training)

        if self._optimizer is None:
            raise InvalidInput("No parameter is trained.", mend="Let one have requires_grad=True.")
        done = Loop(self._course, self._hooks, self._optimizer, training.experience, training.plan).run(
            training.at, stop, reached
        )
        refuse_diverged(self._course, training.at.step)
        return "steps" if done else said[0]

    def _end(self, experience: Experience) -> None:
        for hook in self._hooks:
            if hook.end:
                hook.end(experience)
        self._course.learned += 1

    def _prepare_optimizer(self, *, new: bool) -> None:
        """The optimiser goes on, unless a new one is wanted or other parameters are trained than before."""
        parameters = self._course.parameters()
        if self._optimizer is not None and tuple(parameters) == self._trained and not (new and self._fresh):
            return
        self._trained = tuple(parameters)
        self._optimizer = self._made(parameters.values()) if parameters else None

    def _made(self, parameters: Iterable[nn.Parameter]) -> torch.optim.Optimizer:
        return optimizer_of(self._optimizer_of, parameters, self._rate)

    def scores(self, x: Tensor, task: int | Tensor | None = None) -> Tensor:
        """(n, C) scores of (n, ...) examples: -inf where a class does not count; real values under "mse".

        Args:
            task: that of all examples, or (n,) of each; asked for by the scenario "task" alone.

        Raises:
            InvalidInput: x is no tensor, or nothing that the network takes; the task is missing, or was never learned.
        """
        given: Any = x
        if not isinstance(given, Tensor):
            raise InvalidInput(f"x is a {type(given).__name__}.", mend="Give a tensor (n, ...): torch.as_tensor(x).")
        task = int(task) if isinstance(task, Tensor) and not task.ndim else task
        self.heads.check(task, len(x))
        outputs = asked(self._course, self.serving, x, task)
        if self.heads.kind != "domain":
            check_scores(outputs, x)
        return self.heads.scores(outputs, task)

    def predict(self, x: Tensor, task: int | Tensor | None = None) -> Tensor:
        """(n,) classes of (n, ...) examples; see `scores`.

        Raises:
            InvalidInput: as there; or the network learns real targets.
        """
        scores = self.scores(x, task)
        if self._loss == "mse":
            raise InvalidInput("The network gives real values, not classes.", mend="Ask `scores` for them.")
        check_scores(scores, x)
        return scores.argmax(1)

    def evaluate(self, experience: Experience) -> dict[str, float]:
        """Mean loss on an experience, and the share right, 0..1, where it has classes.

        Raises:
            InvalidInput: it has no examples, its targets do not fit, or its task was never learned.
        """
        check_experience(experience, self.device)
        scores = self.scores(experience.x, experience.task)
        check_targets(scores[:1], experience.y, self._loss)
        found = {"loss": float(self._course.loss(scores, experience.y))}
        if not is_classes(experience.y):
            return found
        return found | {"accuracy": float((scores.argmax(1) == experience.y).double().mean())}

    def forget(self, keys: Collection[str]) -> int:
        """Drop what the methods keep of the examples with these keys; how many were dropped.

        What the network and sums over many examples have learned from them stays. So does what was kept on disk, until
        it is saved anew; and in the folder of a `Buffer`, until that holds `snapshots` newer states.

        Raises:
            InvalidInput: it is one text, whose letters would be taken for keys; or one of them is no text.
        """
        gone = keys_of(keys)
        return sum(hook.forget(gone) for hook in self._hooks if hook.forget)

    def state_dict(self) -> dict[str, Any]:
        """All that it takes to go on bit for bit, as a copy: network, optimiser, what the methods remember, chance."""
        return copy.deepcopy(self._state())

    def _state(self) -> dict[str, Any]:
        named = {name for name, _ in self._course.network.named_parameters()}
        whole = named.issuperset(self._trained)  # else some were taken away, and the next step has another optimiser
        return {
            "methods": [hook.state() if hook.state else {} for hook in self._hooks],
            "network": dict(self._course.network.state_dict()),
            "trained": list(self._trained) if whole else [],
            "optimizer": None if self._optimizer is None or not whole else self._optimizer.state_dict(),
            "heads": self.heads.state(),
            "generator": self._course.generator.get_state(),
            "learned": self.learned,
            "under_way": self._under_way,
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` gave.

        Raises:
            InvalidInput: it is of another network, scenario, or of other methods; this learner is then to be made anew.
        """
        try:
            for hook, held in zip(self._hooks, state["methods"], strict=True):
                if hook.restore:
                    hook.restore(held)
            self._course.network.load_state_dict(state["network"])
            self.heads.restore(state["heads"])
            self._course.generator.set_state(state["generator"].cpu())
            self._course.learned, self._under_way = int(state["learned"]), copy.deepcopy(state["under_way"])
            if tuple(state["trained"]):
                named = dict(self._course.network.named_parameters())
                parameters = {name: named[name] for name in state["trained"]}  # others may be frozen since
                optimizer = self._made(parameters.values())
                optimizer.load_state_dict(copy.deepcopy(state["optimizer"]))
                self._trained, self._optimizer = tuple(parameters), optimizer
            else:
                self._trained, self._optimizer = (), None
        except (KeyError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise InvalidInput(
                f"This is no state of such a learner: {error!r}.",
                mend="Give what `state_dict()` returned, to a learner of the same network and methods.",
            ) from error

    def save(self, folder: Path | str) -> None:
        """Keep all of it in a folder, instead of what was kept there, in one step; nothing is pickled.

        Raises:
            InvalidInput: `folder` is no path.
            Unavailable: the folder cannot be written; what was kept there stays.
        """
        tensors: dict[str, Tensor] = {}
        card = {"learner": self.describe(), "state": taken_apart(self._state(), "state", tensors)}
        keep(folder_of(folder), RECORD, card, tensors)
        self._settle()

    def _settle(self) -> None:
        """What `_state` gave last is durable."""
        for hook in self._hooks:
            if hook.settle:
                hook.settle()

    def resume(self, folder: Path | str) -> int:
        """Go on from what `save`, or `learn` with checkpoints, kept in a folder, if something was.

        Call it on a new learner of the same settings, then `learn` the experiences that are not finished: one that was
        under way goes on from its checkpoint.

        Returns:
            Experiences finished there; 0 where nothing was kept.

        Raises:
            Damaged: it is not what was kept.
            InvalidInput: it is of a learner with other settings.
        """
        folder = folder_of(folder)
        if not is_kept(folder, RECORD):
            return 0
        card, tensors = kept(folder, RECORD, dict)
        refuse_foreign(card["learner"], self.describe(), folder)
        self.load_state_dict(put_together(card["state"], tensors))
        return self.learned

    def describe(self) -> dict[str, str]:
        """What decides how it learns, as texts."""
        return {
            "network": type(self._course.network).__qualname__,
            "methods": text(self.methods),
            "scenario": self.heads.kind,
            "loss": text(self._loss),
            "optimizer": text(self._optimizer_of),
            "rate": repr(self._rate),
            "batch_size": repr(self._course.batch_size),
            "fresh_optimizer": repr(self._fresh),
            "seed": repr(self._seed),
        }

    def _identity(self, experience: Experience, plan: Plan) -> dict[str, str]:
        data = content_hash(b"".join(_bytes(part) for part in (experience.x, experience.y)))
        return {"experience": data, "task": str(experience.task), "steps": str(plan.steps)}

    def _keep(self, training: Training) -> None:
        """Write a checkpoint, where one is wanted."""
        if training.folder is None:
            return
        self._under_way = None if training.over else training.state(self.device)
        try:
            self.save(training.folder)
        finally:
            self._under_way = None


def _refuse_other(found: Mapping[str, str], own: Mapping[str, str], folder: Path | None) -> None:
    """Say that another experience is under way."""
    if folder is not None:
        refuse_foreign(found, own, folder)
    elif found != own:
        raise InvalidInput(
            "Another experience is under way: it was interrupted.",
            mend="Call the same `learn` again to finish it, or go back to a `state_dict` from before it.",
        )


def _bytes(values: Tensor) -> bytes:
    """Those of a tensor of any type, NumPy's or not."""
    return values.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes()
