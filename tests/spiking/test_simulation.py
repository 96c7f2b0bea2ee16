"""`simulate` keeps its contract, and says clearly what it cannot use."""

import importlib
import subprocess
import sys

import numpy as np
import pytest
import torch

from bioncl.errors import InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated
from bioncl.spiking import simulate

GOOD = {
    "weights": [np.full((2, 3), 0.5), np.full((1, 2), 0.5)],
    "raster": np.ones((4, 3), bool),
    "gains": [1.0, 1.0],
    "thresholds": [1.0, 1.0],
    "rule": Gated(0.1, 0.1),
}


def test_spikes_are_events_in_order_of_step_then_neuron():
    night = simulate(**GOOD)
    assert [e.dtype for e in night.spikes] == [np.int64] * 3
    assert night.spikes[0].tolist() == [[t, i] for t in range(4) for i in range(3)]
    assert night.spikes[1].tolist() == [[t, i] for t in range(4) for i in range(2)]
    assert night.spikes[2].tolist() == [[t, 0] for t in range(4)]


def test_tensors_are_as_good_as_arrays():
    tensors = [torch.from_numpy(w).requires_grad_() for w in GOOD["weights"]]
    found, true = simulate(**{**GOOD, "weights": tensors}), simulate(**GOOD)
    assert [type(w) for w in found.weights] == [np.ndarray] * 2
    assert [w.tolist() for w in found.weights] == [w.tolist() for w in true.weights]


def test_a_rule_for_each_layer():
    rules = [None, Constant(0.25, 0)]
    night = simulate(**{**GOOD, "rule": rules, "raster": np.ones((1, 3), bool)})
    assert night.weights[0].tolist() == [[0.5] * 3] * 2
    assert night.weights[1].tolist() == [[0.75, 0.75]]


def test_one_pair_of_bounds_stands_for_all_layers():
    rules = {"rule": Constant(0.25, 0), "raster": np.ones((9, 3), bool)}
    night = simulate(**{**GOOD, **rules, "bounds": [(-1, 0.625)]})
    assert night.weights[0].tolist() == [[0.625] * 3] * 2
    assert night.weights[1].tolist() == [[0.625, 0.625]]


WRONG = [
    ({"raster": np.ones((4, 3))}, "Raster: expected a NumPy array of bool, got float64"),
    ({"raster": [[True] * 3]}, "Raster: expected a NumPy array of bool, got list"),
    ({"raster": np.ones((4, 2), bool)}, r"Shape of the raster: expected [steps, 3], got (4, 2)"),
    ({"raster": np.ones(3, bool)}, r"Shape of the raster: expected [steps, 3], got (3,)"),
    ({"weights": []}, "at least one layer"),
    ({"weights": [np.ones((2, 3)), np.ones((1, 5))]}, "Weights of layer2: expected [n, 2]"),
    ({"weights": [np.ones((2, 3)), np.ones((1, 2), np.float32)]}, "all layers in torch.float64"),
    ({"weights": [np.ones((2, 3), int)] * 2}, "expected float32 or float64, got int64"),
    ({"weights": [torch.ones(2, 3, dtype=torch.bfloat16)]}, "got torch.bfloat16"),
    ({"weights": [np.array([["a"]])]}, "Weights of layer 1: expected numbers"),
    ({"weights": [np.ones(3)]}, "Weights of layer 1: expected [post, pre]"),
    ({"weights": [np.ones((0, 3))]}, "neither of them 0"),
    (
        {"weights": [np.full((2, 3), np.nan), np.ones((1, 2))]},
        "Weights of layer 1: expected finite",
    ),
    ({"gains": [1.0]}, "gains: expected one for each of the 2 layers, got 1"),
    ({"gains": [1.0, np.inf]}, "Gains: expected finite numbers"),
    ({"thresholds": [np.nan, 1.0]}, "Thresholds: expected finite numbers"),
    ({"decay": 1.5}, "Membrane decay: expected 0 to 1, got 1.5"),
    ({"decay": np.nan}, "Membrane decay"),
    ({"inhibition": np.nan}, "Inhibition: expected finite numbers"),
    ({"biases": [np.ones(3), None]}, "Bias of layer1: expected [2], got (3,)"),
    ({"biases": [np.array([np.inf, 0]), None]}, "Bias of layer 1: expected finite"),
    ({"rule": "gated"}, "Plasticity rule"),
    ({"rule": [None]}, "rules: expected one for each of the 2 layers, got 1"),
    ({"dc": [1.0]}, "dc: expected one for each of the 2 layers, got 1"),
    ({"dc": [np.nan, 0]}, "Direct currents: expected finite numbers"),
    ({"refractory": -1}, "Refractory period: expected 0 steps or more, got -1"),
    ({"bounds": [(1, 0)]}, "Bounds of layer1: expected lower ≤ upper, got (1, 0)"),
    ({"bounds": (-1, 1)}, "Bounds: expected pairs (lower, upper), or None, got -1"),
    ({"bounds": [None] * 3}, "bounds: expected one for each of the 2 layers, got 3"),
    ({"normalise": "l3"}, "Norm: expected none, l1, l2, got l3"),
    ({"chunk": 0}, "Steps in a chunk: expected 1 or more, got 0"),
    ({"engine": "evnt"}, "Did you mean 'event'?"),
    ({"threads": -1}, "Threads: expected 0 or more, got -1"),
]


@pytest.mark.parametrize(("change", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_used_is_named(change, message):
    with pytest.raises(InputError) as caught:
        simulate(**{**GOOD, **change})
    assert message in str(caught.value)


def test_an_engine_that_does_not_know_the_rule_says_so():
    class Mine(Gated):
        pass

    with pytest.raises(UnsupportedError, match=r"Engine 'event': .* rule Mine of layer1"):
        simulate(**{**GOOD, "rule": Mine(0.1, 0.1)})


def test_the_function_is_not_hidden_by_a_module():
    importlib.import_module("bioncl.spiking.simulation")
    assert callable(importlib.import_module("bioncl.spiking").simulate)


def test_listing_the_engines_loads_neither_torch_nor_numba():
    code = "import sys, bioncl.spiking.engines as e; e.ENGINES.names(); print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert not {"torch", "numba"} & set(loaded.stdout.split())
