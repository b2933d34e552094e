"""Small networks of every engine, tasks in float64, and the same algorithms written as plainly as autograd allows."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from onward.learners.meta import Algorithm, MetaLearner, MetaLearningTask, TaskBatch

ENGINES = ("rules", "func", "loop")
WAYS, SIDE = 3, 6


class Squared(nn.Module):
    """A layer without rules."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.sigmoid() + x.square() / 8


def net(engine: str, width: int, seed: int = 0) -> nn.Sequential:
    """A network that this engine takes, with batch norm; `width` numbers an example."""
    torch.manual_seed(seed)
    if engine == "func":
        layers = [nn.Flatten(), nn.Linear(SIDE**2, 7), nn.BatchNorm1d(7), Squared(), nn.Linear(7, width)]
    else:
        after = nn.Tanh() if engine == "rules" else Squared()
        convolution = nn.Conv2d(1, 4, 3, 2, 1)
        layers = [convolution, nn.BatchNorm2d(4), after, nn.Flatten(), nn.Linear(4 * 9, width)]
    return nn.Sequential(*layers).double()


def tasks(count: int = 3, shots: int = 2, queries: int = 4, seed: int = 1) -> TaskBatch:
    """Noisy pictures of `WAYS` classes, in no order."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(count, WAYS, 1, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)

    def examples(each: int) -> tuple[Tensor, Tensor]:
        noise = torch.randn(count, WAYS, each, 1, SIDE, SIDE, generator=generator, dtype=torch.float64)
        x, y = (centres + noise).flatten(1, 2), torch.arange(WAYS).repeat_interleave(each)
        order = torch.randperm(WAYS * each, generator=generator)
        return x[:, order], y[order].expand(count, -1).contiguous()

    return TaskBatch(*examples(shots), *examples(queries), [f"t{n}" for n in range(count)], [{}] * count)


def learner(algorithm: Algorithm, engine: str, width: int = WAYS, **settings: object) -> MetaLearner:
    return MetaLearner(net(engine, width), algorithm, **settings)  # type: ignore[arg-type]


Asked = Callable[[Mapping[str, Tensor], Tensor], Tensor]
Task = Callable[[Asked, Mapping[str, Tensor], MetaLearningTask], Mapping[str, Tensor]]


def expected(of: MetaLearner, batch: TaskBatch, task: Task, engine: str) -> dict[str, Tensor]:
    """The mean over tasks of what `task` (network, meta-parameters, task) says is the meta-gradient."""
    module = of.model().train()
    for each in module.modules():
        if isinstance(each, nn.BatchNorm1d | nn.BatchNorm2d):
            each.track_running_stats, each.running_mean, each.running_var = False, None, None
    meta = {name: value.clone().requires_grad_() for name, value in of.meta_parameters().items()}
    own = {name for name, _ in module.named_parameters()}

    def asked(params: Mapping[str, Tensor], x: Tensor) -> Tensor:
        return functional_call(module, {n: v for n, v in params.items() if n in own}, (x,))

    found: dict[str, Tensor] = {name: torch.zeros_like(value) for name, value in meta.items()}
    for one in batch:
        for name, value in task(asked, meta, one).items():
            found[name] = found[name] + value.detach() / len(batch)
    return found


def grads(loss: Tensor, params: Mapping[str, Tensor], *, graph: bool = False) -> dict[str, Tensor]:
    values = torch.autograd.grad(loss, list(params.values()), create_graph=graph, allow_unused=True)
    return {n: torch.zeros_like(p) if g is None else g for (n, p), g in zip(params.items(), values, strict=True)}


def same(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor], tolerance: float = 1e-5) -> None:
    """Alike to `tolerance`, relative to the largest of all numbers; and not all of them zero."""
    assert ours.keys() == theirs.keys()
    size = max(float(value.abs().max()) for value in theirs.values())
    assert size > 1e-4
    for name, value in theirs.items():
        assert float((ours[name] - value).abs().max()) <= tolerance * size, name


def agrees(of: MetaLearner, task: Task, engine: str, *, count: int = 3) -> None:
    """The meta-gradient is that of the plain version, all tasks stacked or one at a time."""
    batch = tasks(count)
    ours = of.meta_gradient(batch)
    assert of.engine is not None
    assert of.engine.startswith(engine)
    same(ours, expected(of, batch, task, engine))
    alone = [of.meta_gradient(batch[at : at + 1]) for at in range(len(batch))]
    same(ours, {name: torch.stack([each[name] for each in alone]).mean(0) for name in ours}, 1e-6)
