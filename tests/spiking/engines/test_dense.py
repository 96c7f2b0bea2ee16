"""The definition keeps to any dtype, and to the order of its sums."""

import numpy as np
import pytest
import torch

from bioncl.plasticity import Gated
from bioncl.spiking.engines.dense import Dense, current
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_everything_stays_in_the_dtype_of_the_network(dtype):
    weight = torch.tensor([[0.5, -0.1, -0.1]], dtype=dtype)
    network = SpikingNetwork([weight], [1], [0.3], inhibition=0.1, rules=[Gated(0.03, 0.004)])
    Dense().run(network, [Spikes.from_raster(np.array([[True, True, False]]))], MemoryRecorder())
    assert network.weights[0] is weight
    assert (weight.dtype, network.membranes[0].dtype) == (dtype, dtype)
    expected = torch.tensor([[0.5, -0.04, -0.108]], dtype=dtype)
    torch.testing.assert_close(weight, expected, rtol=0, atol=4 * torch.finfo(dtype).eps)


def test_the_sum_runs_over_firing_inputs_in_ascending_order():
    """(1 + 1e16) − 1e16 is 0 in float64; in any other order of additions it is 1."""
    weight = torch.tensor([[1.0, 7.0, 1e16, -1e16]], dtype=torch.float64)
    network = SpikingNetwork([weight], [1.0], [9.0])
    assert current(network, 0, torch.tensor([True, False, True, True])).tolist() == [0.0]
