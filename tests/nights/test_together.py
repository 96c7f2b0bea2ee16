"""Nights together are nights alone: the same weights, spikes and faults, bit for bit."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, SettingsError, UnsupportedError
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.nights.night import sleep
from bioncl.nights.settings import NightSettings
from bioncl.nights.together import Night, sleep_many
from bioncl.plasticity import Constant, Gated, PairSTDP
from bioncl.progress import Silent
from bioncl.spiking import convert
from bioncl.spiking.convert import Diehl, Fixed, Percentile, Published
from bioncl.spiking.drive import MaskedMean, MaskedSamples, Mean
from bioncl.spiking.engines.event import Event
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import SilentRecorder

STEPS = 700  # more than one chunk
NIGHT = NightSettings(
    rate=200.0,
    thresholds=(0.5,),
    rule=Gated(0.05, 0.01),
    drive=Mean(),
    gains=Fixed((0.6, 0.7, 0.8)),
    threads=2,
)
MIXED = {
    "plain": {},
    "the same again": {},
    "rate": {"rate": 90.0},
    "rule": {"rule": Constant(0.001, 0.0005)},
    "memory": {"rule": PairSTDP(0.01, 0.01, 5.0, 7.0)},
    "thresholds": {"thresholds": (0.4, 0.5, 0.9), "rule_factors": (1.0, 0.0, 0.5)},
    "window": {"drive": MaskedMean(3)},
    "samples": {"drive": MaskedSamples(2, 0.5), "rate": 300.0},
    "published": {"gains": Published()},
    "published, scaled": {"gains": Published(0.7)},
    "diehl": {"gains": Diehl(1.3)},
    "percentile": {"gains": Percentile(1.0, 90.0)},
    "inhibition": {"inhibition": 0.1},
    "options": {"dc": (0.02, 0.0, 0.05), "refractory": 2, "normalise": "l1", "downscale": (0.9,)},
    "float32": {"precision": "float32"},
    "float32, rate": {"precision": "float32", "rate": 90.0},
    "dense": {"engine": "dense"},
    "one thread": {"threads": 1},
}


def network():
    model = MLP(hidden=(9, 7)).build((1, 4, 4), 4, ((0, 1), (2, 3)), 0)
    model.start_task(0)
    return model


def seen(seed=2):
    generator = torch.Generator().manual_seed(seed)
    return Examples(torch.rand(20, 1, 4, 4, generator=generator), torch.arange(20) % 4)


def noise():
    return np.random.default_rng(5)


def alone(model, night):
    """The judge: one night of a copy, past everything that is shared."""
    model = copy.deepcopy(model)
    report = sleep(
        model,
        night.seen,
        night.settings,
        steps=night.steps,
        generator=noise(),
        recorder=SilentRecorder(),
        progress=Silent(),
    )
    return report, model.state_dict()


def together(model, nights):
    return sleep_many(model, nights, generator=noise(), progress=Silent())


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


def assert_as_alone(model, nights, found):
    for night, slept in zip(nights, found, strict=True):
        report, state = alone(model, night)
        assert same(slept.state, state)
        assert replace(slept.report, seconds=report.seconds) == report


@pytest.fixture
def populations(monkeypatch):
    """Numbers of nights and of streams of the populations that the engine ran."""
    counts, run_many = [], Event.run_many

    def counted(self, networks, chunks, streams, recorders):
        counts.append((len(networks), len(set(streams))))
        return run_many(self, networks, chunks, streams, recorders)

    monkeypatch.setattr(Event, "run_many", counted)
    return counts


def test_a_mixed_batch_is_what_its_nights_are_alone(populations):
    """All that settings may differ in, at two lengths, two engines and two precisions."""
    mine, other = seen(), seen(3)
    nights = [Night(mine, replace(NIGHT, **more), STEPS) for more in MIXED.values()]
    nights += [Night(mine, NIGHT, 300), Night(mine, replace(NIGHT, rate=90.0), 300)]
    nights += [Night(other, replace(NIGHT, gains=Published()), STEPS), Night(mine, NIGHT, 0)]
    model = network()
    found = together(model, nights)
    assert_as_alone(model, nights, found)
    assert len({tuple(slept.report.spikes) for slept in found}) > len(MIXED) / 2
    # 14 of 700 steps in float64 share four streams, and one that sees otherwise has its own
    assert sorted(populations) == [(2, 2), (2, 2), (15, 5)]


def test_the_network_and_the_noise_are_left_as_they_were():
    model, generator = network(), noise()
    before, state = copy.deepcopy(model.state_dict()), generator.bit_generator.state
    found = sleep_many(
        model, [Night(seen(), NIGHT, STEPS)] * 2, generator=generator, progress=Silent()
    )
    assert same(model.state_dict(), before)
    assert generator.bit_generator.state == state
    assert not same(found[0].state, before)


def test_a_night_that_diverges_does_not_take_the_others_with_it(populations):
    mine, model = seen(), network()
    good = [Night(mine, replace(NIGHT, rate=rate), STEPS) for rate in (90.0, 200.0)]
    bad = Night(mine, replace(NIGHT, rule=Constant(1e308, 1e308)), STEPS)
    with pytest.raises(DivergedError) as error:
        alone(model, bad)
    found = together(model, [good[0], bad, good[1]])
    assert populations == [(3, 2)]
    assert isinstance(found[1], DivergedError)
    assert str(found[1]) == str(error.value)
    assert_as_alone(model, good, [found[0], found[2]])


@pytest.mark.parametrize(
    ("more", "kind"),
    [
        ({"thresholds": (1.0, 1.0)}, SettingsError),  # found while the twin is made
        ({"drive": MaskedMean(9)}, SettingsError),  # found while the engine waits for spikes
        ({"gains": Fixed((1.0, 2.0))}, SettingsError),
        ({"engine": "norse", "refractory": 3}, UnsupportedError),
    ],
)
def test_a_night_that_cannot_be_does_not_take_the_others_with_it(more, kind):
    if more.get("engine") == "norse":
        pytest.importorskip("norse", reason="needs the extra engines")
    mine, model = seen(), network()
    good = [Night(mine, replace(NIGHT, rate=rate), STEPS) for rate in (90.0, 200.0)]
    found = together(model, [*good, Night(mine, replace(NIGHT, **more), STEPS)])
    assert isinstance(found[2], kind)
    assert_as_alone(model, good, found[:2])


@dataclass(frozen=True)
class OtherChunks:
    """A drive of a plug-in that cuts the night elsewhere, into as many chunks or into more."""

    length: int

    def intensities(self, seen, steps, generator):
        for start in range(0, steps, self.length):
            count = min(self.length, steps - start)
            yield np.tile(np.arange(16), (count, 1)), np.full((count, 16), 0.4, np.float32)


@pytest.mark.parametrize("length", [400, 100])
@pytest.mark.parametrize("first", [True, False])
def test_drives_that_do_not_keep_step_sleep_one_by_one(length, first, populations):
    mine, model = seen(), network()
    nights = [
        Night(mine, NIGHT, STEPS),
        Night(mine, replace(NIGHT, drive=OtherChunks(length)), STEPS),
    ]
    nights = nights if first else nights[::-1]
    found = together(model, nights)
    assert len(populations) == 1
    assert_as_alone(model, nights, found)


def test_networks_that_are_no_chain_sleep_one_by_one(populations):
    model = ConvNet(channels=(3,), hidden=(6,)).build((1, 4, 4), 4, ((0, 1), (2, 3)), 0)
    model.start_task(0)
    settings = replace(NIGHT, gains=Percentile(), rule=Gated(0.01, 0.01))
    nights = [Night(seen(), replace(settings, rate=rate), 100) for rate in (200.0, 400.0)]
    found = together(model, nights)
    assert populations == []
    assert not same(found[0].state, found[1].state)
    assert_as_alone(model, nights, found)


def test_gains_are_measured_once_for_all_that_ask_for_the_same(monkeypatch):
    """Their scale is no reason to look at all inputs again; other inputs are."""
    calls, largest = [], convert.largest

    def counted(*words):
        calls.append(words)
        return largest(*words)

    monkeypatch.setattr(convert, "largest", counted)
    mine, other, model = seen(), seen(3), network()
    gains = [Published(), Published(0.5), Published(2.0), Fixed((1.0,))]
    nights = [Night(mine, replace(NIGHT, gains=each), 50) for each in gains]
    together(model, nights)
    assert len(calls) == 1
    together(model, [nights[0], Night(other, replace(NIGHT, gains=Published()), 50)])
    assert len(calls) == 3
