"""What has no value is NaN: without a warning, and without spoiling what has one.

The variation of a single interval, the correlation with a silent layer or the mean of nothing are
not zero and not an error. Every analysis gives NaN there, by way of these functions.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def divide(numerator: ArrayLike, denominator: ArrayLike) -> NDArray[np.float64]:
    """Quotient in float64, NaN where the denominator is 0; shapes broadcast."""
    over, under = np.asarray(numerator, np.float64), np.asarray(denominator, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(under == 0, np.nan, over / under)


def mean_of_defined(values: ArrayLike, axis: int | None = None) -> NDArray[np.float64]:
    """Mean over those values that are not NaN; NaN where all are (0-dimensional for axis None)."""
    given = np.asarray(values, np.float64)
    defined = ~np.isnan(given)
    return divide(np.where(defined, given, 0.0).sum(axis), defined.sum(axis))


def defined_rows(rows: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Which rows [rows, columns] hold no NaN: bool [rows]."""
    return np.asarray(~np.isnan(rows).any(axis=1))


def largest_defined(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Largest value along the last axis that is not NaN; NaN where all are."""
    filled = np.where(np.isnan(values), -np.inf, values).max(-1, initial=-np.inf)
    return np.where(np.isneginf(filled), np.nan, filled)
