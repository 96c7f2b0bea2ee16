"""Checks that all engines make, so that they say the same about the same fault."""

from __future__ import annotations

from collections.abc import Sequence

from bioncl.errors import DivergedError, InputError, describe
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import Recorder
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


def check_population(
    networks: Sequence[SpikingNetwork], streams: Sequence[int], recorders: Sequence[Recorder]
) -> None:
    """Refuse nights that cannot run side by side.

    Raises:
        InputError: Sizes or precision differ, or there is not one stream and recorder for each.
    """
    for what, values in (("Streams", streams), ("Recorders", recorders)):
        if len(values) != len(networks):
            expected = f"one for each of the {len(networks)} networks"
            raise InputError(describe(what, expected=expected, got=len(values)))
    for network in networks:
        first = networks[0]
        if (network.sizes, network.dtype) != (first.sizes, first.dtype):
            expected = f"all of {first.sizes} in {first.dtype}"
            got = f"{network.sizes} in {network.dtype}"
            raise InputError(describe("Networks of one population", expected=expected, got=got))


def check_streams(network: SpikingNetwork, chunk: Sequence[Spikes], streams: Sequence[int]) -> None:
    """Refuse streams that are missing, that differ in length, or that do not fit the network."""
    if not 0 <= min(streams) <= max(streams) < len(chunk):
        got = f"{min(streams)} to {max(streams)}"
        raise InputError(describe("Streams", expected=f"0 to {len(chunk) - 1}", got=got))
    for spikes in chunk:
        check_chunk(network, spikes)
        if spikes.steps != chunk[0].steps:
            expected = f"{chunk[0].steps} steps, as in the first stream"
            raise InputError(describe("Input spikes", expected=expected, got=spikes.steps))


def diverged(network: SpikingNetwork, layer: int, first: int, steps: int) -> DivergedError:
    """The error for weights of `layer` (0 is the first) that broke in the given steps."""
    return DivergedError(
        describe(
            f"Weights of {network.names[layer]} stopped being finite numbers in steps {first} to "
            f"{first + steps - 1} of the night",
            hint="Lower the rule's inc and dec.",
        )
    )


def options(network: SpikingNetwork) -> list[str]:
    """What of a network goes beyond integrate-and-fire with a rule, in words for a refusal."""
    found = ["a refractory period"] if network.refractory else []
    found += [f"the norm {network.normalise}"] if network.normalise != "none" else []
    for name, dc, bounds in zip(network.names, network.dc, network.bounds, strict=True):
        found += [f"the direct current of {name}"] if dc else []
        found += [f"the bounds of {name}"] if bounds is not None else []
    return found


def refuse_options(network: SpikingNetwork) -> str | None:
    """What an engine without `options` says to a network with some, or None."""
    return f"it does not know {', '.join(found)}" if (found := options(network)) else None
