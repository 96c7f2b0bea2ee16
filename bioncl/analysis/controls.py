"""Shuffle controls: what scores look like by chance, and how to read many p-values at once.

Two questions can be asked of a window in which a pattern seems to be replayed:

- control "neurons": is it more like the pattern than if neurons had no identity? Neurons swap
  their places in the templates. Assumes that neurons are alike: a neuron that fires all night and
  is active for everything awake makes windows significant.
- control "time": is it more like the pattern than the rest of the night is? Each neuron's counts
  are shifted around the night by a lag of its own, so its rate and its bursts stay and only what
  neurons do together is lost. The stricter one; it needs many windows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.correlation import standardise
from bioncl.analysis.decoders import Decoder
from bioncl.errors import InputError, describe
from bioncl.seeding import numpy_generator

Control = Literal["neurons", "time"]
_ROUNDING = 1e-12  # a shuffle that changes nothing must not look smaller than what it equals


def shuffled_scores(
    decoder: Decoder, counts: NDArray[np.int64], shuffles: int, control: Control, seed: int
) -> Iterator[NDArray[np.float64]]:
    """Scores of the same windows after each of `shuffles` shuffles: [windows, classes] each.

    Args:
        decoder: What gives the scores.
        counts: Spikes in windows: int64 [windows, neurons].
        shuffles: How many times.
        control: What is shuffled, see above.
        seed: Of the shuffles.

    Raises:
        InputError: A control that does not exist.
    """
    if control not in {"neurons", "time"}:
        raise InputError(describe("unknown control", expected="'neurons' or 'time'", got=control))
    generator = numpy_generator(seed, "analysis", "shuffles", control)
    patterns, (windows, neurons) = standardise(counts), counts.shape
    rows, columns = np.arange(windows)[:, None], np.arange(neurons)
    for _ in range(shuffles):
        if control == "neurons":
            order = generator.permutation(neurons)
            yield replace(decoder, weights=decoder.weights[:, order]).score_standardised(patterns)
        else:
            lag = generator.integers(0, max(windows, 1), neurons)
            yield decoder.scores(counts[(rows + lag) % max(windows, 1), columns])


def reached(shuffled: NDArray[np.float64], observed: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Where a shuffled score is at least the observed one, up to rounding; never for NaN."""
    return shuffled >= observed - _ROUNDING


def upper_p(
    exceeded: NDArray[np.int64], shuffles: int, observed: NDArray[np.float64]
) -> NDArray[np.float64]:
    """One-sided p of a permutation test: (1 + exceeded) / (1 + shuffles).

    The observed arrangement is one of the possible ones, so p is never 0 and never too small
    (Phipson & Smyth 2010).

    Args:
        exceeded: In how many shuffles the score was at least the observed one.
        shuffles: How many there were.
        observed: The observed scores, of the same shape; where they are NaN, p is NaN.
    """
    return np.where(np.isnan(observed), np.nan, (1 + exceeded) / (1 + shuffles))


def benjamini_hochberg(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """p-values adjusted for the false discovery rate (Benjamini & Hochberg 1995), any shape.

    Calling all with an adjusted value up to 0.05 significant keeps the expected share of false
    ones among them at 5 %; if nothing is there at all, the chance of calling anything is 5 %.
    NaN stays NaN and does not count as a test. No adjusted value can be smaller than
    tests / (number of equally small ones × (shuffles + 1)), so take enough shuffles.
    """
    adjusted = np.full(p.shape, np.nan)
    defined = ~np.isnan(p)
    values = p[defined]
    order = np.argsort(values)[::-1]
    ranks = np.arange(len(values), 0, -1)
    lowest = np.minimum.accumulate(values[order] * len(values) / ranks).clip(max=1.0)
    result = np.empty_like(values)
    result[order] = lowest
    adjusted[defined] = result
    return adjusted
