"""Proximal steps against the minimum of what they minimise, searched for."""

from __future__ import annotations

import numpy as np
import torch
from scipy.optimize import minimize

from bioncl.learning.proximal import shrink_rows, soft_threshold

ROWS = torch.tensor([[0.9, -0.05, 0.4], [0.1, -0.05, 0.02], [0.0, 0.0, 0.0]], dtype=torch.float64)


def penalty_l1(v, amount):
    return amount * np.abs(v).sum()


def penalty_group(v, amount):
    return amount * np.linalg.norm(v)


def searched(w, penalty, amount):
    """The best point found for one row by a simplex search from several starts."""

    def value(v):
        return 0.5 * np.square(v - w).sum() + penalty(v, amount)

    options = {"xatol": 1e-9, "fatol": 1e-14, "maxiter": 5000}
    found = [
        minimize(value, start, method="Nelder-Mead", options=options).x for start in (w, 0.3 * w)
    ]
    return min([*found, np.zeros_like(w)], key=value)


def test_soft_threshold_minimises_the_l1_penalty():
    found = soft_threshold(ROWS, 0.2).numpy()
    wanted = [searched(w, penalty_l1, 0.2) for w in ROWS.numpy()]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (found[1] == 0).all()


def test_shrink_rows_minimises_the_group_penalty():
    found = shrink_rows(ROWS, 0.2).numpy()
    wanted = [searched(w, penalty_group, 0.2) for w in ROWS.numpy()]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert (found[1:] == 0).all()


def test_one_after_the_other_minimises_both():
    def both(v, amount):
        return penalty_l1(v, amount) + penalty_group(v, 2 * amount)

    found = shrink_rows(soft_threshold(ROWS, 0.1), 0.2).numpy()
    wanted = [searched(w, both, 0.1) for w in ROWS.numpy()]
    np.testing.assert_allclose(found, wanted, atol=1e-5)
