"""What the inputs of a task are like, whatever their labels."""

from __future__ import annotations

import numpy as np

from ._inputs import SAME, Floats, Support

OUTLYING = 3.0  # standard deviations


def data_statistics(support: Support) -> dict[str, float]:
    """Simple and statistical meta-features of the inputs, each of the order of 1.

    Rivolli, Garcia, Soares, Vanschoren and de Carvalho 2022, "Meta-features for meta-learning", groups "simple" and
    "statistical"; moments and magnitudes by their logarithms.
    """
    d = support.raw.shape[1]
    varies = support.z.any(axis=0)
    return {
        "examples": float(np.log10(support.total)),
        "dimensions": float(np.log10(d)),
        "examples_for_each_dimension": float(np.log10(support.total / d)),
        "missing": support.missing,
        "whole_numbers": support.whole,
        "zeros": float(np.mean(support.raw == 0)),
        "constant_columns": float(1 - varies.mean()),
        **_scale(support),
        **_shape(support.z[:, varies]),
        **_spectrum(support.gram),
    }


def _scale(support: Support) -> dict[str, float]:
    """How large the numbers are, and how unequal from column to column, in powers of ten over 5."""
    present = support.largest[support.largest > 0]
    powers = np.clip(np.log10(present), -10, 10) / 5 if len(present) else np.zeros(1)
    spread = support.raw.std(axis=0)
    relative = spread[spread > SAME]
    return {
        "magnitude": float(powers.max()),
        "magnitude_varies": float(powers.std()),
        "variation": float(relative.mean()) if len(relative) else 0.0,
        "mean": float(support.raw.mean()),
    }


def _shape(z: Floats) -> dict[str, float]:
    """Skewness, kurtosis and outliers of standardised columns that vary, averaged."""
    if not z.size:
        return {"skewness": 0.0, "kurtosis": 0.0, "outliers": 0.0}
    return {
        "skewness": float(np.log1p(np.abs((z**3).mean(axis=0))).mean()),
        "kurtosis": float(np.log1p((z**4).mean(axis=0)).mean()),
        "outliers": float(np.mean(np.abs(z) > OUTLYING)),
    }


def _spectrum(gram: Floats) -> dict[str, float]:
    """How many directions the examples spread in: the share of the first, and the participation ratio over n."""
    values = np.clip(np.linalg.eigvalsh(gram), 0, None)
    total = values.sum()
    if total <= SAME:
        return {"first_direction": 0.0, "directions": 0.0}
    return {
        "first_direction": float(values[-1] / total),
        "directions": float(total**2 / (values**2).sum() / len(values)),
    }
