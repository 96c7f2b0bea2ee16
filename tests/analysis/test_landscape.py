"""Curves along a line against functions whose curve is known."""

from __future__ import annotations

import numpy as np
import pytest

from bioncl.analysis.landscape import along_line, barrier, interpolate
from bioncl.errors import InputError

START, END = (
    [np.array([[1.0, -1.0]]), np.array([[2.0]])],
    [np.array([[3.0, 0.0]]), np.zeros((1, 1))],
)


def squared_length(weights):
    return sum(float((w**2).sum()) for w in weights), float(weights[0][0, 0] / 10)


def test_the_curve_of_a_quadratic_loss_is_a_parabola():
    alphas = np.linspace(-0.5, 1.5, 9)
    found = along_line(squared_length, START, END, alphas)
    expected = (1 + 2 * alphas) ** 2 + (alphas - 1) ** 2 + (2 - 2 * alphas) ** 2
    np.testing.assert_allclose(found.loss, expected)
    np.testing.assert_allclose(found.accuracy, (1 + 2 * alphas) / 10)
    assert np.array_equal(found.alphas, alphas)


def test_the_ends_are_exact_and_the_dtype_stays():
    random = np.random.default_rng(0)
    start, end = ([random.normal(size=(3, 4)).astype(np.float32)] for _ in range(2))
    assert np.array_equal(interpolate(start, end, 0.0)[0], start[0])
    assert np.array_equal(interpolate(start, end, 1.0)[0], end[0])
    assert interpolate(start, end, 0.3)[0].dtype == np.float32


def test_a_barrier_is_the_height_above_the_straight_line():
    """|x| from −1 to 1 has none; 1 − x² from −1 to 2 lies highest above its chord at 1/2."""

    def line(loss, low, high):
        ends = [np.array([[low]])], [np.array([[high]])]
        return along_line(lambda w: (loss(w[0][0, 0]), 0.0), *ends, np.linspace(0, 1, 13))

    assert barrier(line(abs, -1.0, 1.0)) == 0.0
    assert barrier(line(lambda x: 1 - x**2, -1.0, 2.0)) == pytest.approx(2.25)


def test_no_points_give_an_empty_curve():
    found = along_line(squared_length, START, END, [])
    assert found.loss.shape == found.accuracy.shape == (0,)
    assert np.isnan(barrier(found))


def test_ends_that_do_not_fit_are_refused():
    with pytest.raises(InputError, match="shape"):
        along_line(squared_length, START, START[::-1], [0.5])
    with pytest.raises(InputError, match="layers"):
        along_line(squared_length, START, START[:1], [0.5])
