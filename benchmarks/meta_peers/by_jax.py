"""JAX: the same network written in it, `jit` of `vmap` of `grad`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.meta_peers import Gradient
from benchmarks.meta_peers.work import Data, Work

SUPPORT_AND_QUERY = ("support_x", "support_y", "query_x", "query_y")


def prepare(work: Work, data: Data) -> Gradient:
    import jax  # type: ignore[import-not-found]
    import jax.numpy as jnp  # type: ignore[import-not-found]

    first = {name[4:]: jnp.asarray(data[name]) for name in data if name.startswith("net.")}
    parts = [jnp.asarray(data[name]) for name in SUPPORT_AND_QUERY]
    outputs = mlp if work.regression else convolutions(work)

    def judged(parameters: Any, x: Any, y: Any) -> Any:
        found = outputs(parameters, x)
        if work.regression:
            return jnp.mean((found - y) ** 2)
        return -jnp.mean(jnp.take_along_axis(jax.nn.log_softmax(found), y[:, None], 1))

    def adapted(parameters: Any, x: Any, y: Any) -> Any:
        for _ in range(work.inner_steps):
            found = jax.grad(judged)(parameters, x, y)
            found = jax.lax.stop_gradient(found) if work.first_order else found
            parameters = {name: parameters[name] - work.inner_rate * found[name] for name in parameters}
        return parameters

    def after(parameters: Any, sx: Any, sy: Any, qx: Any, qy: Any) -> Any:
        return judged(adapted(parameters, sx, sy), qx, qy)

    def mean(parameters: Any, tasks: Any) -> Any:
        found = jax.vmap(jax.grad(after), in_axes=(None, 0, 0, 0, 0))(parameters, *tasks)
        return {name: each.mean(0) for name, each in found.items()}

    compiled = jax.jit(mean)

    def gradient(count: int) -> Mapping[str, Any]:
        found: Mapping[str, Any] = jax.block_until_ready(compiled(first, [part[:count] for part in parts]))
        return found

    return gradient


def mlp(parameters: Any, x: Any) -> Any:
    import jax.numpy as jnp

    for at in (0, 2):
        x = jnp.maximum(x @ parameters[f"{at}.weight"].T + parameters[f"{at}.bias"], 0)
    return x @ parameters["4.weight"].T + parameters["4.bias"]


def patches(x: Any, stride: int) -> Any:
    """The 3x3 neighbourhoods: under `vmap` over weights, several times as fast in XLA as its own convolution."""
    import jax.numpy as jnp

    rows, columns = ((side - 1) // stride + 1 for side in x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0)))
    shifted = [
        padded[:, row : row + stride * (rows - 1) + 1 : stride, column : column + stride * (columns - 1) + 1 : stride]
        for row in range(3)
        for column in range(3)
    ]
    return jnp.concatenate(shifted, -1)


def convolutions(work: Work) -> Any:
    import jax.numpy as jnp
    from jax import lax

    pooled = work.network == "pooled"
    size, stride = (4, 1) if pooled else (3, 2)

    def outputs(parameters: Any, x: Any) -> Any:
        x = jnp.moveaxis(x, 1, -1)  # channels last
        for block in range(4):
            weight, bias = parameters[f"{size * block}.weight"], parameters[f"{size * block}.bias"]
            x = patches(x, stride) @ jnp.transpose(weight, (2, 3, 1, 0)).reshape(-1, len(bias)) + bias
            mean = x.mean((0, 1, 2))
            x = (x - mean) * lax.rsqrt(((x - mean) ** 2).mean((0, 1, 2)) + 1e-5)
            x = x * parameters[f"{size * block + 1}.weight"] + parameters[f"{size * block + 1}.bias"]
            x = jnp.maximum(x, 0)
            if pooled:
                even = (x.shape[1] // 2) * 2
                n, _, _, channels = x.shape
                x = x[:, :even, :even].reshape(n, even // 2, 2, even // 2, 2, channels).max((2, 4))
        return x.mean((1, 2)) @ parameters[f"{4 * size + 2}.weight"].T + parameters[f"{4 * size + 2}.bias"]

    return outputs
