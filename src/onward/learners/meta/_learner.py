"""One learner for every algorithm: meta-train it, adapt it, judge it, keep it."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Literal, cast

import torch
from torch import Tensor, nn

from onward.core import InvalidInput, log
from onward.learners.neural import Progress, device_of, folder_of, optimizer_of, plain_number, shapes, text

from ._adapted import AdaptedModel
from ._aggregate import Aggregate
from ._checkpoint import Saved, load_learner, refuse_misfit, save_learner
from ._checks import (
    check_adapting,
    check_algorithm,
    check_parameters,
    check_rate,
    check_settings,
    check_tasks,
    parts_of,
)
from ._compile import compiled
from ._fit import fit
from ._gradient import Found, Gradient, Work, diverged_tasks, gradient_of, joined
from ._identity import algorithm_of, digests, named
from ._processes import exchanged, processes, refuse_medians, same_everywhere, share
from ._reduce import averaged, nothing, seed_of, sums
from ._standing import FitReport, Plan
from ._watch import Tracker
from .algorithms import MAML, Adapted, Algorithm, Setting, accuracy, are_classes, check_known, laid_out
from .engine import (
    Choice,
    LossFunction,
    MetaTrainableModel,
    Params,
    choose_engine,
    frozen_of,
    loss_of,
    parameters_of,
)
from .tasks import MetaLearningTask, TaskBatch, TaskDistribution, grouped

MANY_SHAPES: Final = 8
EVALUATED: Final = 64
Side = tuple[Tensor, Tensor]
"""(T, n, ...) inputs and targets."""


class MetaLearner:
    """Learns from many small tasks, and then a new one from a handful of examples.

    Args:
        model: any torch module that takes (n, ...) inputs, or a `MetaTrainableModel`; it is not changed.
            Buffers, and parameters with `requires_grad` off, stay as they are; they are no meta-parameters.
        algorithm: how; `MAML()` if not said.
        loss: "cross_entropy" for classes, "mse" for real targets, or a function of one task's (outputs, y).
        outer_rate: learning rate of the meta-parameters, above 0; the algorithm's own if not said.
        outer_schedule: step -> factor of `outer_rate` for that meta-training step, e.g. `one_cycle(1.0, 1000).at`;
            `None`: always 1.
        optimizer: "adam", "sgd", or a function of the meta-parameters, whose own rates then count unless `outer_rate`
            is said; the algorithm's own if not said.
        clip: largest norm of the meta-gradient; `None`: no bound.
        aggregate: from task gradients to the meta-gradient; their mean if not said.
        diverged: "raise" or "skip" tasks whose losses or gradients are not finite; skipped ones count in no validation.
        seed: of dropout in training.
        compile: compile the meta-gradient at the first step: half a minute, and small networks are then several times
            as fast. For the MAML family, networks whose layers have rules, and where there is a C++ compiler.
        at_once: tasks that a thread works on together, at most: fewer need less memory and more time. As many as are
            fast if not said.
        device: where to work; where the model's parameters are if not said.

    Raises:
        InvalidInput: a setting cannot be used.

    >>> from onward.learners.meta.tasks import Sinusoid
    >>> net = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1))
    >>> learner = MetaLearner(net, MAML(inner_steps=1, inner_rate=0.01), loss="mse")
    >>> sorted(learner.meta_train_step(Sinusoid(seed=0).sample_batch(4)))
    ['gradient_norm', 'learning_rate', 'meta_loss', 'skipped_tasks', 'task_adaptation_loss']
    """

    def __init__(  # noqa: PLR0913 - everything that decides a training
        self,
        model: nn.Module | MetaTrainableModel,
        algorithm: Algorithm | None = None,
        *,
        loss: str | LossFunction = "cross_entropy",
        outer_rate: float | None = None,
        outer_schedule: Callable[[int], float] | None = None,
        optimizer: str | Callable[[Sequence[Tensor]], torch.optim.Optimizer] | None = None,
        clip: float | None = None,
        aggregate: Aggregate | None = None,
        diverged: Literal["raise", "skip"] = "raise",
        seed: int = 0,
        compile: bool = False,  # noqa: A002 - torch's word
        at_once: int | None = None,
        device: str | torch.device | None = None,
    ) -> None:
        self.algorithm: Algorithm = MAML() if algorithm is None else algorithm
        check_algorithm(self.algorithm, loss)
        rate = self.algorithm.outer_rate if outer_rate is None else outer_rate
        check_settings(rate, clip, diverged, seed, at_once)
        if aggregate is not None and not isinstance(aggregate, Aggregate):
            raise InvalidInput(f"aggregate is {aggregate!r}.", mend="Give an Aggregate, e.g. Aggregate('clip').")
        if outer_schedule is not None and not callable(outer_schedule):
            raise InvalidInput(f"outer_schedule is {outer_schedule!r}.", mend="Give a function, e.g. a curve's `at`.")
        own = parameters_of(model)
        if not own:
            raise InvalidInput(
                "The model has no parameters to learn.", mend="Give a module with some that have `requires_grad`."
            )
        self.device = next(iter(own.values())).device if device is None else device_of(device)
        self._model = model
        self._frozen: Params = {name: value.to(self.device) for name, value in frozen_of(model).items()}
        more = self.algorithm.start(own)
        self._meta: Params = {n: p.to(self.device).requires_grad_(False) for n, p in (own | more).items()}
        self._loss = loss_of(loss)
        self._seed, self._rate, self._clip = plain_number(seed), plain_number(rate), plain_number(clip)
        self._loss_name = loss if isinstance(loss, str) else ""
        self._schedule, self._aggregate, self._diverged = outer_schedule, aggregate or Aggregate(), diverged
        named = self.algorithm.optimizer if optimizer is None else optimizer
        self._optimizer = optimizer_of(named, list(self._meta.values()), self._rate)
        own_rates = callable(optimizer) and outer_rate is None
        self._rates = [float(group["lr"]) if own_rates else self._rate for group in self._optimizer.param_groups]
        self._choice: Choice | None = None
        self._at_once = plain_number(at_once)
        self._compile, self._compiled = compile, cast("Gradient | None", None)
        self._together = self._told_slow = False
        self._shapes: dict[Any, tuple[int, ...]] = {}
        self.step = 0

    @property
    def engine(self) -> str | None:
        """Which engine works on the network and why; `None` before the first task."""
        return None if self._choice is None else self._choice.why

    def meta_gradient(self, tasks: Sequence[MetaLearningTask]) -> dict[str, Tensor]:
        """The mean over tasks of the gradient of the outer loss, by name of meta-parameter; nothing is changed."""
        return self._reduced(tasks)[0]

    def meta_train_step(self, tasks: Sequence[MetaLearningTask]) -> dict[str, float]:
        """One step of the outer optimiser.

        Where `torch.distributed` runs, every process gives the same tasks, works on its share of them, and the sums
        are reduced over all: the step is that of one process.

        Returns:
            meta_loss, task_adaptation_loss (support, before the first inner step), task_evaluation_accuracy (0..1, for
            classes), gradient_norm (before clipping), learning_rate (of the first group), skipped_tasks.

        Raises:
            InvalidInput: a task diverged, or, where such are skipped, all of them did; the schedule's rate cannot be
                used; or another process gave up. Nothing has changed then.
        """
        factor = 1.0 if self._schedule is None else self._schedule(self.step)
        check_rate(factor, self.step)
        grads, figures = self._reduced(tasks)
        for name, value in self._meta.items():
            value.grad = grads[name]
        for group, rate in zip(self._optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        norm = torch.nn.utils.get_total_norm([grads[name] for name in self._meta])
        if self._clip is not None:
            torch.nn.utils.clip_grads_with_norm_(list(self._meta.values()), self._clip, norm)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        return figures | {"gradient_norm": float(norm), "learning_rate": self._rates[0] * factor}

    def _reduced(self, tasks: Sequence[MetaLearningTask]) -> tuple[Params, dict[str, float]]:
        """The meta-gradient over all processes, in the module's layout, and the figures of the step."""
        check_tasks(tasks)
        refuse_medians(self._aggregate.kind)
        if not self._together:
            same_everywhere([*self._meta.values(), *self._frozen.values()])
            self._together = processes()[1] > 1
        total = exchanged(lambda: self._said(tasks), lambda: nothing(self._meta))
        return averaged(total, self._meta, len(tasks))

    def _said(self, tasks: Sequence[MetaLearningTask]) -> list[Tensor]:
        """What this process has to say of its share of the tasks."""
        found: list[Found] = []
        names: list[str] = []
        seen = 0
        for shape, (_, batch) in enumerate(self._grouped(tasks)):
            mine = batch[share(seen)]
            seen += len(batch)
            sides = (batch.support_x, batch.support_y), (batch.query_x, batch.query_y)
            chosen = self._choose(*sides, alone=self._compile)  # what is compiled refuses nothing itself
            if len(mine):
                seed = seed_of(self._seed, self.step, shape, processes()[0])
                found += gradient_of(self._work(chosen, seed), self._packed(), mine.to(self.device))
                names.extend(mine.task_ids or [""] * len(mine))
        if not found:
            return nothing(self._meta)
        every = joined(found, self._aggregate)
        self._tell_diverged(every, names)
        count = int(every.held.sum())
        mean = {n: value.unsqueeze(0) for n, value in self._aggregate.mean(every.grads, count).items()} if count else {}
        engine = self._chosen().engine
        unpacked = laid_out(self.algorithm, engine.unpack, mean, engine.names)
        return sums(every, {n: value[0] for n, value in unpacked.items()}, self._meta)

    def _grouped(self, tasks: Sequence[MetaLearningTask]) -> list[tuple[list[int], TaskBatch]]:
        """Tasks of one shape together; many shapes are slow, and that is said once."""
        groups = list(grouped(tasks))
        if len(groups) >= MANY_SHAPES and not self._told_slow:
            self._told_slow = True
            warnings.warn(
                f"{len(tasks)} tasks of {len(groups)} shapes are slow: only tasks of one shape are worked on together. "
                "Draw tasks of as many classes, shots and queries each.",
                stacklevel=7,
            )
        return groups

    def _work(self, chosen: Choice, seed: int) -> Work:
        gradient = self.algorithm.meta_gradient if self._compiled is None else self._compiled
        return Work(chosen.engine, chosen.loss, gradient, self._aggregate, self.step, seed, self._at_once)

    @property
    def skips(self) -> bool:
        """Whether tasks that diverge are left out."""
        return self._diverged == "skip"

    def _tell_diverged(self, found: Found, names: Sequence[str]) -> None:
        """Raise what there is to say of tasks that diverged, or leave it at that, where that is the policy."""
        bad = diverged_tasks(found.losses, found.held, names)
        if bad is not None and not self.skips:
            raise bad
        if bad is not None:
            log.warning("tasks skipped", why=str(bad))

    def _packed(self) -> Params:
        """The meta-parameters as the engine wants them."""
        meta = {n: p.detach().unsqueeze(0) for n, p in self._meta.items()}
        engine = self._chosen().engine
        return laid_out(self.algorithm, engine.pack, meta, engine.names)

    def _chosen(self) -> Choice:
        assert self._choice is not None
        return self._choice

    def _choose(self, support: Side, *more: Side, alone: bool = False) -> Choice:
        """The engine, chosen by the first support set seen.

        What the network does not take is refused, and targets that what it gives cannot be held against.

        Args:
            alone: whether a set of one example is all that goes through the network.
        """
        if self._choice is None:
            self._choice = self._first_choice(*support)
        for x, y in (support, *more):
            outputs = self._shape(x, alone=alone)
            if not self.algorithm.embeds:
                self._choice.loss.check(outputs, y)
        return self._choice

    def _first_choice(self, x: Tensor, y: Tensor) -> Choice:
        model = self.model() if isinstance(self._model, nn.Module) else self._model
        embeds = self.algorithm.embeds
        example, target = self._example(x), y[0].to(self.device)
        if len(example) == 1:  # some networks norm over a batch, and cannot be tried on one
            example, target = torch.cat([example, example]), torch.cat([target, target])
        choice = choose_engine(model, example, self._loss, target, embeds=embeds)
        if self._compile:
            self._compiled = compiled(self.algorithm, choice.engine, choice.loss)
        log.info("engine chosen", engine=choice.engine.name, why=choice.why)
        return choice

    def _example(self, x: Tensor) -> Tensor:
        """The first task's inputs; a broken task does not decide for all."""
        x = x[0].to(self.device)
        return x.nan_to_num(0, 0, 0) if x.is_floating_point() else x

    def _shape(self, x: Tensor, *, alone: bool) -> tuple[int, ...]:
        """What the network gives for an example of (T, n, ...) inputs; each kind of them is tried once.

        Args:
            alone: whether a single example is all that goes through the network.
        """
        count = x.shape[1]
        kind = (x.dtype, x.shape[2:], min(count, 2) if alone else 2)
        if kind not in self._shapes:
            example = self._example(x)[:2]
            few = torch.cat([example, example]) if count == 1 and not alone else example
            self._shapes[kind] = self._chosen().shape(few)
        return self._shapes[kind]

    def fit(  # noqa: PLR0913 - how long, how often, and who looks on
        self,
        distribution: TaskDistribution,
        *,
        steps: int,
        batch_size: int = 32,
        validation: TaskDistribution | Sequence[MetaLearningTask] | None = None,
        validate_every: int = 250,
        validation_tasks: int = 200,
        patience: int | None = None,
        budget: float | None = None,
        progress: bool | Progress | None = None,
        tracker: Tracker | None = None,
        checkpoints: str | Path | None = None,
        checkpoint_every: int = 1000,
    ) -> FitReport:
        """Meta-train: so many steps, each on new tasks, and keep the best meta-parameters.

        However it ends, the learner then has the meta-parameters that were best on the validation tasks, or the last
        ones where there are none. Ctrl-C is waited with until a step is done; a checkpoint is written before
        `KeyboardInterrupt` is raised.

        Args:
            distribution: of the tasks to learn from.
            steps: outer steps, those before an interruption included; 0 or more.
            batch_size: tasks in a step.
            validation: what draws the validation tasks, once, or the tasks themselves.
            validate_every: steps between two rows of the history, and two validations.
            validation_tasks: how many are drawn.
            patience: stop after so many validations in a row without a better one.
            budget: seconds after which to stop.
            progress: `True` for a bar on standard error, or what is called with (steps done, steps, note).
            tracker: an `onward.LearningProgressTracker`, or the like: gets the figures of every step, and a learning
                event with every validation.
            checkpoints: a folder. With a checkpoint of this very training in it (its validation tasks included), the
                training goes on from there, and comes to the same parameters, bit for bit, as one without interruption.
            checkpoint_every: steps between two checkpoints; there is one at the end as well.

        Raises:
            InvalidInput: a value is out of its range, the checkpoint is of another training, or as `meta_train_step`.
            Damaged: the checkpoint is not what was written.
            Unavailable: a checkpoint cannot be written.

        >>> from onward.learners.meta.tasks import GaussianBlobs
        >>> tasks = GaussianBlobs(ways=2, shots=5)
        >>> net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2))
        >>> learner = MetaLearner(net, MAML(inner_steps=1, inner_rate=0.5), outer_rate=0.01)
        >>> report = learner.fit(tasks, steps=20, batch_size=8, validation=tasks.split("validation"))
        >>> report.steps, report.stopped, report.validation_accuracy > 0.6
        (20, 'steps', True)
        """
        plan = Plan(
            steps=steps,
            batch_size=batch_size,
            validate_every=validate_every,
            validation_tasks=validation_tasks,
            patience=patience,
            budget=budget,
            checkpoints=None if checkpoints is None else folder_of(checkpoints),
            checkpoint_every=checkpoint_every,
        )
        return fit(self, distribution, validation, plan, progress, tracker)

    # Adapting ----------------------------------------------------------------------------------------------------

    def adapt(
        self, task: MetaLearningTask, num_steps: int | None = None, learning_rate: float | None = None
    ) -> AdaptedModel:
        """Learn a task from its support set.

        Args:
            num_steps: gradient steps, 0 or more; the algorithm's own number if not said.
            learning_rate: above 0; the algorithm's own if not said.

        Raises:
            InvalidInput: the task does not fit the network, or it diverged.
        """
        batch = TaskBatch.of([task])
        found = self._adapted(batch, num_steps, learning_rate)
        finite = [value.isfinite().all() for value in (found.losses, *found.params.values())]
        bad = diverged_tasks(found.losses, torch.stack(finite).all().view(1), batch.task_ids)
        if bad is not None:
            raise bad
        own = {name: value.clone() for name, value in found.params.items()}  # what did not move is the learner's
        return AdaptedModel(self, replace(found, params=own), classes=self._classes(batch.support_x, batch.support_y))

    def _adapted(self, batch: TaskBatch, steps: int | None = None, rate: float | None = None) -> Adapted:
        check_adapting(steps, rate)
        with torch.inference_mode(mode=False):
            x, y = plain(batch.support_x).to(self.device), plain(batch.support_y).to(self.device)
            chosen = self._choose((x, y), alone=not self.algorithm.embeds)
            found = self.algorithm.adapt_tasks(Setting(chosen.engine, chosen.loss), self._packed(), x, y, steps, rate)
            if not chosen.engine.together or self.algorithm.embeds:
                return found
            ways = [len(each.unique()) for each in y] if self._classes(x, y) else [2] * len(y)
            return replace(found, beside=x, enough=tuple(max(2, each) for each in ways))

    def _classes(self, x: Tensor, y: Tensor) -> bool:
        """Whether targets of a support set are classes: always where such are compared, else as `accuracy` has it."""
        return self.algorithm.embeds or are_classes(self._shape(x, alone=True), y)

    def outputs(self, adapted: Adapted, x: Tensor) -> Tensor:
        """(T, n, ...) outputs of T learned tasks for (T, n, ...) inputs."""
        chosen = self._chosen()
        with torch.inference_mode(mode=False):
            x = plain(x).to(self.device)
            self._shape(x, alone=not self.algorithm.embeds and adapted.beside is None)
            return self.algorithm.outputs(Setting(chosen.engine, chosen.loss), adapted, x)

    def evaluate(self, adapted: AdaptedModel, task: MetaLearningTask) -> dict[str, float]:
        """loss, and accuracy (0..1, for classes), of a learned task on its query set.

        Raises:
            InvalidInput: the query set does not fit the network, or what it says of one is no number; or, where
                embeddings are compared, a query's class has no support.
        """
        (x, y), learned = task.query_set, adapted._adapted  # noqa: SLF001 - it is made here
        losses, right = self._held(learned, adapted(x).unsqueeze(0), y.unsqueeze(0))
        said = {"loss": float(losses)}
        return said if right is None else said | {"accuracy": float(right)}

    def _held(self, adapted: Adapted, outputs: Tensor, y: Tensor) -> tuple[Tensor, Tensor | None]:
        """(T,) losses of what learned tasks say of their queries, and the share right of classes."""
        loss, y = self._chosen().loss, y.to(self.device)
        loss.check(tuple(outputs.shape[2:]), y)
        if "y" in adapted.support:
            check_known(adapted.support["y"], y)
        return loss.value(outputs, y)[0], accuracy(outputs, y)

    def evaluate_tasks(
        self, tasks: Sequence[MetaLearningTask], num_steps: int | None = None, learning_rate: float | None = None
    ) -> dict[str, list[float]]:
        """loss, and accuracy for classes, of each task on its query set after learning its support set; all at once.

        Both are NaN of a task that diverged; the log names it.

        Raises:
            InvalidInput: a task does not fit the network; or, where embeddings are compared, a query's class has no
                support.
        """
        found: dict[str, list[float]] = {}
        for positions, batch in self._grouped(tasks):
            size = self._evaluated(batch)
            for start in range(0, len(batch), size):
                for name, values in self._judged(batch[start : start + size], num_steps, learning_rate).items():
                    row = found.setdefault(name, [0.0] * len(tasks))
                    for at, value in zip(positions[start:], values.tolist(), strict=False):
                        row[at] = value
        return found

    def _judged(self, batch: TaskBatch, steps: int | None, rate: float | None) -> dict[str, Tensor]:
        """(T,) each, of tasks of one shape."""
        adapted = self._adapted(batch, steps, rate)
        losses, right = self._held(adapted, self.outputs(adapted, batch.query_x), batch.query_y)
        path = torch.cat([adapted.losses[:-1], losses.unsqueeze(0)])
        held = path.isfinite().all(0)
        if bad := diverged_tasks(path, held, batch.task_ids):
            log.warning("tasks diverged", why=str(bad))
        told = {"loss": losses} if right is None else {"loss": losses, "accuracy": right}
        return {name: values.masked_fill(~held, torch.nan) for name, values in told.items()}

    def _evaluated(self, batch: TaskBatch) -> int:
        """How many tasks to judge at once: as many as to learn from, as what lies between layers is all in memory."""
        engine = self._choose((batch.support_x, batch.support_y)).engine
        if self.device.type != "cpu":
            return EVALUATED
        return min(EVALUATED, engine.plan(len(batch), batch.support_x.shape[1] + batch.query_x.shape[1])[0])

    # Keeping -----------------------------------------------------------------------------------------------------

    def meta_parameters(self) -> Params:
        """A copy of the meta-parameters: the network's by their names, and what the algorithm adds."""
        return {name: value.detach().clone() for name, value in self._meta.items()}

    def set_meta_parameters(self, values: Mapping[str, Tensor]) -> None:
        """Go on from these.

        Raises:
            InvalidInput: names or shapes are not those of the learner.
        """
        check_parameters(values, self._meta)
        for name, value in values.items():
            self._meta[name].copy_(value)

    def model(self) -> nn.Module:
        """A copy of the network with its parameters and buffers as they are now.

        Raises:
            InvalidInput: it is no torch module.
        """
        if not isinstance(self._model, nn.Module):
            raise InvalidInput(
                f"A {type(self._model).__name__} keeps no parameters.", mend="Take those of `meta_parameters()`."
            )
        model = copy.deepcopy(self._model).to(self.device)
        for name, p in model.named_parameters():
            p.detach().copy_(self._meta[name] if name in self._meta else self._frozen[name])
        for name, buffer in model.named_buffers():
            if name in self._frozen:
                buffer.data = self._frozen[name].clone()  # those that see a number many times cannot be copied into
        return model

    def state_dict(self) -> dict[str, Any]:
        """All that a resumed training needs: meta-parameters, the optimiser's state, the number of the step."""
        optimizer = copy.deepcopy(self._optimizer.state_dict())  # its own hands out what the next step changes
        return {"meta": self.meta_parameters(), "optimizer": optimizer, "step": self.step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken.

        Raises:
            InvalidInput: it is of another learner.
        """
        meta, optimizer, step = parts_of(state)
        check_parameters(meta, self._meta)
        try:
            self._optimizer.load_state_dict(copy.deepcopy(optimizer))
        except (KeyError, ValueError) as error:
            raise InvalidInput(f"The state is of another optimiser: {error}.", mend="Use the same one.") from error
        self.set_meta_parameters(meta)
        self.step = step

    def describe(self) -> dict[str, str]:
        """What decides a training with this learner, as texts; where two learners differ in it, they are strangers."""
        own = {name: value for name, value in self._optimizer.defaults.items() if name != "lr"}  # it is set each step
        own |= dict.fromkeys(own.keys() & {"foreach", "fused"})  # how a step is computed, not which
        return (
            {
                "network": text(self._model),
                "algorithm": str(named(self.algorithm)),
                "loss": text(self._loss),
                "outer_rate": ", ".join(map(repr, self._rates)),
                "outer_schedule": text(self._schedule),
                "optimizer": f"{type(self._optimizer).__name__} {text(own)}",
                "clip": repr(self._clip),
                "aggregate": repr(self._aggregate),
                "diverged": self._diverged,
                "seed": repr(self._seed),
                "compile": repr(self._compile),
            }
            | shapes(self._meta)
            | digests(self._frozen)
        )

    def save(self, folder: str | Path) -> None:
        """Keep the meta-parameters, and the parameters and buffers that stay as they are, as safetensors and JSON.

        What was kept there before is replaced.

        Raises:
            Unavailable: it cannot be written.
        """
        saved = Saved(text(self._model), named(self.algorithm), self._loss_name, self.step)
        save_learner(folder_of(folder), saved, self.meta_parameters() | self._frozen)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        model: nn.Module | MetaTrainableModel,
        algorithm: Algorithm | None = None,
        **settings: Any,
    ) -> MetaLearner:
        """A learner with the parameters and buffers that `save` kept.

        Args:
            model: a network built like the one that was saved; nothing that could run is stored. Which parameters
                stay as they are, it says; what they are is what was saved.
            algorithm: the one that was saved; only needed where it is not one of Onward's.
            settings: of the learner; the loss is the saved one if not said.

        Raises:
            NotFound: nothing was saved there.
            Damaged: it is not what was saved.
            InvalidInput: network, algorithm or parameters are others than the saved ones; or the loss was a function,
                and none is given.

        >>> from tempfile import TemporaryDirectory
        >>> learner = MetaLearner(nn.Linear(2, 1), MAML(inner_steps=3), loss="mse")
        >>> with TemporaryDirectory() as folder:
        ...     learner.save(folder)
        ...     MetaLearner.load(folder, nn.Linear(2, 1)).algorithm.inner_steps
        3
        """
        place = folder_of(folder)
        saved, meta = load_learner(place)
        algorithm = algorithm_of(saved.algorithm) if algorithm is None else algorithm
        refuse_misfit(saved, text(model), named(algorithm), place)
        if not (saved.loss or "loss" in settings):
            raise InvalidInput(
                f"The learner in {place} had a loss of its own, which is not stored.", mend="Hand it in as loss=."
            )
        if saved.loss:
            settings = {"loss": saved.loss} | settings
        learner = cls(model, algorithm, **settings)
        check_parameters(meta, learner._meta | learner._frozen)
        for name, value in (learner._meta | learner._frozen).items():
            value.copy_(meta[name])
        learner.step = saved.step
        return learner


def plain(x: Tensor) -> Tensor:
    """A tensor that autograd may keep, whether or not this one is of `torch.inference_mode`."""
    return x.clone() if x.is_inference() else x
