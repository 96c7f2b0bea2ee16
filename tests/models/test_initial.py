"""Initial weights: distribution of each kind, and what the seed fixes."""

from __future__ import annotations

import math

import pytest
import torch

from bioncl.models.initial import linear

PRE, POST = 300, 100


def made(initial, seed=0, name="hidden1", bias=True, scale=0.01):
    return linear(PRE, POST, bias=bias, initial=initial, scale=scale, seed=seed, name=name)


@pytest.mark.parametrize(
    ("initial", "bound"),
    [
        ("uniform", 0.01),
        ("torch", 1 / math.sqrt(PRE)),
        ("xavier", math.sqrt(6 / (PRE + POST))),
    ],
)
def test_uniform_kinds_fill_their_interval(initial, bound):
    """30,000 draws stay inside, come near both ends, and have mean 0 and variance bound²/3."""
    weight = made(initial).weight.detach().double()
    assert weight.abs().max() <= bound * (1 + 1e-6)
    assert weight.max() > 0.999 * bound
    assert weight.min() < -0.999 * bound
    error = bound / math.sqrt(3 * weight.numel())  # of the mean
    assert abs(weight.mean()) < 4 * error
    assert weight.var() == pytest.approx(bound**2 / 3, rel=0.03)


def test_he_is_normal_with_variance_two_over_fan_in():
    weight = made("he").weight.detach().double()
    assert weight.var() == pytest.approx(2 / PRE, rel=0.04)
    assert abs(weight.mean()) < 4 * math.sqrt(2 / PRE / weight.numel())
    outside = (weight.abs() > 2 * math.sqrt(2 / PRE)).double().mean()
    assert outside == pytest.approx(0.0455, abs=0.006)  # of a normal distribution


def test_scale_is_the_bound_of_uniform_alone():
    assert made("uniform", scale=0.05).weight.abs().max() > 0.049
    assert torch.equal(made("xavier", scale=0.05).weight, made("xavier", scale=0.01).weight)


@pytest.mark.parametrize("initial", ["uniform", "xavier", "he"])
def test_biases_start_at_zero(initial):
    assert not made(initial).bias.any()


def test_torch_biases_fill_the_interval_of_the_weights():
    bias, bound = made("torch").bias, 1 / math.sqrt(PRE)
    assert 0.9 * bound < bias.abs().max() <= bound


def test_without_bias_the_weights_are_the_same():
    bare = made("torch", bias=False)
    assert bare.bias is None
    assert torch.equal(bare.weight, made("torch").weight)


def test_seed_and_name_fix_the_layer_and_nothing_else_does():
    torch.manual_seed(1)
    first = made("torch")
    torch.manual_seed(2)
    assert torch.equal(first.weight, made("torch").weight)
    assert not torch.equal(first.weight, made("torch", seed=1).weight)
    assert not torch.equal(first.weight, made("torch", name="hidden2").weight)
