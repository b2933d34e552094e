"""Gradients that must not work against others: the nearest one that does not, in the Euclidean sense.

Gradients are lists of tensors, one for each parameter. Sums over parameters are taken in double precision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import torch
from scipy.optimize import nnls
from torch import Tensor

Gradient = Sequence[Tensor]
Matrix = npt.NDArray[np.float64]
RANK: Final = 1e-12
"""Directions whose share of the largest is below this are the rounding of others."""


def gram(gradients: Sequence[Gradient]) -> Tensor:
    """(k, k) double: the inner products of k gradients.

    >>> gram([[torch.tensor([1.0, 2.0])], [torch.tensor([0.0, 3.0])]])
    tensor([[5., 6.],
            [6., 9.]], dtype=torch.float64)
    """
    total = gradients[0][0].new_zeros(len(gradients), len(gradients), dtype=torch.float64)
    for parts in zip(*gradients, strict=True):
        rows = torch.stack([part.flatten() for part in parts]).double()
        total.addmm_(rows, rows.T)
    return total


def multipliers(products: Matrix, slopes: Matrix, margin: float = 0.0) -> Matrix:
    """(t,) the v >= margin that is least in v'Pv / 2 + s'v: the dual problem of GEM.

    With u = v - margin it is the non-negative least-squares problem |Au - b| with A'A = P and A'b = -(s + margin P1),
    solved exactly by an active set (Lawson and Hanson 1974). References that are multiples or sums of others do no
    harm: A is taken from the eigenvectors of P, each reference scaled to length 1.

    Args:
        products: (t, t) inner products P of the references.
        slopes: (t,) inner products s of the references with the gradient.
        margin: 0 or more.

    >>> multipliers(np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([-4.0, 3.0]))
    array([2., 0.])
    """
    length = np.sqrt(np.diagonal(products))
    inverse = np.divide(1.0, length, out=np.zeros_like(length), where=length > 0)
    values, vectors = np.linalg.eigh(products * np.outer(inverse, inverse))
    kept = values > RANK * len(values) * values.max(initial=1.0)
    root, vectors = np.sqrt(values[kept]), vectors[:, kept]
    target = -(slopes + margin * products.sum(1)) * inverse
    found, _ = nnls((vectors * root).T, vectors.T @ target / root, maxiter=100 * len(slopes))
    result: Matrix = margin + found * inverse
    return result


def onto_cone(gradient: Gradient, references: Sequence[Gradient], margin: float = 0.0) -> bool:
    """Change a gradient in place to the nearest one whose inner product with no reference is negative.

    The quadratic programme of GEM (Lopez-Paz and Ranzato 2017, arXiv:1706.08840, eq. 11) by its dual: the references
    are added v times, v >= margin. A margin above 0 leans towards the references more than the nearest one does. The
    gradient stays as it is where no inner product is negative, as in the authors' code, or where one is no number.

    Args:
        references: at least one.

    Returns:
        Whether it was changed.

    >>> gradient = [torch.tensor([1.0, -1.0])]
    >>> onto_cone(gradient, [[torch.tensor([0.0, 2.0])]]), gradient
    (True, [tensor([1., 0.])])
    """
    products = gram([gradient, *references]).cpu().numpy()
    slopes = products[0, 1:]
    if not np.isfinite(products).all() or (slopes >= 0).all():
        return False
    for factor, reference in zip(multipliers(products[1:, 1:], slopes, margin), references, strict=True):
        if factor:
            torch._foreach_add_(list(gradient), list(reference), alpha=float(factor))
    return True


def onto_half_space(gradient: Gradient, reference: Gradient) -> None:
    """Change a gradient in place to the nearest one whose inner product with a reference is not negative.

    A-GEM (Chaudhry et al. 2019, arXiv:1812.00420, eq. 11): g - (g'r / r'r) r where g'r is negative. Nothing leaves the
    device.

    >>> gradient = [torch.tensor([1.0, -1.0])]
    >>> onto_half_space(gradient, [torch.tensor([0.0, 2.0])])
    >>> gradient
    [tensor([1., 0.])]
    """
    products = gram([gradient, reference])
    factor = torch.where(products[1, 1] > 0, -products[0, 1].clamp(max=0) / products[1, 1], 0.0)
    steps = torch._foreach_mul(list(reference), factor.to(reference[0].dtype))  # noqa: SLF001 - torch's own optimisers do
    torch._foreach_add_(list(gradient), steps)
