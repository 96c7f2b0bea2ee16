"""Twins on `norse.torch.IAFCell` neurons.

Tested with norse 1.1.0. `IAFCell` knows no leak, so the state that it is given is the membrane
times the decay: that is v ← decay·v + u exactly, which norse's LIFBoxCell only comes near to. It
fires where v > v_th, so v_th lies one float below our threshold. Its reset is a hard one; for a
reset by subtraction the module computes what remains. norse cells have no parameters of their own.
Gradients pass through norse's surrogate (SuperSpike).
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from bioncl.spiking.engines.stepwise import just_below
from bioncl.spiking.graph.populations import Population
from bioncl.spiking.interchange.twin import Twin
from bioncl.spiking.interchange.twin_file import load_twin, save_twin
from bioncl.spiking.interchange.twin_module import Neurons, TwinModule
from bioncl.spiking.libraries import library


def to_norse(twin: Twin) -> TwinModule:
    """The twin as a torch module of norse neurons.

    Raises:
        UnsupportedError: norse is not installed.
    """
    return TwinModule(twin, IntegratingNeurons)


def load_norse(path: Path | str) -> TwinModule:
    """Read a twin that was written for norse or snntorch, as a module of norse neurons.

    Nothing in the file is executed.

    Raises:
        CheckpointError: The file is missing, damaged, or does not hold a twin.
        UnsupportedError: norse is not installed.
    """
    return to_norse(load_twin(path))


def write(twin: Twin, path: Path) -> None:
    """Write `twin` for `load_norse`; the library is not needed for that."""
    save_twin(path, twin, "norse")


class IntegratingNeurons(Neurons):
    """A population as `norse.torch.IAFCell`."""

    def __init__(self, twin: Twin, population: Population, like: Tensor) -> None:
        """Make the neurons of `population`, in the precision of `like`."""
        super().__init__()
        iaf = library("norse.torch.functional.iaf")
        v_th = just_below(population.threshold, like)
        parameters = iaf.IAFParameters(v_th=v_th, v_reset=torch.zeros_like(v_th))
        self.cell, self.state = library("norse.torch").IAFCell(parameters), iaf.IAFFeedForwardState
        self.decay, self.threshold = twin.decay, population.threshold
        self.subtracts = twin.reset == "subtract"

    def forward(self, current: Tensor, membrane: Tensor) -> tuple[Tensor, Tensor]:
        """See `Neurons`."""
        rest = self.decay * membrane
        spikes, state = self.cell(current, self.state(v=rest))
        if self.subtracts:
            return spikes, rest + current - spikes.detach() * self.threshold
        return spikes, state.v
