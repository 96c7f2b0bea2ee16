"""Membrane potentials computed anew from the weights before a night and its recorded spikes.

A neuron's potential depends on its own weights and bias, on the spikes of the layer below and, with
lateral inhibition, on the currents of its whole layer: not on anything above. So a trace need not
hold potentials. The engine runs the chosen rows up to the window, then each step of the window is
done in the open, in the arithmetic of `bioncl.spiking.engines.dense`:

    u = current, v = decay·v + u    noted here, before the reset; 0 while a neuron rests
    s = v ≥ threshold               compared with the recorded spikes
    the rows learn, v = 0 where s
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioncl.errors import InputError, TraceError, describe
from bioncl.spiking.engines import row_kernels, rowwise
from bioncl.spiking.engines.dense import Dense, integrate, reset
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.spiking.synapses import learn as learn_by_definition
from bioncl.traces.recorder import MemoryRecorder
from bioncl.traces.spikes import Spikes

CHUNK = 1000
Events = NDArray[np.int64]
Learn = Callable[[Tensor, Tensor], None]


@torch.no_grad()
def membranes(
    layer: SpikingNetwork,
    below: Events,
    fired: Events,
    neurons: Sequence[int],
    window: tuple[int, int],
    engine: str = "event",
) -> NDArray:
    """Potentials of some neurons at the threshold test of each step, that is before the reset.

    Costs a run of the chosen rows up to the end of the window; with lateral inhibition, or by the
    `dense` engine, of the whole layer.

    Args:
        layer: A network of this layer only, as it was before the night; left alone.
        below: (step, neuron) of the spikes of the layer below, from step 0 to the end of the
            window at least, by step, then neuron: int64 [events, 2].
        fired: The same of the layer itself, to compare with.
        neurons: Which.
        window: First step, and the step after the last.
        engine: Who computed the night: "dense", or another one, which is taken for "event"; the two
            may differ in the last bits of a rule's exp.

    Returns:
        Potentials [steps, neurons] in the precision of the weights.

    Raises:
        InputError: There is no such neuron or window.
        TraceError: The potentials make other spikes than the recorded ones.
    """
    start, stop = window
    if not 0 <= start <= stop:
        raise InputError(describe("Window of a membrane potential", got=window))
    dense = engine == "dense"
    rows = _rows(layer, neurons, everyone=dense or bool(layer.inhibition))
    part, recorder = _only(layer, rows), MemoryRecorder()
    runner = Dense() if dense else Event(threads=1)
    runner.run(part, _chunks(below, part.sizes[0], start), recorder)
    learn = _by_definition(part) if dense else _compiled(part)
    noted = part.weights[0].new_empty((stop - start, len(rows)))
    spiked = np.zeros((stop - start, len(rows)), np.bool_)
    for t, pre in enumerate(_steps(below, part.sizes[0], start, stop)):
        noted[t], spiked[t] = _step(part, pre, learn)
    found = [events for events in recorder.events()[1:] if len(events)]
    found.append(np.argwhere(spiked) + np.array([start, 0]))
    _compare(np.concatenate(found), fired, rows, stop)
    potentials: NDArray = noted[:, np.searchsorted(rows, neurons)].numpy()
    return potentials


def _step(part: SpikingNetwork, pre: Tensor, learn: Learn) -> tuple[Tensor, NDArray[np.bool_]]:
    """One step of the layer: potentials [neurons] before the reset, and who fired."""
    post = integrate(part, 0, pre)
    noted = part.membranes[0].clone()
    if post.any() or len(part.traces[0].pre):  # a traced rule learns in every step
        learn(pre, post)
    reset(part, 0, post)
    return noted, post.numpy()


def _rows(layer: SpikingNetwork, neurons: Sequence[int], *, everyone: bool) -> NDArray[np.int64]:
    """The neurons to compute, ascending."""
    count = len(layer.weights[0])
    wrong = [neuron for neuron in neurons if not 0 <= neuron < count]
    if wrong or not len(neurons):
        expected, got = f"neurons from 0 to {count - 1}", wrong or "none"
        raise InputError(describe(f"Neurons of {layer.names[0]}", expected=expected, got=got))
    return np.arange(count) if everyone else np.unique(np.asarray(neurons, np.int64))


def _only(layer: SpikingNetwork, rows: NDArray[np.int64]) -> SpikingNetwork:
    """A copy with these neurons only, at rest."""
    bias = layer.biases[0]
    return SpikingNetwork(
        [layer.weights[0][rows].clone()],
        layer.gains,
        layer.thresholds,
        layer.decay,
        layer.inhibition,
        biases=[None if bias is None else bias[rows]],
        rules=layer.rules,
        names=layer.names,
        dc=layer.dc,
        refractory=layer.refractory,
        bounds=layer.bounds,
        normalise=layer.normalise,
    )


def _by_definition(part: SpikingNetwork) -> Learn:
    """The rule as the `dense` engine applies it."""

    def learn(pre: Tensor, post: Tensor) -> None:
        learn_by_definition(part, 0, pre, post)

    return learn


def _compiled(part: SpikingNetwork) -> Learn:
    """The rule as the `event` engine applies it, to the same memory as the weights of `part`."""
    laid = rowwise.lay_out(part, 0)

    def learn(pre: Tensor, post: Tensor) -> None:
        events = pre.nonzero().flatten().to(torch.int32)
        row_kernels.learn_step(laid, events.numpy(), post.numpy())

    return learn


def _chunks(events: Events, neurons: int, stop: int) -> Iterator[Spikes]:
    """The spikes before step `stop` in chunks, as engines take them."""
    for first in range(0, stop, CHUNK):
        last = min(first + CHUNK, stop)
        places = np.searchsorted(events[:, 0], np.arange(first, last + 1))
        ids = events[places[0] : places[-1], 1].astype(np.int32)
        yield Spikes(neurons, places - places[0], ids)


def _steps(events: Events, neurons: int, start: int, stop: int) -> Iterator[Tensor]:
    """For each step of the window, which neurons fired: bool [neurons]."""
    places = np.searchsorted(events[:, 0], np.arange(start, stop + 1))
    for first, last in pairwise(places.tolist()):
        pre = torch.zeros(neurons, dtype=torch.bool)
        pre[torch.from_numpy(events[first:last, 1])] = True
        yield pre


def _compare(found: Events, fired: Events, rows: NDArray[np.int64], stop: int) -> None:
    """Refuse recorded spikes that are not those found; `found` counts places in `rows`."""
    kept = fired[(fired[:, 0] < stop) & np.isin(fired[:, 1], rows)]
    implied = np.stack([found[:, 0], rows[found[:, 1]]], axis=1)
    if np.array_equal(implied, kept):
        return
    both = min(len(implied), len(kept))
    place = int(np.append((implied[:both] != kept[:both]).any(axis=1), True).argmax())
    step, neuron = min(tuple(events[place]) for events in (implied, kept) if place < len(events))
    what = (
        f"The recorded spikes are not those that weights, settings and the spikes below make; they "
        f"differ first at step {step} of the night in neuron {neuron}"
    )
    hint = "The trace may be damaged, or another engine's arithmetic may have made it."
    raise TraceError(describe(what, hint=hint))
