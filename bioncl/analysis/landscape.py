"""Loss and accuracy on the way from one set of weights to another."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.fitting import check_same_layers

Weights = Sequence[NDArray]


@dataclass(frozen=True, eq=False)
class Line:
    """What was found at points (1 − α) · start + α · end.

    Attributes:
        alphas: float64 [points]; 0 is the start, 1 the end.
        loss: float64 [points].
        accuracy: 0..1: float64 [points].
    """

    alphas: NDArray[np.float64]
    loss: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def interpolate(start: Weights, end: Weights, alpha: float) -> list[NDArray]:
    """(1 − α) · start + α · end, layer by layer, in the dtype of the weights; exact at 0 and 1.

    Raises:
        InputError: The layers' numbers or shapes differ.
    """
    check_same_layers(start, end, "weights at the ends of the line")
    return [(1 - alpha) * first + alpha * last for first, last in zip(start, end, strict=True)]


def along_line(
    evaluate: Callable[[list[NDArray]], tuple[float, float]],
    start: Weights,
    end: Weights,
    alphas: Sequence[float],
) -> Line:
    """Evaluate the weights on the straight line from awake to asleep (Goodfellow et al. 2015).

    Args:
        evaluate: Gives loss and accuracy of a list of weights [post, pre].
        start: Weights before the night.
        end: Weights afterwards.
        alphas: Where; below 0 or above 1 goes beyond the ends.

    Raises:
        InputError: The layers' numbers or shapes differ.
    """
    found = [evaluate(interpolate(start, end, float(alpha))) for alpha in alphas]
    loss, accuracy = np.array(found, np.float64).reshape(len(found), 2).T
    return Line(np.array(alphas, np.float64), loss, accuracy)


def barrier(line: Line) -> float:
    """Largest loss above the straight line between the losses at the ends (Frankle et al. 2020).

    At least 0, which means that the two sets of weights are linearly connected. The line's first
    point has to be α = 0 and its last α = 1. NaN without points.
    """
    if not len(line.loss):
        return float("nan")
    straight = (1 - line.alphas) * line.loss[0] + line.alphas * line.loss[-1]
    return float((line.loss - straight).max())
