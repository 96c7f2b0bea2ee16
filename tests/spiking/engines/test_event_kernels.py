"""The polynomial behind f(w), against extended precision."""

import mpmath
import numpy as np
import pytest
from numba import njit

from bioncl.spiking.engines.event_kernels import logistic


@njit
def apply(values, out):
    for i in range(values.size):
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
