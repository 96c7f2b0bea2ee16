"""Sparseness against the formulas written as loops, and closed forms."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bioncl.analysis.sparseness import active_fraction, hoyer, sparseness, treves_rolls
from bioncl.errors import InputError

RATES = np.maximum(np.random.default_rng(0).normal(size=(9, 13)), 0)


def by_hand(r):
    n, total, squares = len(r), sum(r), sum(x * x for x in r)
    return (
        sum(x > 0 for x in r) / n,
        (total / n) ** 2 / (squares / n),
        (math.sqrt(n) - total / math.sqrt(squares)) / (math.sqrt(n) - 1),
    )


@pytest.mark.parametrize(("over", "rows"), [("neurons", RATES), ("examples", RATES.T)])
def test_measures_are_the_formulas(over, rows):
    """Population sparseness goes along neurons, lifetime sparseness along examples."""
    found = sparseness(RATES, over)
    expected = np.array([by_hand(row.tolist()) for row in rows]).T
    np.testing.assert_allclose([found.active, found.treves_rolls, found.hoyer], expected)


@given(st.integers(2, 50), st.integers(1, 50), st.floats(1e-300, 1e300))
def test_k_of_n_equally_active_neurons(n, k, rate):
    """Treves–Rolls is k/n, Hoyer (√n − √k) / (√n − 1), at any scale."""
    k = min(k, n)
    rates = np.zeros((1, n))
    rates[0, :k] = rate
    assert active_fraction(rates)[0] == k / n
    assert treves_rolls(rates)[0] == pytest.approx(k / n)
    expected = (math.sqrt(n) - math.sqrt(k)) / (math.sqrt(n) - 1)
    assert hoyer(rates)[0] == pytest.approx(expected, abs=1e-12)


def test_silent_and_single_neurons():
    """Silence is active nowhere and has no sparseness; one neuron is fully dense."""
    silent = sparseness(np.zeros((2, 5)), "neurons")
    assert silent.active.tolist() == [0.0, 0.0]
    assert np.isnan([silent.treves_rolls, silent.hoyer]).all()
    single = sparseness(np.array([[3.0]]), "neurons")
    assert single.treves_rolls.tolist() == [1.0]
    assert np.isnan(single.hoyer).all()
    none = sparseness(np.zeros((0, 5)), "examples")
    assert np.isnan([none.active, none.treves_rolls, none.hoyer]).all()
    assert len(sparseness(np.zeros((0, 5)), "neurons").hoyer) == 0


def test_an_unknown_axis_is_refused():
    with pytest.raises(InputError, match="'neurons' or 'examples'"):
        sparseness(RATES, "rows")
