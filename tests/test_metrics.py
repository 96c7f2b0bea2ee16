"""Measures of continual learning against hand-made matrices and the formulas as slow loops."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl import metrics

# Three tasks: the first is half forgotten, the second a little.
HAND = [
    [1.0, 0.2, 0.1],
    [0.7, 0.9, 0.3],
    [0.5, 0.8, 0.6],
]
INITIAL = [0.1, 0.15, 0.2]


@st.composite
def matrices(draw):
    """An accuracy matrix of 1 to 6 tasks, and the accuracies of the untrained network."""
    tasks = draw(st.integers(1, 6))
    row = st.lists(st.floats(0, 1), min_size=tasks, max_size=tasks)
    return draw(st.lists(row, min_size=tasks, max_size=tasks)), draw(row)


def test_hand_computed():
    assert metrics.average_accuracy(HAND) == pytest.approx((0.5 + 0.8 + 0.6) / 3)
    assert metrics.backward_transfer(HAND) == pytest.approx((-0.5 + -0.1) / 2)
    assert metrics.forward_transfer(HAND, INITIAL) == pytest.approx((0.05 + 0.1) / 2)
    assert metrics.forgetting(HAND) == pytest.approx((0.5 + 0.1) / 2)
    assert metrics.learning_accuracy(HAND) == pytest.approx((1.0 + 0.9 + 0.6) / 3)


def test_forgetting_looks_at_the_best_row_not_at_the_diagonal():
    """Task 0 was at its best after task 1, so more was lost than backward transfer tells."""
    matrix = [[0.6, 0.0, 0.0], [0.9, 0.5, 0.0], [0.4, 0.5, 0.5]]
    assert metrics.forgetting(matrix) == pytest.approx((0.5 + 0.0) / 2)
    assert metrics.backward_transfer(matrix) == pytest.approx((-0.2 + 0.0) / 2)


def test_forgetting_leaves_the_last_row_out_of_the_best():
    """A task that is best at the very end counts as negative forgetting."""
    assert metrics.forgetting([[0.5, 0.0], [0.8, 1.0]]) == pytest.approx(-0.3)


@given(matrices())
def test_formulas_with_numbering_from_one(case):
    """Lopez-Paz & Ranzato 2017, equations 2 to 4, and Chaudhry et al. 2018, written out."""
    rows, initial = case
    T = len(rows)

    def R(i, j):  # noqa: N802
        return rows[i - 1][j - 1]

    acc = bwt = fwt = lost = learnt = 0.0
    for i in range(1, T + 1):
        acc += R(T, i) / T
        learnt += R(i, i) / T
    for i in range(1, T):
        bwt += (R(T, i) - R(i, i)) / (T - 1)
        best = -1.0
        for l in range(1, T):  # noqa: E741
            best = max(best, R(l, i))
        lost += (best - R(T, i)) / (T - 1)
    for i in range(2, T + 1):
        fwt += (R(i - 1, i) - initial[i - 1]) / (T - 1)
    assert metrics.average_accuracy(rows) == pytest.approx(acc)
    assert metrics.backward_transfer(rows) == pytest.approx(bwt)
    assert metrics.forward_transfer(rows, initial) == pytest.approx(fwt)
    assert metrics.forgetting(rows) == pytest.approx(lost)
    assert metrics.learning_accuracy(rows) == pytest.approx(learnt)


@given(matrices())
def test_forgetting_is_at_least_what_backward_transfer_lost(case):
    """The best row is never worse than the diagonal."""
    rows, _ = case
    assert metrics.forgetting(rows) >= -metrics.backward_transfer(rows) - 1e-12


def test_one_task_transfers_and_forgets_nothing():
    one = [[0.75]]
    assert metrics.average_accuracy(one) == metrics.learning_accuracy(one) == 0.75
    assert metrics.backward_transfer(one) == metrics.forgetting(one) == 0.0
    assert metrics.forward_transfer(one, [0.1]) == 0.0
