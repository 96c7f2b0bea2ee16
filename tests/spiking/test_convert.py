"""Gains: the recursions by hand, the measured maxima, silent layers, numbers as given."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bioncl.errors import SettingsError
from bioncl.models.mlp import MLP
from bioncl.spiking import convert
from bioncl.spiking.convert import (
    BATCH,
    Diehl,
    Fixed,
    Percentile,
    Published,
    largest,
    published_chain,
    ratio_chain,
)

# Three layers without biases: from two inputs to one output, weights chosen for round numbers.
WEIGHTS = [
    torch.tensor([[0.5, 0.25], [-1.0, -3.0], [2.0, 0.0]]),
    torch.tensor([[4.0, -1.0, 0.5], [-2.0, 7.0, -0.5]]),
    torch.tensor([[0.1, 0.2]]),
]
INPUTS = torch.tensor([[1.0, 1.0], [0.5, 0.0]])


def network(weights=WEIGHTS, **settings):
    hidden = tuple(len(w) for w in weights[:-1])
    outputs = len(weights[-1])
    settings = {"bias": False, "output": "relu"} | settings
    model = MLP(hidden=hidden, **settings).build(
        (weights[0].shape[1],), outputs, [range(outputs)], 0
    )
    model.write_stack(weights)
    return model.eval()


def test_largest_of_weights_and_activations_by_hand():
    """Layer 1: activations (.75, 0, 2), weights up to 2. Layer 2: 4·.75 + .5·2 = 4, second unit
    silent, weights up to 7. Layer 3: .1·4 = .4, weights up to .2."""
    assert largest(network(), INPUTS) == pytest.approx([2.0, 7.0, 0.4])


def test_dropout_scaled_activations_count_as_they_are_awake():
    """Test-mode activations of the published dropout are smaller by the share kept."""
    model = network(dropout=0.25, dropout_scaling="test")
    scaled = 0.75 * 0.75 * 4.0  # two hidden layers
    assert largest(model, INPUTS)[2] == pytest.approx(0.1 * scaled)


def test_published_gains_by_hand():
    """inv = S_1, S_2/S_1, S_3·S_1/S_2: divided by the factor applied before."""
    s1, s2, s3 = 2.0, 7.0, 0.4
    wanted = [1 / s1, s1 / s2, s2 / (s3 * s1)]
    assert Published().of(network(), INPUTS) == pytest.approx(wanted)
    assert Published(scale=2.5).of(network(), INPUTS) == pytest.approx([2.5 * c for c in wanted])


def test_diehl_gains_by_hand():
    assert Diehl().of(network(), INPUTS) == pytest.approx([1 / 2, 2 / 7, 7 / 0.4])
    assert Diehl(scale=3.0).of(network(), INPUTS) == pytest.approx([3 / 2, 6 / 7, 21 / 0.4])


@given(st.lists(st.floats(0.01, 100), min_size=1, max_size=6))
def test_products_of_gains(tops):
    """Diehl's first k gains multiply to 1/S_k; published neighbours multiply to S_{k−1}'s part."""
    assert np.cumprod(ratio_chain(tops)) == pytest.approx([1 / top for top in tops])
    prev = 1.0
    for gain, top in zip(published_chain(tops), tops, strict=True):
        inv = top / prev
        assert gain == pytest.approx(1 / inv)
        prev = inv


def test_published_and_diehl_agree_up_to_two_layers_only():
    tops = [2.0, 7.0, 0.4]
    assert published_chain(tops)[:2] == pytest.approx(ratio_chain(tops)[:2])
    assert published_chain(tops)[2] != pytest.approx(ratio_chain(tops)[2])


@pytest.mark.parametrize("chain", [published_chain, ratio_chain])
def test_a_silent_layer_has_gain_one(chain):
    """S_l = 0 divides nothing by zero, there or in the next layer."""
    assert chain([0.0]) == [1.0]
    assert chain([0.0, 4.0]) == [1.0, 0.25]
    found = chain([2.0, 0.0, 4.0])
    assert found[:2] == [0.5, 1.0]
    assert found[2] == pytest.approx(0.25 if chain is published_chain else 2.0 / 4.0)


def test_a_network_of_negative_weights_is_silent():
    model = network([-w.abs() for w in WEIGHTS])
    assert largest(model, INPUTS) == [0.0, 0.0, 0.0]
    assert Published().of(model, INPUTS) == [1.0, 1.0, 1.0]


def test_all_data_counts_in_parts_too(monkeypatch):
    """The largest activation may come from the last input of the last part."""
    inputs = torch.rand(50, 2, generator=torch.Generator().manual_seed(0))
    inputs[-1] = 30.0
    wanted = largest(network(), inputs)
    assert wanted[0] == pytest.approx(60.0)
    monkeypatch.setattr(convert, "BATCH", 7)
    assert largest(network(), inputs) == wanted


@pytest.mark.parametrize("percentile", [0.5, 37.0, 99.9, 100.0])
def test_percentile_against_numpy(percentile):
    """λ is the order statistic nearest to the asked share of each layer's activations."""
    inputs = torch.rand(301, 2, generator=torch.Generator().manual_seed(0))
    model = network()
    tops = []
    for activations in model.activations(inputs):
        flat = np.sort(activations.detach().numpy().ravel())
        lower, upper = (
            np.percentile(flat, percentile, method=m) for m in ("inverted_cdf", "linear")
        )
        rank = max(1, round(len(flat) * percentile / 100))
        tops.append(float(flat[rank - 1]))
        spread = np.diff(flat).max()
        assert abs(tops[-1] - lower) <= spread
        assert abs(tops[-1] - upper) <= spread
    below, wanted = 1.0, []
    for top in tops:
        wanted.append(below / top if top > 0 else 1.0)
        below = top if top > 0 else below
    assert Percentile(percentile=percentile).of(model, inputs) == pytest.approx(wanted, rel=1e-5)


