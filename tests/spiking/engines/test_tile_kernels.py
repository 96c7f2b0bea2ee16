"""The compiled loops of the fast path, against NumPy and plain loops."""

import re

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from scipy.special import expit

from bioncl.spiking.engines import tile_kernels as kernels
from bioncl.spiking.engines.rule_numbers import CONSTANT, LOGISTIC
from bioncl.spiking.engines.tile_code import logistic
from bioncl.spiking.engines.tile_kernels import SILENCE, Numbers, Tiled


@njit
def apply(values, out):
    for i in range(len(values)):
        out[i] = logistic(values[i])


def logistic_of(values):
    out = np.empty_like(values)
    apply(values, out)
    return out


@pytest.mark.parametrize(("dtype", "end"), [(np.float32, 86.0), (np.float64, 707.0)])
def test_logistic_is_within_four_units_in_the_last_place(dtype, end):
    rng = np.random.default_rng(0)
    near = np.geomspace(1e-12, end, 1000)
    values = np.concatenate([near, -near, rng.uniform(-end, end, 1000)]).astype(dtype)
    with mpmath.workdps(40):
        true = [1 / (1 + mpmath.exp(mpmath.mpf(float(x)))) for x in values]
        found = logistic_of(values)
        errors = [abs(mpmath.mpf(float(f)) / t - 1) for f, t in zip(found, true, strict=True)]
    assert max(errors) < 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_logistic_at_the_ends(dtype):
    big = np.finfo(dtype).max
    found = logistic_of(np.array([0, -big, -np.inf, big, np.inf, np.nan], dtype))
    assert found[:3].tolist() == [0.5, 1.0, 1.0]
    assert (found[3:5] >= 0).all()
    assert (found[3:5] < 1e-37).all()
    assert np.isnan(found[5])


def layer(rows, lanes, rule):
    """A layer of these weights with slope 1000, its tiles filled."""
    tiles = np.full((-(-len(rows) // lanes), rows.shape[1], lanes), np.nan, rows.dtype)
    for q in range(len(tiles)):
        kernels.fill(rows, tiles[q], q)
    numbers = Numbers(*map(rows.dtype.type, (0.9, 1, 1, 0.01, -0.001, 1000)))
    return Tiled(rows, tiles, tiles[:, 0], tiles[:, 0], numbers, rule, True, (None,) * lanes)


@pytest.mark.parametrize("rule", [CONSTANT, LOGISTIC])
@pytest.mark.parametrize("size", [1, 7, 8, 15, 16, 17, 31, 32, 40, 100])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_changed_row_is_the_formula_and_reaches_its_tile(rule, size, dtype):
    """Rows that fill no block, some blocks, and blocks and a rest."""
    rng = np.random.default_rng(size)
    rows = rng.normal(0, 0.002, (11, size)).astype(dtype)
    before, step = rows.copy(), rng.normal(0, 0.01, size).astype(dtype)
    made = layer(rows, 8, rule)
    assert not kernels.change(made, 1, 2, step)
    expected = before.astype(np.float64)
    factor = expit(-1000 * expected[10]) if rule == LOGISTIC else 1.0
    expected[10] += step * factor
    np.testing.assert_allclose(rows, expected, rtol=0, atol=10 * np.finfo(dtype).eps)
    np.testing.assert_array_equal(rows[:10], before[:10])
    np.testing.assert_array_equal(made.tiles[1, :, 2], rows[10])
    np.testing.assert_array_equal(made.tiles[0], before[:8].T)


@pytest.mark.parametrize("place", [0, 20, 39])
@pytest.mark.parametrize("bad", [np.inf, np.nan])
def test_a_weight_that_breaks_is_noticed_wherever_it_stands(place, bad):
    rows = np.zeros((1, 40), np.float32)
    step = np.zeros(40, np.float32)
    step[place] = bad
    assert kernels.change(layer(rows, 8, LOGISTIC), 0, 0, step)


def test_lanes_beyond_the_last_neuron_are_zero():
    made = layer(np.ones((5, 3)), 8, LOGISTIC)
    np.testing.assert_array_equal(made.tiles[0], [[1] * 5 + [0] * 3] * 3)


@settings(max_examples=200)
@given(st.lists(st.integers(0, 2 * SILENCE), max_size=12), st.booleans())
def test_pauses_cover_all_steps_and_only_long_silence(lengths, begin):
    """Stretches with and without input in turn; an independent scan finds the long silences."""
    busy = np.concatenate([[False], *([(i + begin) % 2 == 0] * n for i, n in enumerate(lengths))])
    offsets = np.concatenate([[0], np.cumsum(3 * busy)])
    edges = kernels.pauses(offsets)
    assert edges[0] == 0
    assert edges[-1] == len(busy)
    assert len(edges) % 2
    assert (np.diff(edges) >= 0).all()
    silent = np.zeros(len(busy), bool)
    for start, stop in zip(edges[1::2], edges[2::2], strict=True):
        silent[start:stop] = True
    runs = "".join("x" if b else "." for b in busy)
    expected = "".join(
        part if "x" in part or len(part) < SILENCE else "_" * len(part)
        for part in re.findall(r"x+|\.+", runs)
    )
    assert [c == "_" for c in expected] == silent.tolist()
