"""Scales: from values to places along an axis, and the round values that are written at it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bioncl.report.page.text import number

_PREFIXES = ("", "k", "M", "G", "T")
_LOG_FLOOR = 0.7
"""A count of 0 stands a little below 1 on a logarithmic axis."""


@dataclass(frozen=True)
class Scale:
    """An axis.

    Attributes:
        low: Value at its start.
        high: Value at its end, above `low`.
        label: What it measures.
        ticks: (value, text) to write at it.
        logarithmic: Whether places follow the logarithm of values, for counts.
    """

    low: float
    high: float
    label: str
    ticks: list[tuple[float, str]]
    logarithmic: bool = False

    def place(self, values: ArrayLike) -> NDArray[np.float64]:
        """Where values stand: 0 at the start .. 1 at the end."""
        given = np.asarray(values, np.float64)
        low, high = self.low, self.high
        if self.logarithmic:
            given, low, high = np.log(np.maximum(given, _LOG_FLOOR)), math.log(low), math.log(high)
        return (given - low) / (high - low)


def linear(low: float, high: float, label: str, ticks: int = 5) -> Scale:
    """A scale from `low` to `high`, widened if they are the same, with about `ticks` ticks."""
    if not high > low:
        low, high = low - 0.5, low + 0.5
    return Scale(low, high, label, round_ticks(low, high, ticks))


def counts(top: float, label: str) -> Scale:
    """A logarithmic scale for counts up to `top`."""
    top = max(top, 10.0) * 1.2
    powers = range(math.floor(math.log10(top)) + 1)
    step = -(-len(powers) // 5)
    ticks = [(10.0**power, power_text(power)) for power in powers[::step]]
    return Scale(_LOG_FLOOR, top, label, ticks, logarithmic=True)


def power_text(power: int) -> str:
    """A power of ten as it is said: 100, 1k, 10M."""
    thousands = min(power // 3, len(_PREFIXES) - 1)
    return f"{10 ** (power - 3 * thousands):,}{_PREFIXES[thousands]}"


def places(labels: Sequence[str], label: str, most: int = 12) -> Scale:
    """A scale on which the i-th of `labels` stands at i, half a place from the ends."""
    step = max(-(-len(labels) // most), 1)
    ticks = [(float(i), labels[i]) for i in range(0, len(labels), step)]
    return Scale(-0.5, max(len(labels), 1) - 0.5, label, ticks)


def round_ticks(low: float, high: float, most: int = 5) -> list[tuple[float, str]]:
    """Round values from `low` to `high`, at most about `most`, and how they are written."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    decimals = max(-math.floor(math.log10(step) + 1e-9), 0)
    form = f",.{decimals}f" if decimals <= 4 else ".3g"
    return [(i * step, number(i * step, form)) for i in range(first, last + 1)]
