"""Decoders of patterns of activity: linear readers of standardised patterns.

Awake activations are continuous and dense, sleep counts are few small integers; all that they share
is which neurons are more active than others. Both decoders therefore see each pattern standardised
(less its mean, at unit length), so that neither scale nor offset matters.

`centroid_decoder` needs only the class means, which a trace file keeps, fits nothing and is the
default. `logistic_decoder` needs the awake examples themselves and can use what tells similar
classes apart.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.correlation import standardise
from bioncl.analysis.fitting import check_labels, check_neurons
from bioncl.analysis.undefined import defined_rows, divide, largest_defined
from bioncl.errors import InputError, describe


@dataclass(frozen=True, eq=False)
class Decoder:
    """Scores of classes are `weights` · standardised pattern + `bias`.

    Attributes:
        weights: float64 [classes, neurons]; a row of NaN for a class that cannot be decoded.
        bias: float64 [classes].
        sharpness: Probabilities are softmax(sharpness × scores).
    """

    weights: NDArray[np.float64]
    bias: NDArray[np.float64]
    sharpness: float

    def scores(self, patterns: NDArray) -> NDArray[np.float64]:
        """Scores of patterns [patterns, neurons]: float64 [patterns, classes]; NaN if constant.

        Raises:
            InputError: The number of neurons is not the decoder's.
        """
        check_neurons(patterns, self.weights, "the patterns and the decoder")
        return self.score_standardised(standardise(patterns))

    def score_standardised(self, patterns: NDArray[np.float64]) -> NDArray[np.float64]:
        """`scores` of patterns that went through `standardise`."""
        known = np.outer(defined_rows(patterns), defined_rows(self.weights))
        product = np.nan_to_num(patterns) @ np.nan_to_num(self.weights).T
        return np.where(known, product + self.bias, np.nan)

    def probabilities(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Probabilities of the classes from their scores: [patterns, classes], rows add up to 1.

        A class that cannot be decoded has 0; a pattern without any score has NaN.
        """
        logits = self.sharpness * scores
        logits = logits - largest_defined(logits)[:, None]
        weights = np.exp(np.where(np.isnan(scores), -np.inf, logits))
        return divide(weights, weights.sum(axis=1, keepdims=True))


def centroid_decoder(means: NDArray, sharpness: float | None = None) -> Decoder:
    """Scores are Pearson's correlations with the classes' mean activations.

    Args:
        means: Mean awake activations [classes, neurons].
        sharpness: Default √(neurons − 1), one over the standard deviation that a correlation has
            by chance, so that odds of e to 1 stand for one standard deviation.
    """
    chance = float(np.sqrt(max(means.shape[1] - 1, 0)))
    sharpness = chance if sharpness is None else sharpness
    return Decoder(standardise(means), np.zeros(len(means)), sharpness)


def logistic_decoder(
    activations: NDArray, labels: NDArray[np.int64], classes: int, penalty: float = 1.0
) -> Decoder:
    """Multinomial logistic regression (scikit-learn, lbfgs: nothing random) on z-scored examples.

    Args:
        activations: Awake activations of one layer [examples, neurons]; constant ones are left out.
        labels: Classes of the examples: int64 [examples].
        classes: Number of classes; those without examples cannot be decoded.
        penalty: Strength of the squared penalty on weights (one over scikit-learn's C).

    Raises:
        InputError: Labels that do not fit, or examples of fewer than two classes.
    """
    from sklearn.linear_model import LogisticRegression

    check_labels(labels, len(activations), classes)
    patterns = standardise(activations) * np.sqrt(activations.shape[1])
    usable = defined_rows(patterns)
    seen = np.unique(labels[usable])
    if len(seen) < 2:
        raise InputError(
            describe("a decoder cannot be trained", expected="two classes", got=len(seen))
        )
    model = LogisticRegression(C=1 / penalty, max_iter=10_000)
    model.fit(patterns[usable], labels[usable])
    found, offset = model.coef_, model.intercept_
    if len(seen) == 2:  # scikit-learn gives the difference of the two classes
        found, offset = np.concatenate([-found, found]) / 2, np.array([-1, 1]) * offset / 2
    weights, bias = np.full((classes, patterns.shape[1]), np.nan), np.zeros(classes)
    weights[seen], bias[seen] = found * np.sqrt(patterns.shape[1]), offset
    return Decoder(weights, bias, 1.0)


def held_out_accuracy(
    train: Callable[[NDArray, NDArray[np.int64]], Decoder],
    activations: NDArray,
    labels: NDArray[np.int64],
    folds: int = 5,
) -> float:
    """Share of awake examples that a decoder trained without them decodes rightly.

    The examples of each class are dealt out to the folds in turn. NaN if a class has only one.

    Args:
        train: Makes a decoder of the same classes from activations and labels.
        activations: Awake activations [examples, neurons].
        labels: Classes of the examples: int64 [examples].
        folds: How many parts.
    """
    own = labels[:, None] == labels
    turn = np.tril(own, -1).sum(axis=1)
    if not len(labels) or own.sum(axis=1).min() < 2:
        return float("nan")
    fold = turn % min(folds, int(own.sum(axis=1).min()))
    right = 0
    for part in range(int(fold.max()) + 1):
        held = fold == part
        scores = train(activations[~held], labels[~held]).scores(activations[held])
        ranked = np.where(np.isnan(scores), -np.inf, scores)
        known = ~np.isnan(scores).all(axis=1)
        right += int((known & (ranked.argmax(axis=1) == labels[held])).sum())
    return right / len(labels)
