"""Oja's rule against its formula, weight by weight, and against what it is known to converge to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bioncl.plasticity import Oja


def spikes(rng, size, probability=0.5):
    return torch.from_numpy(rng.random(size) < probability)


@pytest.mark.parametrize("seed", range(5))
def test_equals_the_formula_weight_by_weight(seed):
    """Δw = rate·y·(x − y·w) with y and x each 0 or 1."""
    rng = np.random.default_rng(seed)
    before = torch.from_numpy(rng.normal(0, 1, (4, 6)))
    pre, post = spikes(rng, 6), spikes(rng, 4)
    after = Oja(0.3).change(before, pre, post)
    for i in range(4):
        for j in range(6):
            w, x, y = before[i, j].item(), float(pre[j]), float(post[i])
            assert after[i, j].item() == pytest.approx(w + 0.3 * y * (x - y * w), abs=1e-15)


def test_rows_of_silent_neurons_keep_every_bit():
    before = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    post = torch.tensor([True, False, True])
    after = Oja(0.1).change(before, torch.ones(4, dtype=torch.bool), post)
    assert torch.equal(after[1], before[1])
    assert not torch.equal(after[0], before[0])


def test_constant_input_is_approached_geometrically():
    """After n spikes of the neuron 1 − w has shrunk by (1 − rate)ⁿ, as has w of a silent input."""
    weight, rate = torch.tensor([[0.2, 0.8]], dtype=torch.float64), 0.1
    pre, post = torch.tensor([True, False]), torch.tensor([True])
    for _ in range(25):
        weight = Oja(rate).change(weight, pre, post)
    left = (1 - rate) ** 25
    assert weight.flatten().tolist() == pytest.approx([1 - 0.8 * left, 0.8 * left], rel=1e-12)


def test_weights_settle_at_the_share_of_spikes_that_the_input_shares():
    """P(x | y): the three inputs fire in 20, 50 and 90 % of the neuron's spikes."""
    rng = np.random.default_rng(0)
    shares = np.array([0.2, 0.5, 0.9])
    weight, post = torch.zeros(1, 3, dtype=torch.float64), torch.tensor([True])
    means = np.zeros(3)
    for step in range(6000):
        weight = Oja(0.02).change(weight, torch.from_numpy(rng.random(3) < shares), post)
        means += weight[0].numpy() / 5000 if step >= 1000 else 0
    np.testing.assert_allclose(means, shares, atol=0.03)


def test_scaling_multiplies_the_rate():
    assert Oja(0.1).scaled(3.0) == Oja(0.1 * 3.0)
