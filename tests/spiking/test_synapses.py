"""What one step does to the weights of a layer, against the same written weight by weight."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from bioncl.plasticity import Constant, Oja, PairSTDP
from bioncl.spiking.network import SpikingNetwork
from bioncl.spiking.synapses import learn, row_norms

CONSTANT = Constant(0.25, 0.125)


def layer(weight, rule, **options):
    """A network of one layer in float64."""
    weights = [torch.tensor(weight, dtype=torch.float64)]
    return SpikingNetwork(weights, [1.0], [1.0], rules=[rule], **options)


def bits(*values):
    return torch.tensor(values, dtype=torch.bool)


def test_without_options_it_is_the_rule():
    network = layer([[0.0, 1.0], [2.0, 3.0]], CONSTANT)
    learn(network, 0, bits(1, 0), bits(0, 1))
    assert network.weights[0].tolist() == [[0.0, 1.0], [2.25, 2.875]]


def test_a_layer_without_a_rule_keeps_weights_outside_of_its_bounds():
    network = layer([[5.0, 1.0]], None, bounds=[(-1, 1)], normalise="l1")
    learn(network, 0, bits(1, 1), bits(1))
    assert network.weights[0].tolist() == [[5.0, 1.0]]


def test_bounds_hold_for_the_rows_that_moved_alone():
    """The second neuron is silent: its weights lie outside and stay there."""
    network = layer([[0.9, -0.95, 3.0], [0.9, -0.95, 3.0]], CONSTANT, bounds=[(-1, 1)])
    learn(network, 0, bits(1, 0, 1), bits(1, 0))
    assert network.weights[0].tolist() == [[1.0, -1.0, 1.0], [0.9, -0.95, 3.0]]


def test_bounds_of_a_traced_rule_hold_for_the_columns_too():
    """Input 0 fires, so both its weights may have moved; of input 1 only that of the neuron."""
    network = layer([[0.5, 9.0], [7.0, 9.0]], PairSTDP(0.1, 0.0), bounds=[(0, 1)])
    learn(network, 0, bits(1, 0), bits(1, 0))
    assert network.weights[0].tolist() == [[0.6, 1.0], [1.0, 9.0]]


@pytest.mark.parametrize("kind", ["l1", "l2"])
@pytest.mark.parametrize("rule", [CONSTANT, Oja(0.2), PairSTDP(0.1, 0.2, 3.0, 4.0)])
def test_norms_are_kept_over_many_steps_where_neurons_fire(kind, rule):
    rng = np.random.default_rng(0)
    weight = rng.normal(0, 1, (5, 8))
    order = 1 if kind == "l1" else 2
    network = layer(weight, rule, normalise=kind)
    for _ in range(30):
        post = torch.from_numpy(rng.random(5) < 0.4)
        was = network.weights[0].clone()
        learn(network, 0, torch.from_numpy(rng.random(8) < 0.3), post)
        now = np.linalg.norm(network.weights[0].numpy(), order, axis=1)
        wanted = np.linalg.norm(weight, order, axis=1)
        np.testing.assert_allclose(now[post], wanted[post], rtol=1e-12)
    assert not np.allclose(network.weights[0], weight)
    assert not torch.equal(network.weights[0], was)


def test_norm_by_hand_then_bounds():
    """(1, 1) with Σ = 2 becomes (1.25, 0.875), times 2/2.125, and the first is cut at 1.1."""
    network = layer([[1.0, 1.0]], CONSTANT, normalise="l1", bounds=[(-2, 1.1)])
    learn(network, 0, bits(1, 0), bits(1))
    assert network.weights[0].tolist() == [[1.1, pytest.approx(0.875 * 2 / 2.125, rel=1e-15)]]


def test_a_row_of_zeros_stays_finite():
    network = layer([[0.25, -0.125]], Constant(0.125, 0.25), normalise="l2")
    learn(network, 0, bits(0, 1), bits(1))
    assert network.weights[0].tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_row_norms_are_sums_from_left_to_right_in_double_precision(dtype):
    weight = torch.randn(4, 50, generator=torch.Generator().manual_seed(0)).to(dtype)
    for kind, power in (("l1", 1), ("l2", 2)):
        wanted = []
        for row in weight.tolist():
            total = 0.0
            for w in row:
                total += abs(w) ** power
            wanted.append(total if power == 1 else math.sqrt(total))
        assert row_norms(weight, kind).tolist() == wanted
