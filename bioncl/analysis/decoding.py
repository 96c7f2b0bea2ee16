"""What each window of the night replays, with confidence and shuffle controls.

counts in windows → scores of a decoder → probabilities, label, confidence; the best score of a
window against the best scores of shuffled windows → p → adjusted q.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.controls import (
    Control,
    benjamini_hochberg,
    reached,
    shuffled_scores,
    upper_p,
)
from bioncl.analysis.decoders import Decoder
from bioncl.analysis.undefined import largest_defined


@dataclass(frozen=True, eq=False)
class Decoded:
    """The classes that windows are decoded as. A window whose counts are all equal has none.

    Attributes:
        scores: float64 [windows, classes]; NaN without a class.
        probabilities: float64 [windows, classes]; NaN without a class.
        labels: Most probable class, −1 without one: int64 [windows].
        confidence: Its probability: float64 [windows].
        p: How often a shuffled window's best score is as high: float64 [windows].
        q: `p` adjusted for the number of windows (Benjamini–Hochberg): float64 [windows].
        chance: Best score of each window in each shuffle: float64 [shuffles, windows].
    """

    scores: NDArray[np.float64]
    probabilities: NDArray[np.float64]
    labels: NDArray[np.int64]
    confidence: NDArray[np.float64]
    p: NDArray[np.float64]
    q: NDArray[np.float64]
    chance: NDArray[np.float64]

    def significant(self, level: float = 0.05) -> NDArray[np.int64]:
        """Labels of the windows with q up to `level`, −1 for the others: int64 [windows]."""
        return np.where(self.q <= level, self.labels, -1)


def decode(
    decoder: Decoder,
    counts: NDArray[np.int64],
    shuffles: int = 1000,
    control: Control = "neurons",
    seed: int = 0,
) -> Decoded:
    """Decode each window, and say how surely it is more than chance.

    The best score of all classes is tested, once for each window, so that the number of classes
    needs no correction.

    Args:
        decoder: Made from awake activity of the same layer.
        counts: Sleep spikes in windows: int64 [windows, neurons].
        shuffles: For p-values and chance.
        control: What is shuffled: the neurons' identity, or their time (see `controls`).
        seed: Of the shuffles.

    Raises:
        InputError: The decoder is one of another number of neurons, or no such control.
    """
    scores = decoder.scores(counts)
    best = largest_defined(scores)
    chance = np.full((shuffles, len(counts)), np.nan)
    for index, shuffled in enumerate(shuffled_scores(decoder, counts, shuffles, control, seed)):
        chance[index] = largest_defined(shuffled)
    p = upper_p(reached(chance, best).sum(axis=0), shuffles, best)
    probabilities = decoder.probabilities(scores)
    ranked = np.where(np.isnan(scores), -np.inf, scores)
    labels = np.where(np.isnan(best), -1, ranked.argmax(axis=1) if ranked.size else -1)
    confidence = largest_defined(probabilities)
    q = benjamini_hochberg(p)
    return Decoded(scores, probabilities, labels, confidence, p, q, chance)
