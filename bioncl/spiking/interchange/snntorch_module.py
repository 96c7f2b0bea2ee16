"""Twins on `snntorch.Leaky` neurons.

Tested with snntorch 1.0.0. `Leaky` is used without a reset of its own (reset_mechanism "none"):
with a reset by subtraction it would take away its threshold, which lies one float below ours (it
fires where v > threshold, we where v ≥ threshold), and in its own delayed way a decaying membrane
would keep the wrong rest; so the module resets what Leaky hands back. Leaky's numbers (beta,
threshold) are buffers of the network's precision. Gradients pass through its surrogate (atan).
"""

from __future__ import annotations

from pathlib import Path

from torch import Tensor

from bioncl.spiking.engines.stepwise import just_below
from bioncl.spiking.graph.populations import Population
from bioncl.spiking.interchange.twin import Twin
from bioncl.spiking.interchange.twin_file import load_twin, save_twin
from bioncl.spiking.interchange.twin_module import Neurons, TwinModule
from bioncl.spiking.libraries import library


def to_snntorch(twin: Twin) -> TwinModule:
    """The twin as a torch module of snntorch neurons.

    Raises:
        UnsupportedError: snntorch is not installed.
    """
    return TwinModule(twin, LeakyNeurons)


def load_snntorch(path: Path | str) -> TwinModule:
    """Read a twin that was written for snntorch or norse, as a module of snntorch neurons.

    Nothing in the file is executed.

    Raises:
        CheckpointError: The file is missing, damaged, or does not hold a twin.
        UnsupportedError: snntorch is not installed.
    """
    return to_snntorch(load_twin(path))


def write(twin: Twin, path: Path) -> None:
    """Write `twin` for `load_snntorch`; the library is not needed for that."""
    save_twin(path, twin, "snntorch")


class LeakyNeurons(Neurons):
    """A population as `snntorch.Leaky`."""

    def __init__(self, twin: Twin, population: Population, like: Tensor) -> None:
        """Make the neurons of `population`, in the precision of `like`."""
        super().__init__()
        snntorch = library("snntorch")
        self.leaky = snntorch.Leaky(
            beta=like.new_tensor(twin.decay),
            threshold=just_below(population.threshold, like),
            reset_mechanism="none",
        )
        snntorch.SpikingNeuron.instances.remove(self.leaky)  # or the library keeps it for ever
        self.threshold, self.subtracts = population.threshold, twin.reset == "subtract"

    def forward(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """See `Neurons`."""
        spikes, membrane = self.leaky(current, membrane)
        spikes = spikes.to(current.dtype)  # snntorch 1.0.0 makes them float32
        fired = spikes.detach()
        if self.subtracts:
            return spikes, membrane - fired * self.threshold
        return spikes, membrane.masked_fill(fired > 0, 0.0)
