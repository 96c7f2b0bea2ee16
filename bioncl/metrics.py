"""Measures of continual learning, pure functions of accuracies.

The first five measure one run. The last two compare methods fairly: each method is tried with many
values of the setting that trades old knowledge for new, and judged by what it can reach.

`R[i][j]` is the accuracy on task j after learning task i (0-based, 0..1); `initial[j]` the accuracy
on task j of the untrained network. T is the number of tasks.
"""

from __future__ import annotations

from collections.abc import Sequence

Matrix = Sequence[Sequence[float]]


def average_accuracy(matrix: Matrix) -> float:
    """ACC = (1/T) Σ_j R[T−1][j], the mean of the last row."""
    return sum(matrix[-1]) / len(matrix[-1])


def backward_transfer(matrix: Matrix) -> float:
    """BWT = (1/(T−1)) Σ_{j<T−1} (R[T−1][j] − R[j][j]); negative means forgetting, 0 for one task.

    The mean is over the T − 1 old tasks (Lopez-Paz & Ranzato 2017, eq. 3); their code divides by T.
    """
    old = range(len(matrix) - 1)
    return _mean([matrix[-1][j] - matrix[j][j] for j in old])


def forward_transfer(matrix: Matrix, initial: Sequence[float]) -> float:
    """FWT = (1/(T−1)) Σ_{j≥1} (R[j−1][j] − initial[j]); 0 for one task.

    `initial` is the untrained network (Lopez-Paz & Ranzato 2017, eq. 4).
    """
    return _mean([matrix[j - 1][j] - initial[j] for j in range(1, len(matrix))])


def forgetting(matrix: Matrix) -> float:
    """F = (1/(T−1)) Σ_{j<T−1} (max_{l<T−1} R[l][j] − R[T−1][j]); 0 for one task.

    The best accuracy ever had before the last task, less the final one (Chaudhry et al. 2018).
    """
    last = len(matrix) - 1
    return _mean([max(matrix[k][j] for k in range(last)) - matrix[last][j] for j in range(last)])


def learning_accuracy(matrix: Matrix) -> float:
    """LA = (1/T) Σ_j R[j][j], how well each task was learnt when it was new."""
    return _mean([matrix[j][j] for j in range(len(matrix))])


def best_average_accuracy(points: Sequence[Sequence[float]]) -> float:
    """The best mean accuracy that any setting of a method reaches (Lee et al. 2020).

    Args:
        points: Final accuracies on all tasks, one row for each setting that was tried.
    """
    return max(_mean(point) for point in points)


def source_accuracy_at(points: Sequence[tuple[float, float]], target: float) -> float | None:
    """The best accuracy on the source task where the target task reaches at least `target`.

    Linear interpolation along the Pareto front; None if no setting gets there (Lee et al. 2020).

    Args:
        points: Accuracies on source and target task, one pair for each setting that was tried.
        target: Accuracy that is asked of the target task.
    """
    inside: tuple[float, float] | None = None
    for source, reached in sorted(points, key=lambda point: (-point[1], -point[0])):
        if inside and source <= inside[0]:
            continue  # worse at both
        if reached < target:
            if inside is None:
                return None
            share = (inside[1] - target) / (inside[1] - reached)
            return inside[0] + share * (source - inside[0])
        inside = (source, reached)
    return inside[0] if inside else None


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
