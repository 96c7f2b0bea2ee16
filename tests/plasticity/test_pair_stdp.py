"""Pair-based STDP against the sum over all pairs of spikes, and against norse."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bioncl.plasticity import PairSTDP

RULE = PairSTDP(a_plus=0.02, a_minus=0.03, tau_pre=5.0, tau_post=8.0)


def raster(rng, steps, neurons, probability=0.2):
    return torch.from_numpy(rng.random((steps, neurons)) < probability)


def learnt(rule, weight, pre, post):
    """The weights after all steps of two rasters [steps, neurons]."""
    traces = rule.start(weight)
    for s, z in zip(pre, post, strict=True):
        weight = rule.learn(weight, s, z, traces)
    return weight


def sum_over_pairs(rule, pre, post):
    """What two spike trains do to one weight: each pair by itself, no traces."""
    total = 0.0
    for t in np.flatnonzero(pre).tolist():
        for u in np.flatnonzero(post).tolist():
            if t <= u:
                total += rule.a_plus * math.exp(-(u - t) / rule.tau_pre)
            if u <= t:
                total -= rule.a_minus * math.exp(-(t - u) / rule.tau_post)
    return total


@pytest.mark.parametrize("seed", range(3))
def test_equals_the_sum_over_all_pairs(seed):
    rng = np.random.default_rng(seed)
    before = torch.from_numpy(rng.normal(0, 1, (3, 4)))
    pre, post = raster(rng, 60, 4), raster(rng, 60, 3)
    after = learnt(RULE, before, pre, post)
    for i in range(3):
        for j in range(4):
            wanted = before[i, j].item() + sum_over_pairs(RULE, pre[:, j], post[:, i])
            assert after[i, j].item() == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("lag", "wanted"),
    [(3, 0.02 * math.exp(-3 / 5)), (-3, -0.03 * math.exp(-3 / 8)), (0, 0.02 - 0.03)],
)
def test_one_pair_follows_the_window(lag, wanted):
    """Input before neuron potentiates, after it depresses, in one step does both."""
    pre, post = torch.zeros(9, 1, dtype=torch.bool), torch.zeros(9, 1, dtype=torch.bool)
    pre[4], post[4 + lag] = True, True
    after = learnt(RULE, torch.zeros(1, 1, dtype=torch.float64), pre, post)
    assert after.item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_equals_norse(seed):
    """Norse steps t += (a·z − t)·dt/τ; a = τ/dt and 1 − dt/τ = exp(−1/tau) make it our trace."""
    stdp = pytest.importorskip("norse.torch.functional.stdp", reason="needs norse")
    rng = np.random.default_rng(seed)
    weight = torch.from_numpy(rng.normal(0, 1, (5, 7)))
    pre, post = raster(rng, 80, 7), raster(rng, 80, 5)
    inverse = [torch.tensor(1 - decay, dtype=torch.float64) for decay in RULE.decays]
    settings = stdp.STDPParameters(
        a_pre=1 / inverse[0],
        a_post=1 / inverse[1],
        tau_pre_inv=inverse[0],
        tau_post_inv=inverse[1],
        eta_plus=RULE.a_plus,
        eta_minus=RULE.a_minus,
        hardbound=False,
    )
    zeros = torch.zeros(1, 7, dtype=torch.float64), torch.zeros(1, 5, dtype=torch.float64)
    theirs, state = weight, stdp.STDPState(*zeros)
    for s, z in zip(pre.double(), post.double(), strict=True):
        theirs, state = stdp.stdp_step_linear(s[None], z[None], theirs, state, settings, dt=1.0)
    torch.testing.assert_close(learnt(RULE, weight, pre, post), theirs, rtol=0, atol=1e-12)
    assert (theirs - weight).abs().min() > 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_weights_are_left_alone_and_traces_move_on(dtype):
    weight = torch.ones(2, 3, dtype=dtype)
    traces = RULE.start(weight)
    assert (traces.pre.tolist(), traces.post.tolist()) == ([0.0] * 3, [0.0] * 2)
    fires = torch.tensor([True, False, True]), torch.tensor([False, True])
    after = [RULE.learn(weight, *fires, traces) for _ in range(2)][-1]
    assert weight.eq(1).all()
    assert after.dtype == traces.pre.dtype == dtype
    wanted = (1 + math.exp(-1 / 5)), (1 + math.exp(-1 / 8))
    assert traces.pre.tolist() == pytest.approx([wanted[0], 0, wanted[0]], rel=1e-6)
    assert traces.post.tolist() == pytest.approx([0, wanted[1]], rel=1e-6)


def test_scaling_multiplies_the_steps_alone():
    assert RULE.scaled(2.0) == PairSTDP(0.04, 0.06, 5.0, 8.0)
