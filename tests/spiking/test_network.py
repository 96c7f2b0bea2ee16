"""The spiking network: what is filled in, and every part that does not fit."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import InputError
from bioncl.plasticity import Gated, PairSTDP
from bioncl.spiking.network import SpikingNetwork

DOUBLE = torch.float64


def made(shapes=((3, 4), (2, 3)), dtype=DOUBLE, **parts):
    weights = [torch.zeros(s, dtype=dtype) for s in shapes]
    given = {"gains": [1.0] * len(shapes), "thresholds": [1.0] * len(shapes)} | parts
    return SpikingNetwork(weights, **given)


def test_what_is_left_out_is_filled_in():
    network = made()
    assert network.sizes == [4, 3, 2]
    assert network.dtype == DOUBLE
    assert list(network.names) == ["layer1", "layer2"]
    assert list(network.biases) == list(network.rules) == [None, None]
    assert [m.tolist() for m in network.membranes] == [[0.0] * 3, [0.0] * 2]
    assert all(m.dtype == DOUBLE for m in network.membranes)
    assert (network.dc, network.bounds, network.norms) == ([0.0, 0.0], [None, None], [])
    assert [r.tolist() for r in network.resting] == [[0] * 3, [0] * 2]
    assert [len(t.pre) + len(t.post) for t in network.traces] == [0, 0]


def test_a_traced_rule_and_norms_bring_their_state():
    network = made(rules=[None, PairSTDP(0.1, 0.1)], normalise="l2")
    assert [(len(t.pre), len(t.post)) for t in network.traces] == [(0, 0), (3, 2)]
    assert [norms.tolist() for norms in network.norms] == [[0.0] * 3, [0.0] * 2]


def test_each_network_has_membranes_of_its_own():
    made().membranes[0].fill_(5)
    assert not made().membranes[0].any()


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ({"gains": [1.0]}, "gains: expected one for each of the 2 layers, got 1"),
        ({"thresholds": [1.0] * 3}, "thresholds: expected one for each"),
        ({"rules": [Gated(0.1, 0.1)]}, "rules: expected one for each"),
        ({"names": ["a"]}, "names: expected one for each"),
        ({"biases": [None]}, "biases: expected one for each"),
        ({"membranes": [torch.zeros(3)]}, "membranes: expected one for each"),
        ({"dc": [1.0]}, "dc: expected one for each"),
        ({"bounds": [None]}, "bounds: expected one for each"),
        ({"bounds": [None, (1, 0)]}, "Bounds of layer2: expected lower ≤ upper, got (1, 0)"),
        ({"bounds": [(float("nan"), 1), None]}, "Bounds of layer1: expected lower ≤ upper"),
        ({"refractory": -1}, "Refractory period: expected 0 steps or more, got -1"),
        ({"normalise": "l3"}, "Norm: expected none, l1, l2, got l3"),
        ({"decay": 1.1}, "decay: expected 0 to 1, got 1.1"),
        ({"decay": float("nan")}, "decay: expected 0 to 1"),
        ({"biases": [torch.zeros(3), torch.zeros(3)]}, r"Bias of layer2: expected [2], got (3,)"),
        ({"shapes": ((3, 4), (2, 5))}, r"Weights of layer2: expected [n, 3], got (2, 5)"),
        ({"shapes": ((3, 4), (3,))}, r"Weights of layer2: expected [n, 3], got (3,)"),
        ({"shapes": ((3,), (2, 3))}, "Weights of layer1"),
        ({"dtype": torch.int64}, "Weights of layer1"),
    ],
)
def test_parts_that_do_not_fit_are_refused_by_name(parts, message):
    with pytest.raises(InputError) as caught:
        made(**parts)
    assert message in str(caught.value)


def test_layers_of_two_precisions_are_refused():
    weights = [torch.zeros(3, 4), torch.zeros(2, 3, dtype=DOUBLE)]
    with pytest.raises(InputError, match="all layers in torch.float32"):
        SpikingNetwork(weights, [1.0, 1.0], [1.0, 1.0])
