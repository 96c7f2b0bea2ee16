"""Sparseness of a code, over neurons (of each example) or over examples (of each neuron).

Activations are rates: not below 0. All measures are free of scale, except for `active_fraction`
with a threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.undefined import divide
from bioncl.errors import InputError, describe

Over = Literal["neurons", "examples"]


def active_fraction(
    activations: NDArray, axis: int = -1, threshold: float = 0.0
) -> NDArray[np.float64]:
    """Share of the entries along `axis` above `threshold`; NaN if there are none."""
    return divide((activations > threshold).sum(axis), activations.shape[axis])


def treves_rolls(activations: NDArray, axis: int = -1) -> NDArray[np.float64]:
    """Treves–Rolls a = (Σr/n)² / (Σr²/n) along `axis` (Treves & Rolls 1991).

    1 if all are equally active, 1/n if only one is (small: sparse); NaN if all are silent.
    """
    scaled = _scaled(activations, axis)
    n = activations.shape[axis]
    return divide(scaled.sum(axis) ** 2, n * (scaled**2).sum(axis))


def hoyer(activations: NDArray, axis: int = -1) -> NDArray[np.float64]:
    """Hoyer's (√n − Σ|r| / √Σr²) / (√n − 1) along `axis` (Hoyer 2004).

    0 if all are equally active, 1 if only one is (large: sparse); NaN if all are silent or n is 1.
    """
    scaled = _scaled(activations, axis)
    root = np.sqrt(activations.shape[axis])
    ratio = divide(np.abs(scaled).sum(axis), np.sqrt((scaled**2).sum(axis)))
    return divide(root - ratio, root - 1)


@dataclass(frozen=True, eq=False)
class Sparseness:
    """Three measures of each example (population) or of each neuron (lifetime) [items].

    Attributes:
        active: Share above 0.
        treves_rolls: 1/n sparse .. 1 dense.
        hoyer: 0 dense .. 1 sparse.
    """

    active: NDArray[np.float64]
    treves_rolls: NDArray[np.float64]
    hoyer: NDArray[np.float64]


def sparseness(activations: NDArray, over: Over) -> Sparseness:
    """All measures at once.

    Args:
        activations: Of one layer [examples, neurons].
        over: "neurons" for how many neurons an example activates (population sparseness,
            [examples]), "examples" for how many examples activate a neuron (lifetime [neurons]).

    Raises:
        InputError: `over` is something else.
    """
    if over not in {"neurons", "examples"}:
        raise InputError(describe("unknown axis", expected="'neurons' or 'examples'", got=over))
    axis = 1 if over == "neurons" else 0
    return Sparseness(
        active_fraction(activations, axis),
        treves_rolls(activations, axis),
        hoyer(activations, axis),
    )


def _scaled(activations: NDArray, axis: int) -> NDArray[np.float64]:
    """Over the largest magnitude, so that squares neither vanish nor overflow; 0 if silent."""
    given = activations.astype(np.float64)
    largest = np.abs(given).max(axis, keepdims=True, initial=0.0)
    return given / np.where(largest == 0, 1.0, largest)
