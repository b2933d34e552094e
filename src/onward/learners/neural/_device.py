"""Where tensors live."""

from __future__ import annotations

import torch

from onward.core import InvalidInput


def device_of(named: str | torch.device) -> torch.device:
    """The device of a name, tried.

    Raises:
        InvalidInput: there is none of this name here.

    >>> device_of("cpu")
    device(type='cpu')
    """
    try:
        device = torch.device(named)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        why = str(error).splitlines()[0].rstrip(".")
        raise InvalidInput(f"There is no device {named!r} here.", why=f"{why}.", mend=_mend()) from error
    return device


def _mend() -> str:
    found = ["cpu", *[f"cuda:{at}" for at in range(torch.cuda.device_count())]]
    return f"Name one of those that there are: {', '.join(found)}."
