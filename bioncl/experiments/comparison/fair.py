"""The two fair measures of Lee et al. 2020: a method is judged by what it can reach.

Methods that trade old tasks against new ones have a number that sets the trade; comparing them at
one value each says little. So each method is tried with many values; for each seed the best average
accuracy of any value is taken, and the best accuracy on the old tasks where the last task still
reaches a wanted accuracy, interpolated along the Pareto front.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from bioncl.metrics import best_average_accuracy, source_accuracy_at


@dataclass(frozen=True)
class FairMeasures:
    """What a method reaches over all values that were tried; one value for each seed.

    Attributes:
        best_average: Best mean accuracy over the tasks.
        source_at_target: Accuracy on the old tasks where the last reaches the target; None where
            it never does, and for all if no target was set.
    """

    best_average: list[float]
    source_at_target: list[float | None]


def source_and_target(row: Sequence[float]) -> tuple[float, float]:
    """Mean accuracy on all tasks but the last, and accuracy on the last."""
    return statistics.mean(row[:-1]), row[-1]


def fair_measures(
    rows: Sequence[Sequence[Sequence[float]]], target: float | None = None
) -> FairMeasures:
    """Both measures of each seed.

    Args:
        rows: Final accuracies on all tasks: [values][seeds][tasks], at least two tasks.
        target: Accuracy wanted on the last task, 0..1.
    """
    by_seed = list(zip(*rows, strict=True))
    best = [best_average_accuracy(points) for points in by_seed]
    if target is None:
        return FairMeasures(best, [None] * len(best))
    source = [source_accuracy_at([source_and_target(r) for r in p], target) for p in by_seed]
    return FairMeasures(best, source)
