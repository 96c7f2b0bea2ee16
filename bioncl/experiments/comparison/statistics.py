"""Intervals and tests for a few seeds.

| question | answer |
|---|---|
| how sure is a mean | 95 % percentile bootstrap interval (Efron 1979), 9,999 resamples |
| do two settings differ | differences on the same seeds: paired t test, two-sided |
| among many comparisons | Holm 1979 on all p values of the family |

The t test was preferred to Wilcoxon's signed ranks because of the number of seeds: with five, no
outcome whatever gives Wilcoxon a p below 0.0625. The interval of the differences stands beside it
and assumes no normality. With fewer than about eight seeds percentile intervals are too narrow.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

CONFIDENCE = 0.95
RESAMPLES = 9999
SEED = 20220901
"""Of the resampling, so that the same results always give the same table."""


@dataclass(frozen=True)
class Estimate:
    """The mean of some values and how sure it is.

    Attributes:
        values: One for each seed; at least one.
        mean: Their mean.
        std: Their standard deviation (n − 1); None for one value.
        low: Lower end of the interval of the mean; None for one value.
        high: Its upper end.
    """

    values: tuple[float, ...]
    mean: float
    std: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Difference:
    """What one has more than another on the same seeds.

    Attributes:
        first: Label of the one.
        second: Label of the other.
        seeds: Seeds that both have.
        estimate: Of first − second; None without a common seed.
        p: Two-sided p value of the paired t test; None with fewer than two seeds.
        p_holm: The same among all comparisons of its family.
    """

    first: str
    second: str
    seeds: tuple[int, ...]
    estimate: Estimate | None
    p: float | None
    p_holm: float | None = None


def estimate(values: Sequence[float]) -> Estimate:
    """Mean, spread and interval of `values`, at least one."""
    given = np.asarray(values, np.float64)
    if len(given) < 2:
        return Estimate(tuple(values), float(given[0]), None, None, None)
    low, high = interval(given)
    return Estimate(tuple(values), float(given.mean()), float(given.std(ddof=1)), low, high)


def interval(values: Sequence[float] | np.ndarray) -> tuple[float, float]:
    """Percentile bootstrap interval of the mean of `values`."""
    given = np.asarray(values, np.float64)
    generator = np.random.default_rng(SEED)
    chosen = generator.integers(0, len(given), (RESAMPLES, len(given)))
    tails = (1 - CONFIDENCE) / 2
    low, high = np.quantile(given[chosen].mean(axis=1), [tails, 1 - tails])
    return float(low), float(high)


def paired_p(differences: Sequence[float]) -> float | None:
    """Two-sided p value of the paired t test; None for fewer than two differences.

    Differences that are all the same have no spread: p is 1 if they are 0, and else 0.
    """
    given = np.asarray(differences, np.float64)
    count = len(given)
    if count < 2:
        return None
    mean, spread = float(given.mean()), float(given.std(ddof=1))
    if spread <= 1e-12 * abs(mean) or spread == 0:
        return 0.0 if mean else 1.0
    t = mean / (spread / math.sqrt(count))
    return float(2 * stats.t.sf(abs(t), count - 1))


def holm(values: Sequence[float | None]) -> list[float | None]:
    """Adjust p values for all that are there (Holm 1979): (m − i) · p of the i-th smallest.

    They are made to rise with p, and are at most 1; None stays None and does not count.
    """
    known = sorted((p, place) for place, p in enumerate(values) if p is not None)
    adjusted: list[float | None] = [None] * len(values)
    least = 0.0
    for rank, (p, place) in enumerate(known):
        least = max(least, min(1.0, (len(known) - rank) * p))
        adjusted[place] = least
    return adjusted
