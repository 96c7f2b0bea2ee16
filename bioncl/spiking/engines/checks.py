"""Checks that all engines make, so that they say the same about the same fault."""

from __future__ import annotations

from bioncl.errors import DivergedError, InputError, describe
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.spikes import Spikes


def check_chunk(network: SpikingNetwork, chunk: Spikes) -> None:
    """Refuse input spikes of neurons that the network does not have.

    Raises:
        InputError: The number of inputs differs, or a spike comes from outside of it.
    """
    if chunk.neurons != network.sizes[0]:
        expected = f"{network.sizes[0]} inputs"
        raise InputError(describe("Input spikes", expected=expected, got=chunk.neurons))
    if len(chunk.ids) and not 0 <= chunk.ids.min() <= chunk.ids.max() < chunk.neurons:
        got = f"{chunk.ids.min()} to {chunk.ids.max()}"
        expected = f"inputs 0 to {chunk.neurons - 1}"
        raise InputError(describe("Input spikes", expected=expected, got=got))


def diverged(network: SpikingNetwork, layer: int, first: int, steps: int) -> DivergedError:
    """The error for weights of `layer` (0 is the first) that broke in the given steps."""
    return DivergedError(
        describe(
            f"Weights of {network.names[layer]} stopped being finite numbers in steps {first} to "
            f"{first + steps - 1} of the night",
            hint="Lower the rule's inc and dec.",
        )
    )
