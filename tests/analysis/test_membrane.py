"""Potentials from a trace equal those of the night, logged step by step by running it once more."""

from __future__ import annotations

import json
from dataclasses import replace

import h5py
import numpy as np
import pytest
import torch

from bioncl.analysis.membrane import membrane_potentials
from bioncl.analysis.night import night_view
from bioncl.errors import InputError, TraceError
from bioncl.models.mlp import MLP
from bioncl.nights.night import as_seen, peak, sleep, twin
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Constant, Gated, Oja, PairSTDP, Sigmoid
from bioncl.progress import Silent
from bioncl.spiking.convert import Fixed
from bioncl.spiking.drive import Mean, spikes
from bioncl.spiking.engines import ENGINES
from bioncl.streams.stream import Examples
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile
from bioncl.traces.recorder import SilentRecorder
from bioncl.traces.spikes import Spikes

STEPS = 220
SIZES = {"input": 16, "hidden1": 9, "hidden2": 7, "output": 4}
NIGHT = NightSettings(
    rate=200.0, thresholds=(0.5, 0.4, 0.3), drive=Mean(), gains=Fixed((0.6, 0.7, 0.8)), threads=1
)
CASES = {
    "gated": {"rule": Gated(0.05, 0.01, 0.1)},
    "sigmoid, one factor 0": {"rule": Sigmoid(0.02, 0.01, 3.0), "rule_factors": (1.0, 0.0, 0.5)},
    "constant, inhibition": {"rule": Constant(0.01, 0.003), "inhibition": 0.3},
    "oja, bounds, downscaled": {"rule": Oja(0.02), "bounds": ((-0.1, 0.3),), "downscale": (0.5,)},
    "stdp, norms": {"rule": PairSTDP(0.01, 0.01), "normalise": "l2", "rule_factors": (1.0, 0.0, 2)},
    "current and rest": {"rule": Gated(0.05, 0.01, 0.1), "dc": (0.03,), "refractory": 2},
    "by definition": {"rule": Gated(0.05, 0.01, 0.1), "engine": "dense"},
}


def network(bias=True):
    return MLP(hidden=(9, 7), bias=bias).build((1, 4, 4), 4, ((0, 1), (2, 3)), 3)


def seen():
    images = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(2))
    return Examples(images, torch.arange(20) % 4)


def recorded(path, settings, bias=True, **kept):
    """A trace of one night."""
    file = TraceFile(path, list(SIZES.items()), settings={}, **{"keep_before": True, **kept})
    with file.night(0, task=0, steps=STEPS) as recorder:
        generator, model = np.random.default_rng(0), network(bias)
        words = {"steps": STEPS, "generator": generator, "progress": Silent()}
        sleep(model, seen(), settings, recorder=recorder, **words)
    return path


def logged(settings, bias=True):
    """What is left in every membrane after each step, and who fired: [steps, neurons] a layer."""
    net = twin(network(bias), seen(), settings)
    noise = spikes(settings.drive, as_seen(seen()), STEPS, peak(settings), np.random.default_rng(0))
    engine, left = ENGINES.load(settings.engine)(threads=1), [[] for _ in net.weights]
    fired = [[] for _ in net.weights]

    class Noted(SilentRecorder):
        def spikes(self, layer, first_step, events):
            if layer:
                fired[layer - 1].append(events.raster()[0])

    for chunk in noise:
        for row in chunk.raster():
            engine.run(net, [Spikes.from_raster(row[None])], Noted())
            for place, membrane in enumerate(net.membranes):
                left[place].append(membrane.clone().numpy())
    return [np.array(one) for one in left], [np.array(one) for one in fired]


@pytest.mark.parametrize("precision", ["float32", "float64"])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_every_layer_in_every_bit(tmp_path, case, bias, precision):
    """Where a neuron was silent the potential is what the engine left; else it had reached 1."""
    settings = replace(NIGHT, precision=precision, **case)
    left, fired = logged(settings, bias)
    with open_trace(recorded(tmp_path / "t.h5", settings, bias)) as trace:
        view = night_view(trace, 0, 120, 200)
        for place, (layer, size) in enumerate(list(SIZES.items())[1:]):
            found = membrane_potentials(view, layer, range(size))
            silent = ~fired[place][120:200]
            assert found.values.dtype == precision
            assert found.values[silent].tobytes() == left[place][120:200][silent].tobytes()
            np.testing.assert_array_equal(found.spikes, ~silent)
            assert found.threshold == NIGHT.thresholds[place]
            assert (found.values[~silent] >= np.array(found.threshold, precision)).all()
        assert any(one.any() for one in fired)


def test_a_trace_from_before_there_were_options_has_none(tmp_path):
    """Its facts do not tell them; the potentials are the same."""
    path = recorded(tmp_path / "t.h5", NIGHT)
    with open_trace(path) as trace:
        wanted = membrane_potentials(night_view(trace), "hidden2").values
    with h5py.File(path, "r+") as file:
        told = file["bioncl/sleep/0000"]["facts_json"]
        facts = json.loads(told[()])
        for name in ("refractory", "normalise"):
            del facts["twin"][name]
        for layer in facts["twin"]["layers"].values():
            del layer["dc"], layer["bounds"]
        del file["bioncl/sleep/0000/facts_json"]
        file["bioncl/sleep/0000/facts_json"] = json.dumps(facts)
    with open_trace(path) as trace:
        found = membrane_potentials(night_view(trace), "hidden2").values
    np.testing.assert_array_equal(found, wanted)


def test_the_most_active_are_chosen(tmp_path):
    with open_trace(recorded(tmp_path / "t.h5", NIGHT)) as trace:
        counts = np.bincount(trace.spikes("hidden1", 0, 0, 100)[:, 1], minlength=9)
        found = membrane_potentials(night_view(trace, 0, 0, 100), "hidden1")
    assert found.neurons.tolist() == sorted(range(9), key=lambda n: (-counts[n], n))[:5]


def test_what_the_trace_does_not_hold_is_named(tmp_path):
    with open_trace(recorded(tmp_path / "a.h5", NIGHT, keep_before=False)) as trace:
        with pytest.raises(TraceError, match=r"trace\.weights_before = true"):
            membrane_potentials(night_view(trace), "hidden1")
        with pytest.raises(InputError, match="The input has no membranes"):
            membrane_potentials(night_view(trace), "input")
        with pytest.raises(TraceError, match="no layer 'hidden3'"):
            membrane_potentials(night_view(trace), "hidden3")


def test_a_night_that_was_not_finished_says_so(tmp_path):
    """Weights and facts are written at its end."""
    path = recorded(tmp_path / "t.h5", NIGHT)
    with h5py.File(path, "r+") as file:
        night = file["bioncl/sleep/0000"]
        night.attrs["complete"] = False
        for name in ("facts_json", "weights", "biases"):
            del night[name]
    with (
        open_trace(path) as trace,
        pytest.raises(TraceError, match="Only nights that were finished"),
    ):
        membrane_potentials(night_view(trace), "hidden1")
