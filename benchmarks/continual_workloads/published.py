"""What the papers say, in percent, and by which protocol.

Average accuracy over all tasks after the last; (task, domain, class) of split MNIST.
"""

from __future__ import annotations

from typing import Any

VAN_DE_VEN = "van de Ven and Tolias 2018, arXiv:1809.10635; the protocol also 2019, arXiv:1904.07734"
PUBLISHED: dict[str, dict[str, Any]] = {
    "split": {
        "source": VAN_DE_VEN,
        "SI": (99.1, 63.8, 20.0),
        "LwF": (99.6, 71.0, 24.2),
        "joint": (99.6, 98.4, 97.9),
    },
    "permuted": {
        "source": VAN_DE_VEN,
        "fine-tuning": 78.5,
        "EWC": 94.3,
        "EWC, predicted": 94.3,
        "online EWC": 94.4,
        "online EWC, predicted": 94.4,
        "SI": 95.3,
        "joint": 97.6,
    },
}