def test_percentile_ignores_outliers_and_the_maximum_does_not():
    inputs = torch.full((2000, 2), 0.5)
    inputs[7] = 1000.0
    model = network()
    robust = Percentile(percentile=99.0).of(model, inputs)
    inputs[7] = 0.5
    assert Percentile(percentile=99.0).of(model, inputs) == pytest.approx(robust)
    inputs[7] = 1000.0
    assert Percentile(percentile=100.0).of(model, inputs)[0] == pytest.approx(1 / 2000)


def test_fixed_gains_are_those_given():
    assert Fixed((0.5, 2.0, 3.0), scale=2.0).of(network(), INPUTS) == [1.0, 4.0, 6.0]
    assert Fixed((0.5,)).of(network(), INPUTS) == [0.5, 0.5, 0.5]


@pytest.mark.parametrize("values", [(), (1.0, 2.0), (1.0,) * 4])
def test_fixed_gains_fit_the_layers(values):
    with pytest.raises(SettingsError, match="sleep.gains.values: expected 1 or 3 values"):
        Fixed(values).of(network(), INPUTS)


@pytest.mark.parametrize("gains", [Published(), Diehl(), Percentile(), Fixed()])
def test_measuring_leaves_the_network_alone(gains):
    model = network()
    gains.of(model, INPUTS)
    for layer, weight in zip(model.stack(), WEIGHTS, strict=True):
        assert torch.equal(layer.weight, weight)


def test_diehl_gains_carry_no_activation_over_one():
    """What they are for: c_l·a_l ≤ 1 when each layer is fed by the scaled one below."""
    inputs = torch.rand(100, 2, generator=torch.Generator().manual_seed(0))
    h = inputs
    for weight, gain in zip(WEIGHTS, Diehl().of(network(), inputs), strict=True):
        h = gain * (h @ weight.T).relu()
        assert h.max() <= 1 + 1e-5


@pytest.mark.parametrize("threads", [0, 1, 3])
def test_threads_change_no_bit_of_the_gains_and_leave_torch_as_it_was(threads):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.rand(3 * BATCH + 7, 2, generator=generator)
    before = torch.get_num_threads()
    model = network()
    with torch.inference_mode():
        each = [[float(a.max()) for a in model.activations(part)] for part in inputs.split(BATCH)]
    weights = [max(0.0, float(layer.weight.detach().max())) for layer in model.stack()]
    expected = [max(column) for column in zip(weights, *each, strict=True)]
    assert largest(model, inputs, threads) == expected
    assert torch.get_num_threads() == before
