"""Measures of continual learning, each a pure function of the accuracy matrix.

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


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
