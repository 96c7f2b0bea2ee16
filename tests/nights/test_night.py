"""A night: the twin it makes, what it writes back, and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch

from bioncl.errors import DivergedError, SettingsError, UnsupportedError
from bioncl.models.mlp import MLP
from bioncl.nights.night import as_seen, peak, sleep, twin
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Gated, PairSTDP, Sigmoid
from bioncl.progress import Silent
from bioncl.spiking.convert import Fixed
from bioncl.spiking.drive import Mean, spikes
from bioncl.spiking.engines.dense import Dense
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import MemoryRecorder, SilentRecorder

NIGHT = NightSettings(
    rate=200.0,
    thresholds=(0.5,),
    rule=Gated(0.05, 0.01),
    drive=Mean(),
    gains=Fixed((0.6, 0.7, 0.8)),
    inhibition=0.1,
)
STEPS = 700  # more than one chunk


def network(head="single", bias=True, started=2):
    model = MLP(hidden=(9, 7), bias=bias, head=head).build((1, 4, 4), 4, ((0, 1), (2, 3)), 0)
    for index in range(started):
        model.start_task(index)
    return model


def seen(count=20):
    generator = torch.Generator().manual_seed(2)
    return Examples(torch.rand(count, 1, 4, 4, generator=generator), torch.arange(count) % 4)


def night(model, settings=NIGHT, steps=STEPS, seed=0, recorder=None, progress=None):
    return sleep(
        model,
        seen(),
        settings,
        steps=steps,
        generator=np.random.default_rng(seed),
        recorder=recorder or SilentRecorder(),
        progress=progress or Silent(),
    )


def values(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


OPTIONS = {
    "dc": (0.02, 0.0, 0.05),
    "refractory": 2,
    "bounds": ((-0.5, 0.5),),
    "normalise": "l1",
    "rule": PairSTDP(0.01, 0.01, 5.0, 7.0),
}


def same(model, before):
    return all(torch.equal(before[name], value) for name, value in model.state_dict().items())


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_the_weights_are_those_that_the_definition_leaves(head, precision):
    """The night by hand: twin, noise, dense engine; then the network holds just these weights."""
    settings = replace(NIGHT, precision=precision)
    model, other = network(head), network(head)
    before = values(model)
    report = night(model, settings)
    spiking = twin(other, seen(), settings)
    start = [w.clone() for w in spiking.weights]
    noise = spikes(NIGHT.drive, as_seen(seen()), STEPS, 0.4, np.random.default_rng(0))
    recorder = MemoryRecorder()
    Dense().run(spiking, noise, recorder)
    for layer, weight in zip(model.stack(), spiking.weights, strict=True):
        assert torch.equal(layer.weight, weight.float())
    assert report.spikes == tuple(len(events) for events in recorder.events())
    assert min(report.spikes) > 50
    pairs = list(zip(start, spiking.weights, strict=True))
    shares = [(a != b).float().mean().item() for a, b in pairs]
    assert report.changed == pytest.approx(shares)
    assert min(shares) > 0.1
    moves = [(b - a).mean().item() for a, b in pairs]
    assert report.mean_change == pytest.approx(moves, rel=1e-5, abs=1e-9)
    assert (report.steps, report.engine, report.gains) == (STEPS, "event", (0.6, 0.7, 0.8))
    assert all(torch.equal(before[k], v) for k, v in values(model).items() if "bias" in k)


def test_same_seed_same_night_and_another_seed_another():
    models = [network() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        night(model, seed=seed)
    assert same(models[0], values(models[1]))
    assert not same(models[0], values(models[2]))


def test_threads_do_not_matter():
    models = [network() for _ in range(2)]
    for model, threads in zip(models, (1, 2), strict=True):
        night(model, replace(NIGHT, threads=threads, inhibition=0.0))
    assert same(models[0], values(models[1]))


@pytest.mark.parametrize("head", ["single", "per-task", "growing"])
@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        (NIGHT, 0),
        (replace(NIGHT, rule=Gated(0.0, 0.0)), STEPS),
        (replace(NIGHT, rule_factors=(0.0,)), STEPS),
        (replace(NIGHT, rate=1e-9, thresholds=(50.0,)), STEPS),
    ],
    ids=["no steps", "no step sizes", "no factor", "no spikes"],
)
def test_a_night_without_plasticity_changes_no_bit(head, settings, steps):
    model = network(head)
    before = values(model)
    report = night(model, settings, steps)
    assert same(model, before)
    assert report.changed == report.mean_change == (0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Exploding:
    """A rule that no weight survives."""

    def change(self, weight, pre, post):
        return torch.where(post.unsqueeze(1), weight * 1e300 * 1e300, weight)

    def scaled(self, factor):
        return self


def test_a_night_that_diverges_leaves_the_network_alone():
    model = network()
    before = values(model)
    with pytest.raises(DivergedError, match="hidden1"):
        night(model, replace(NIGHT, rule=Exploding(), engine="dense"))
    assert same(model, before)


def test_a_rule_that_the_engine_does_not_know_is_refused():
    model = network()
    before = values(model)
    with pytest.raises(UnsupportedError, match="bioncl engines"):
        night(model, replace(NIGHT, rule=Exploding(), engine="event"))
    assert same(model, before)


def test_peak_has_the_published_factor_of_two():
    assert peak(NightSettings(rate=239.515363)) == pytest.approx(0.479030726)


@pytest.mark.parametrize(("rate", "factor"), [(100.0, 0.2), (400.0, 0.8), (4000.0, 1.0)])
def test_biases_are_scaled_as_the_inputs_are(rate, factor):
    """An input of 1 fires with this probability, so the bias keeps its share of the drive."""
    model = network()
    for found, layer in zip(
        twin(model, seen(), replace(NIGHT, rate=rate)).biases, model.stack(), strict=True
    ):
        torch.testing.assert_close(found, factor * layer.bias.detach().double())


def test_networks_without_biases_have_twins_without():
    assert twin(network(bias=False), seen(), NIGHT).biases == [None] * 3


def test_rule_factors_scale_each_layer_and_zero_stills_it():
    settings = replace(NIGHT, rule_factors=(1.0, 0.0, 0.5))
    assert twin(network(), seen(), settings).rules == [
        Gated(0.05, 0.01),
        None,
        Gated(0.025, 0.005),
    ]
    model = network()
    before = values(model)
    report = night(model, settings)
    assert torch.equal(model.trunk[1].weight, before["trunk.1.weight"])
    assert report.changed[1] == 0.0
    assert min(report.changed[0], report.changed[2]) > 0.0


@pytest.mark.parametrize("what", ["thresholds", "rule_factors"])
def test_as_many_numbers_as_layers_or_one(what):
    spiking = twin(network(), seen(), replace(NIGHT, **{what: (2.0,)}))
    wanted = [2.0] * 3 if what == "thresholds" else [Gated(0.1, 0.02)] * 3
    assert (spiking.thresholds if what == "thresholds" else spiking.rules) == wanted
    for wrong in ((1.0, 1.0), (1.0,) * 4, ()):
        with pytest.raises(SettingsError, match=f"sleep.{what}: expected 1 or 3"):
            twin(network(), seen(), replace(NIGHT, **{what: wrong}))


def test_the_twin_is_a_copy_in_the_night_s_precision():
    model = network()
    before = values(model)
    spiking = twin(model, seen(), NIGHT)
    assert spiking.dtype == torch.float64
    assert spiking.names == ["hidden1", "hidden2", "output"]
    assert (spiking.decay, spiking.inhibition) == (0.999, 0.1)
    assert all(not w.requires_grad for w in spiking.weights)
    for weight in spiking.weights:
        weight.fill_(7)
    assert same(model, before)
    assert twin(model, seen(), replace(NIGHT, precision="float32")).dtype == torch.float32


def test_gains_are_measured_without_dropout_and_with_all_outputs():
    """A task chosen before, or training mode, must not show in the gains."""
    settings = NightSettings()
    model = MLP(hidden=(9,), dropout=0.5, head="masked").build((1, 4, 4), 4, ((0, 1), (2, 3)), 0)
    wanted = list(twin(model.eval(), seen(), settings).gains)
    model.train()
    model.use_task(1)
    assert list(twin(model, seen(), settings).gains) == wanted


def test_the_recorder_gets_spikes_weights_and_facts():
    class Everything(MemoryRecorder):
        def weights(self, names, before, after):
            self.kept = (list(names), [w.copy() for w in before], [w.copy() for w in after])

        def facts(self, values):
            self.told = dict(values)

    recorder, model = Everything(), network()
    before = [layer.weight.detach().clone() for layer in model.stack()]
    report = night(model, recorder=recorder)
    names, old, new = recorder.kept
    assert names == ["hidden1", "hidden2", "output"]
    for kept, weight in zip(old, before, strict=True):
        np.testing.assert_array_equal(kept, weight.double().numpy())
    for kept, layer in zip(new, model.stack(), strict=True):
        np.testing.assert_array_equal(kept.astype(np.float32), layer.weight.detach().numpy())
    assert tuple(len(events) for events in recorder.events()) == report.spikes
    assert recorder.told["spikes"] == report.spikes
    assert recorder.told["steps"] == STEPS


def test_progress_advances_by_every_step():
    class Bars(Silent):
        total = done = 0

        def start(self, what, total):
            self.total += total
            outer = self

            class Bar(type(super().start(what, total))):
                def advance(self, amount=1):
                    outer.done += amount

            return Bar()

    bars = Bars()
    night(network(), progress=bars)
    assert bars.total == bars.done == STEPS


def test_another_rule_makes_another_night():
    models = [network() for _ in range(2)]
    night(models[0])
    night(models[1], replace(NIGHT, rule=Sigmoid(0.05, 0.01)))
    assert not same(models[0], values(models[1]))


def test_inputs_are_flattened_and_keep_their_shape():
    found = as_seen(seen(3))
    assert found.shape == (1, 4, 4)
    np.testing.assert_array_equal(found.inputs, seen(3).x.numpy().reshape(3, 16))
    np.testing.assert_array_equal(found.labels, [0, 1, 2])


def test_options_reach_the_twin():
    """One value stands for all layers, a list has one for each."""
    net = twin(network(), seen(), replace(NIGHT, **OPTIONS))
    assert list(net.dc) == [0.02, 0.0, 0.05]
    assert list(net.bounds) == [(-0.5, 0.5)] * 3
    assert (net.refractory, net.normalise) == (2, "l1")
    assert list(net.rules) == [OPTIONS["rule"]] * 3


@pytest.mark.parametrize("option", OPTIONS)
def test_each_option_changes_the_night(option):
    """None of them is read and then forgotten on the way."""
    plain, other = network(), network()
    night(plain)
    night(other, replace(NIGHT, **{option: OPTIONS[option]}))
    assert not same(other, values(plain))


def test_a_night_without_options_has_none():
    net = twin(network(), seen(), NIGHT)
    assert (list(net.dc), list(net.bounds)) == ([0.0] * 3, [None] * 3)
    assert (net.refractory, net.normalise, net.norms) == (0, "none", [])


def test_downscaling_multiplies_the_weights_once_at_the_end():
    """The spikes are those of the night without it; a layer that keeps its weights shrinks too."""
    plain, shrunk = network(), network()
    recorders = MemoryRecorder(), MemoryRecorder()
    settings = replace(NIGHT, rule_factors=(1.0, 0.0, 1.0))
    night(plain, settings, recorder=recorders[0])
    report = night(shrunk, replace(settings, downscale=(0.5, 0.25, 1.0)), recorder=recorders[1])
    for one, other in zip(*(recorder.events() for recorder in recorders), strict=True):
        np.testing.assert_array_equal(one, other)
    pairs = zip(plain.stack(), shrunk.stack(), (0.5, 0.25, 1.0), strict=True)
    assert all(torch.equal(a.weight * factor, b.weight) for a, b, factor in pairs)
    assert report.changed[1] == 1.0


@pytest.mark.parametrize("option", ["dc", "bounds", "downscale"])
def test_an_option_for_another_number_of_layers_is_refused_before_the_night(option):
    model = network()
    before = values(model)
    value = ((0.0, 1.0),) * 2 if option == "bounds" else (0.5, 0.5)
    with pytest.raises(SettingsError, match=f"sleep.{option}: expected 1 or 3 values"):
        night(model, replace(NIGHT, **{option: value}))
    assert same(model, before)
