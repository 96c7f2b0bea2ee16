"""Plasticity rules against hand-made numbers and the rule written weight by weight."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.plasticity import RULES, Constant, Gated, PlasticityRule, Sigmoid, TracedRule

EACH = pytest.mark.parametrize(
    "rule", [Gated(0.03, 0.004), Sigmoid(0.03, 0.004, slope=5.0), Constant(0.03, 0.004)]
)


def factor(rule, w):
    """f(w) of each rule from its formula, in Python's floats."""
    if isinstance(rule, Gated):
        z = w / rule.scale
        return 2 * math.exp(-z) / (1 + math.exp(-z)) if z > 0 else 2 / (1 + math.exp(z))
    if isinstance(rule, Sigmoid):
        return 1 / (1 + math.exp(-rule.slope * w))
    return 1.0


def weights(shape, scale=0.01, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(shape, generator=generator, dtype=torch.float64) * scale


def bits(*values):
    return torch.tensor(values, dtype=torch.bool)


@EACH
@given(seed=st.integers(0, 50), pre=st.lists(st.booleans(), min_size=4, max_size=4))
def test_every_weight_by_itself(rule, seed, pre):
    """The published double loop: rows of firing neurons move, up or down by inc·f or dec·f."""
    before = weights((3, 4), seed=seed)
    post = [True, False, seed % 2 == 0]
    after = rule.change(before, bits(*pre), bits(*post))
    for i in range(3):
        for j in range(4):
            w = before[i, j].item()
            step = rule.inc if pre[j] else -rule.dec
            wanted = w + step * factor(rule, w) if post[i] else w
            assert after[i, j].item() == pytest.approx(wanted, rel=1e-12, abs=1e-15)


def test_one_step_by_hand():
    """W = (.5, −.1, −.1), inputs (1, 1, 0): (.5, −.1 + 2·inc, −.1 − 2·dec)."""
    before = torch.tensor([[0.5, -0.1, -0.1]], dtype=torch.float64)
    after = Gated(0.01, 0.002).change(before, bits(1, 1, 0), bits(1))
    assert after.flatten().tolist() == pytest.approx([0.5, -0.08, -0.104], abs=1e-12)


def test_gate_values():
    gate = Gated(1.0, 1.0).factor(torch.tensor([0.0, -1.0, 0.005, 0.02], dtype=torch.float64))
    assert gate[0] == 1.0
    assert gate[1].item() == pytest.approx(2.0, abs=1e-12)
    assert gate[2].item() == pytest.approx(0.013386, abs=1e-6)
    assert gate[3].item() < 1e-8


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gate_does_not_overflow(dtype):
    big = torch.tensor([-1e30, -10.0, 10.0, 1e30], dtype=dtype)
    assert Gated(1.0, 1.0).factor(big).tolist() == pytest.approx([2.0, 2.0, 0.0, 0.0])


def test_positive_weights_are_frozen():
    """Above 0.01 a spike moves a weight by at most 9.1·10⁻⁵ times the larger step."""
    rule = Gated(0.03, 0.004)
    before = torch.linspace(0.01, 1.0, 500, dtype=torch.float64).repeat(2, 1)
    for pre in (torch.ones(500, dtype=torch.bool), torch.zeros(500, dtype=torch.bool)):
        moved = (rule.change(before, pre, bits(1, 1)) - before).abs().max().item()
        assert 0 < moved <= 9.1e-5 * max(rule.inc, rule.dec)


@EACH
def test_rows_of_silent_neurons_keep_every_bit(rule):
    before = weights((5, 7), scale=1.0)
    fires = bits(0, 1, 0, 0, 1)
    after = rule.change(before, bits(1, 0, 1, 0, 1, 0, 1), fires)
    assert torch.equal(after[~fires], before[~fires])
    assert not torch.equal(after[fires], before[fires])


@pytest.mark.parametrize("rule", [Gated(0.0, 0.0), Sigmoid(0.0, 0.0), Constant(0.0, 0.0)])
def test_no_step_no_change(rule):
    before = weights((5, 7))
    ones = torch.ones(7, dtype=torch.bool)
    assert torch.equal(rule.change(before, ones, torch.ones(5, dtype=torch.bool)), before)


@EACH
def test_inputs_are_left_alone_and_the_dtype_stays(rule):
    for dtype in (torch.float32, torch.float64):
        before = weights((5, 7)).to(dtype)
        copy, pre, post = before.clone(), torch.ones(7) > 0, torch.ones(5) > 0
        after = rule.change(before, pre, post)
        assert after.dtype == dtype
        assert torch.equal(before, copy)
        assert pre.all()
        assert post.all()


@EACH
def test_scaling_multiplies_the_steps_alone(rule):
    """Moves are three times as large; the gate's own settings stay."""
    before, post = weights((5, 7)), torch.ones(5, dtype=torch.bool)
    pre = bits(1, 0, 1, 0, 1, 0, 1)
    move, tripled = (r.change(before, pre, post) - before for r in (rule, rule.scaled(3.0)))
    torch.testing.assert_close(tripled, 3 * move)
    assert type(rule.scaled(3.0)) is type(rule)
    assert rule.scaled(1.0) == rule


def test_flat_sigmoid_is_half_the_constant_rule():
    before, pre, post = weights((5, 7)), bits(1, 0, 1, 0, 1, 0, 1), bits(1, 1, 1, 0, 1)
    flat = Sigmoid(0.03, 0.004, slope=0.0).change(before, pre, post)
    torch.testing.assert_close(flat, Constant(0.015, 0.002).change(before, pre, post))


def test_gated_is_a_steep_falling_sigmoid():
    before, pre, post = weights((5, 7)), bits(1, 0, 1, 0, 1, 0, 1), bits(1, 1, 1, 0, 1)
    steep = Sigmoid(0.06, 0.008, slope=-1000.0).change(before, pre, post)
    torch.testing.assert_close(Gated(0.03, 0.004).change(before, pre, post), steep)


def test_registered_rules_are_of_one_kind_each():
    """Only rules without memory have `change`: nobody can run a traced rule without its traces."""
    numbers = {"oja": {"rate": 0.1}, "pair-stdp": {"a_plus": 0.1, "a_minus": 0.1}}
    traced = set()
    for name in RULES.names():
        rule = RULES.load(name)(**numbers.get(name, {"inc": 0.1, "dec": 0.1}))
        assert isinstance(rule, PlasticityRule) != isinstance(rule, TracedRule)
        traced |= {name} if isinstance(rule, TracedRule) else set()
    assert traced == {"pair-stdp"}
