"""The state of a head's learner as JSON and NumPy arrays, and back; grown where new labels came."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812 - what everybody calls it
from scipy import sparse
from torch import Tensor

from onward.learners.neural import put_together, taken_apart

from ._model import Arrays, Head
from ._rows import WIDTH

ROOT: Final = "state"
PARTS: Final = ("values", "columns", "starts")


def kept_head(labels: tuple[str, ...], memory: int, state: dict[str, Any]) -> Head:
    """What a model carries of a head.

    Args:
        state: what `state_dict` of its learner gave; the network's weights are taken out of it.
    """
    network = state.pop("network")
    tensors: dict[str, Tensor] = {}
    tree = taken_apart(state, ROOT, tensors)
    weights, bias = network["weight"].numpy(), network["bias"].numpy()
    return Head(labels, weights, bias, memory, tree, _packed(tensors))


def state_of(head: Head, labels: int) -> dict[str, Any]:
    """The way back, with outputs for so many labels; those that are new have weights of 0.

    Raises:
        Damaged: it is no such state.
    """
    state: dict[str, Any] = put_together(head.state, _unpacked(head.arrays))
    more = labels - len(head.labels)
    state["network"] = {
        "weight": _grown(torch.tensor(head.weights), more),
        "bias": _grown(torch.tensor(head.bias), more),
    }
    if state["optimizer"] is not None:
        for moments in state["optimizer"]["state"].values():
            moments.update({name: _grown(value, more) for name, value in moments.items()})
    said = state["methods"][0]["memory"]["rows"]
    if "logits" in said:  # of labels that were not there yet, nothing was said
        said["logits"] = F.pad(said["logits"], (0, more), value=-torch.inf)
    return state


def remembered(head: Head) -> list[str]:
    """The ids of the examples in its buffer."""
    state = put_together(head.state, _unpacked(head.arrays))
    return buffer_keys(state)


def buffer_keys(state: Mapping[str, Any]) -> list[str]:
    """The ids of the examples in the buffer of a learner's state."""
    return list(state["methods"][0]["memory"]["keys"] or ())


def _grown(tensor: Tensor, more: int) -> Tensor:
    """More rows of 0; what has no rows, as the number of steps, stays."""
    if not tensor.ndim or not more:
        return tensor
    return F.pad(tensor, (*(0, 0) * (tensor.ndim - 1), 0, more))


def _packed(tensors: Mapping[str, Tensor]) -> Arrays:
    """As arrays, each once, rows of counts without their zeros."""
    found: dict[str, Any] = {}
    for name, tensor in tensors.items():
        array = tensor.numpy()
        if not _are_counts(array):
            found[name] = array
            continue
        rows = sparse.csr_matrix(array)
        parts = rows.data, rows.indices.astype(np.uint16), rows.indptr.astype(np.int64)
        found |= {f"{name}:{part}": values for part, values in zip(PARTS, parts, strict=True)}
    return found


def _unpacked(arrays: Arrays) -> dict[str, Tensor]:
    found = {name: torch.from_numpy(array.copy()) for name, array in arrays.items() if ":" not in name}
    for name in {name.partition(":")[0] for name in arrays if ":" in name}:
        values, columns, starts = (arrays[f"{name}:{part}"] for part in PARTS)
        rows = sparse.csr_matrix((values, columns.astype(np.int64), starts), shape=(len(starts) - 1, WIDTH))
        found[name] = torch.from_numpy(rows.toarray())
    return found


def _are_counts(array: Any) -> bool:
    return bool(array.ndim == 2 and array.dtype == np.uint8 and array.shape[1] == WIDTH)
