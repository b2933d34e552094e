"""The numbers of a network and of its optimiser, out and in: for the best epoch so far, and for checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from thinc.api import Model

Network = Model[Any, Any]
Array = np.ndarray[Any, Any]
Arrays = dict[str, Array]


def _parameters(network: Network) -> list[tuple[str, Any, str]]:
    """Every parameter: a name that is the same in every process, its layer, its name there."""
    return [
        (f"{i}.{name}", layer, name)
        for i, layer in enumerate(network.walk())
        for name in layer.param_names
        if layer.has_param(name)
    ]


def weights_of(network: Network) -> Arrays:
    """A copy of all weights."""
    return {key: np.array(layer.get_param(name)) for key, layer, name in _parameters(network)}


def set_weights(network: Network, weights: Mapping[str, Array]) -> None:
    """Put a copy of the weights back."""
    for key, layer, name in _parameters(network):
        layer.set_param(name, np.array(weights[key]))


def forget_gradients(network: Network) -> None:
    """Drop what a failed update left behind."""
    for _, layer, name in _parameters(network):
        if layer.has_grad(name):
            layer.set_grad(name, np.zeros_like(layer.get_grad(name)))


def moments_of(network: Network, optimizer: Any) -> Arrays:
    """The optimiser's moments and counts of updates."""
    found: Arrays = {}
    for key, layer, name in _parameters(network):
        place = (layer.id, name)
        if place in optimizer.mom1:
            found[f"{key}.mom1"] = optimizer.mom1[place]
            found[f"{key}.mom2"] = optimizer.mom2[place]
            found[f"{key}.updates"] = np.array([optimizer.nr_update[place]])
    return found


def set_moments(network: Network, optimizer: Any, moments: Mapping[str, Array]) -> None:
    """Put the moments back into a fresh optimiser."""
    for key, layer, name in _parameters(network):
        if f"{key}.mom1" in moments:
            place = (layer.id, name)
            optimizer.mom1[place] = np.array(moments[f"{key}.mom1"])
            optimizer.mom2[place] = np.array(moments[f"{key}.mom2"])
            optimizer.nr_update[place] = int(moments[f"{key}.updates"][0])
