"""Nights side by side come out as nights alone, bit for bit."""

import copy

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, InputError, UnsupportedError
from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Sigmoid
from bioncl.spiking.engines import population
from bioncl.spiking.engines.event import Event
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces import MemoryRecorder, Spikes

RULES = [Gated(0.01, 0.001), Sigmoid(0.01, 0.002), Constant(0.01, 0.004), None]


def networks(count, dtype=torch.float64, **options):
    """Nights that differ in weights, rules, gains and thresholds."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(count):
        weights = [torch.tensor(rng.normal(0, 0.3, s), dtype=dtype) for s in ((20, 12), (4, 20))]
        rules = [RULES[i % 4], RULES[(i + 1) % 4]]
        gains, thresholds = [1.0, 0.5 + i / 10], [0.5 + i / 20, 0.4]
        made.append(SpikingNetwork(weights, gains, thresholds, rules=rules, **options))
    return made


def streams(count, steps=60, chunk=25):
    """For each chunk, the spikes of each stream."""
    rng = np.random.default_rng(1)
    rasters = [rng.random((steps, 12)) < 0.3 for _ in range(count)]
    return [
        [Spikes.from_raster(raster[t : t + chunk]) for raster in rasters]
        for t in range(0, steps, chunk)
    ]


def both(together, chunks, listening, threads):
    """Run a population and the same nights alone; return (weights, membranes, spikes) of both."""
    alone = copy.deepcopy(together)
    recorders = [MemoryRecorder() for _ in together]
    Event(threads).run_many(together, chunks, listening, recorders)
    kept = [MemoryRecorder() for _ in alone]
    for network, stream, recorder in zip(alone, listening, kept, strict=True):
        Event(1).run(network, [chunk[stream] for chunk in chunks], recorder)
    return [
        [(n.weights, n.membranes, r.events()) for n, r in zip(nights, notes, strict=True)]
        for nights, notes in ((together, recorders), (alone, kept))
    ]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("held", [1, 10**6])
def test_equals_nights_alone(monkeypatch, dtype, threads, held):
    monkeypatch.setattr(population, "HELD_EVENTS", held)
    many = networks(9, dtype)
    many[3].inhibition, many[4].refractory = 0.2, 2
    many[5].rules = [PairSTDP(0.01, 0.02), Oja(0.1)]
    many[5] = SpikingNetwork(
        many[5].weights, many[5].gains, many[5].thresholds, rules=many[5].rules
    )
    found, true = both(many, streams(2), [i % 2 for i in range(9)], threads)
    assert all(sum(map(len, events[1:])) > 20 for _, _, events in true)
    for left, right in zip(found, true, strict=True):
        for a, b in zip(left, right, strict=True):
            assert all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_no_night_is_a_population_too():
    Event().run_many([], streams(1), [], [])


def test_a_night_that_diverges_is_reported():
    many = networks(3)
    many[1].rules = [Constant(1e308, 0), None]
    with pytest.raises(DivergedError, match="layer1"):
        Event(2).run_many(many, streams(1), [0] * 3, [MemoryRecorder() for _ in many])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda c: c.update(streams=[0, 1]), "Streams.*one for each of the 3"),
        (lambda c: c.update(streams=[0, 1, 2]), "Streams.*0 to 1"),
        (lambda c: c.update(recorders=[]), "Recorders"),
        (lambda c: c["networks"].append(networks(1, torch.float32)[0]), "one population|Streams"),
        (lambda c: c["chunks"][1].__setitem__(1, streams(1, 7)[0][0]), "25 steps|steps"),
    ],
)
def test_nights_that_do_not_fit_are_refused(change, match):
    call = {
        "networks": networks(3),
        "chunks": streams(2),
        "streams": [0, 1, 0],
        "recorders": [MemoryRecorder() for _ in range(3)],
    }
    change(call)
    with pytest.raises(InputError, match=match):
        Event().run_many(**call)


def test_a_network_that_the_engine_does_not_know_is_refused():
    class Strange:
        def change(self, weight, pre, post):
            return weight

        def scaled(self, factor):
            return self

    many = networks(2)
    many[1].rules = [Strange(), None]
    with pytest.raises(UnsupportedError, match="Strange"):
        Event().run_many(many, streams(1), [0, 0], [MemoryRecorder(), MemoryRecorder()])
