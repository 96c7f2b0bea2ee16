"""What only the engine on snntorch has to answer for."""

import numpy as np
import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

snntorch = pytest.importorskip("snntorch", reason="snntorch is not installed (extra: snn)")


@pytest.fixture
def engine():
    from bioncl.spiking.engines.snntorch_engine import SnnTorch

    return SnnTorch()


def test_membranes_that_begin_above_the_threshold_are_refused(engine):
    """Leaky would zero them before the first step, the definition lets them fire."""
    network = SpikingNetwork([torch.ones(1, 1)], [1.0], [1.0], names=["top"])
    network.membranes[0][0] = 5.0
    assert "top" in engine.refuses(network)
    with pytest.raises(UnsupportedError, match="begin above the threshold"):
        engine.run(network, [], MemoryRecorder())


def test_no_neuron_outlives_its_night_in_the_library(engine):
    """snntorch keeps every neuron ever made in a list of the class."""
    before = len(snntorch.SpikingNeuron.instances)
    network = SpikingNetwork([torch.ones(2, 1)] * 1, [1.0], [1.0])
    engine.run(network, [Spikes.from_raster(np.ones((3, 1), bool))], MemoryRecorder())
    assert len(snntorch.SpikingNeuron.instances) == before


def test_membranes_keep_the_precision_that_float32_has_not(engine):
    """0.1 + 0.999·0.1 in float64; a float32 beta would be off by 1e-9."""
    network = SpikingNetwork([torch.tensor([[0.1]], dtype=torch.float64)], [1.0], [9.0])
    engine.run(network, [Spikes.from_raster(np.ones((2, 1), bool))], MemoryRecorder())
    assert network.membranes[0].item() == 0.999 * 0.1 + 0.1
