"""What examples are worth keeping, by what the network makes of them: pure functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from onward.core import InvalidInput
from onward.learners.continual._checks import is_classes


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """Examples as the network sees them, in evaluation mode.

    Args:
        scores: (n, C), -inf where an output does not count; or (n, ...) real outputs.
        y: (n,) classes, or (n, ...) real targets.
        features: (n, d) what the last linear layer is given; `None` where there is no such layer.
        bias: whether that layer has one.
    """

    scores: Tensor
    y: Tensor
    features: Tensor | None = None
    bias: bool = True


def view_of(network: nn.Module, scores: Callable[[Tensor], Tensor], x: Tensor, y: Tensor) -> View:
    """Look at examples once.

    Args:
        scores: (n, ...) examples -> (n, C), by way of `network`, without gradients.
    """
    last = [module for module in network.modules() if isinstance(module, nn.Linear)][-1:]
    found: list[Tensor] = []
    handles = [layer.register_forward_pre_hook(lambda _, given: found.append(given[0].detach())) for layer in last]
    try:
        answer = scores(x)
    finally:
        for handle in handles:
            handle.remove()
    features = torch.cat(found).flatten(1) if found else None
    if features is not None and len(features) != len(x):
        features = None  # a layer that is used several times, or on parts of an example
    return View(answer, y, features, bool(last) and last[0].bias is not None)


def errors(view: View) -> Tensor:
    """(n,) norm of the error: softmax minus the right class (EL2N, Paul et al. 2021, arXiv:2107.07075), or residual.

    >>> errors(View(torch.zeros(1, 2), torch.tensor([1])))
    tensor([0.7071])
    """
    if not is_classes(view.y):
        wrong = (view.scores - view.y.view_as(view.scores)).unsqueeze(-1).flatten(1)
    else:
        wrong = view.scores.softmax(1)
        wrong[torch.arange(len(wrong), device=wrong.device), view.y] -= 1
    return wrong.square().sum(1).sqrt()


def gradient_norms(view: View) -> Tensor:
    """(n,) norm of each example's own gradient in the last linear layer, weights and bias, in closed form.

    Of cross-entropy, or of half the squared error: the norm of the error times that of the features and 1. It is the
    part of GraNd (Paul et al. 2021, arXiv:2107.07075) that needs no backward pass.

    Raises:
        InvalidInput: the network ends in no linear layer that sees each example once, or diverged.

    >>> gradient_norms(View(torch.zeros(1, 2), torch.tensor([1]), torch.tensor([[1.0, 1.0, 1.0]])))
    tensor([1.4142])
    """
    return errors(view) * (_features(view).square().sum(1) + float(view.bias)).sqrt()


def entropies(view: View) -> Tensor:
    """(n,) entropy of the predicted classes, in nats.

    >>> entropies(View(torch.zeros(1, 2), torch.tensor([1])))
    tensor([0.6931])
    """
    parts: Tensor = torch.special.entr(_classes(view).softmax(1))
    return parts.sum(1)


def margins(view: View) -> Tensor:
    """(n,) 1 minus the lead of the likeliest class over the next: 1 where both are as likely, 0 where it is certain.

    >>> margins(View(torch.zeros(1, 2), torch.tensor([1])))
    tensor([1.])
    """
    if _classes(view).shape[1] < 2:
        return view.scores.new_zeros(len(view.scores))
    likeliest: Tensor = view.scores.softmax(1).topk(2).values
    return 1 - likeliest[:, 0] + likeliest[:, 1]


def herding(view: View, count: int) -> Tensor:
    """(n,) places in the order of herding within each class (iCaRL: Rebuffi et al. 2017, arXiv:1611.07725).

    The first of a class is nearest to the mean of its features, of norm 1 each; every next one brings the mean of
    those before and itself nearest to it.

    Args:
        count: places to find in each class; the others share the next.

    Raises:
        InvalidInput: as `gradient_norms`.
    """
    _classes(view)
    features = nn.functional.normalize(_features(view).float(), dim=1)
    places = torch.full((len(features),), count, dtype=torch.long, device=features.device)
    for number in view.y.unique():
        rows = (view.y == number).nonzero().squeeze(1)
        order = _herded(features[rows], min(count, len(rows)))
        places[rows[order]] = torch.arange(len(order), device=places.device)
    return places


def _herded(features: Tensor, count: int) -> Tensor:
    """(count,) rows; minimises |mean - (sum + f) / k|, that is |f|^2 - 2 f . (k mean - sum)."""
    mean, total = features.mean(0), torch.zeros_like(features[0])
    lengths = features.square().sum(1)
    chosen = torch.empty(count, dtype=torch.long, device=features.device)
    for k in range(count):
        distance = lengths - 2 * features @ (mean * (k + 1) - total)
        best = distance.argmin()
        chosen[k] = best
        total = total + features[best]
        lengths[best] = torch.inf
    return chosen


def _features(view: View) -> Tensor:
    if view.features is None:
        raise InvalidInput(
            "The network has no last linear layer to look at.",
            why="This importance is made of what such a layer is given, once for each example.",
            mend='Choose another policy, e.g. GradientMagnitude(measure="error").',
        )
    if not bool(view.features.isfinite().all()):
        raise InvalidInput(
            "What the last linear layer is given holds what is no finite number.",
            why="The network diverged.",
            mend="Lower the rate.",
        )
    return view.features


def _classes(view: View) -> Tensor:
    if not is_classes(view.y):
        raise InvalidInput(
            "Only one class for each example gives this policy something to go by.",
            mend='Choose "gradient_magnitude", or "random".',
        )
    return view.scores
