"""Nights of this package's networks that are no chain of linear layers, alone and inside runs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

import bioncl
from bioncl.errors import SettingsError, UnsupportedError
from bioncl.methods.src import SRC
from bioncl.models.convnet import ConvNet
from bioncl.models.mlp import MLP
from bioncl.models.resnet import ResNet
from bioncl.nights.graph_twin import make_twin, rules_of
from bioncl.nights.night import bias_factor, is_chain, recorded_layers, sleep
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Gated
from bioncl.progress import Silent
from bioncl.spiking.convert import Diehl, Fixed, Percentile, Published
from bioncl.spiking.drive import Mean
from bioncl.streams.stream import Examples
from bioncl.traces.recorder import MemoryRecorder, SilentRecorder

SHAPE = (1, 8, 8)
GROUPS = ((0, 1), (2, 3))
NIGHT = NightSettings(
    rate=400.0,
    thresholds=(0.2,),
    rule=Gated(0.001, 0.0005, 0.05),
    drive=Mean(),
    gains=Percentile(),
)
POPULATIONS = ["parts.0.unit.norm", "parts.1.unit.norm", "parts.2.unit", "output"]


def convnet(head="single", **options):
    settings = {"channels": (3, 4), "kernel": 3, "hidden": (9,), "batch_norm": True} | options
    model = ConvNet(**settings, head=head).build(SHAPE, 4, GROUPS, 0)
    for index in range(2):
        model.start_task(index)
    return model


def seen(count=30):
    x = torch.rand(count, *SHAPE, generator=torch.Generator().manual_seed(2))
    return Examples(x, torch.arange(count) % 4)


def night(model, settings=NIGHT, steps=60, recorder=None):
    return sleep(
        model,
        seen(),
        settings,
        steps=steps,
        generator=np.random.default_rng(0),
        recorder=recorder or SilentRecorder(),
        progress=Silent(),
    )


def twin(settings=NIGHT, model=None, x=None):
    model = model or convnet()
    return make_twin(model.eval(), seen().x if x is None else x, settings).graph


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
def test_a_convnet_sleeps_under_every_head(head):
    model = convnet(head)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.use_task(1)
    recorder = MemoryRecorder()
    report = night(model, recorder=recorder)
    assert report.spikes == tuple(len(events) for events in recorder.events())
    assert min(report.spikes[:-1]) > 0
    changed = {n for n, v in model.state_dict().items() if not torch.equal(v, before[n])}
    assert {"parts.0.unit.conv.weight", "parts.1.unit.conv.weight"} <= changed
    assert all(name.endswith("weight") and "norm" not in name for name in changed)
    assert len(report.changed) == len(report.gains) == 4


def test_a_resnet_sleeps():
    model = ResNet(blocks=1, width=4).build(SHAPE, 4, GROUPS, 0)
    report = night(model, replace(NIGHT, thresholds=(0.05,)))
    assert len(report.spikes) == 9
    assert len(report.changed) == 10
    assert min(report.changed[:3]) > 0


def test_only_networks_without_a_stack_sleep_as_graphs():
    assert is_chain(MLP(hidden=(3,)).build(SHAPE, 4, GROUPS, 0))
    assert not is_chain(convnet())


def test_recorded_layers_are_those_whose_spikes_come():
    recorder = MemoryRecorder()
    layers = recorded_layers(convnet(), SHAPE)
    night(convnet(), recorder=recorder)
    assert [name for name, _ in layers] == ["input", *POPULATIONS]
    assert [n for _, n in layers] == [64, 3 * 64, 4 * 16, 9, 4]
    assert len(recorder.events()) == len(layers)
    mlp = MLP(hidden=(3,)).build(SHAPE, 4, GROUPS, 0)
    assert recorded_layers(mlp, SHAPE) == [("input", 64), ("hidden1", 3), ("output", 4)]


def test_lists_give_one_number_a_population():
    values = (0.1, 0.2, 0.3, 0.4)
    plain = twin(replace(NIGHT, gains=Fixed((1.0,))))
    for what in ({"thresholds": values}, {"gains": Fixed(values, scale=2.0)}, {"dc": values}):
        graph = twin(replace(NIGHT, **{"gains": Fixed((1.0,)), **what}))
        for pop, base, value in zip(graph.populations, plain.populations, values, strict=True):
            if "thresholds" in what:
                assert (pop.threshold, base.threshold) == (value, 0.2)
            elif "gains" in what:
                assert pop.paths[0].gain == pytest.approx(2 * value * base.paths[0].gain)
                torch.testing.assert_close(pop.bias, 2 * value * base.bias)
            else:
                torch.testing.assert_close(pop.bias, base.bias + value)
    graph = twin()
    rules = rules_of(graph, replace(NIGHT, rule_factors=(1.0, 0.0, 0.5, 2.0)))
    found = dict(zip(rules, rules.values(), strict=True))
    assert list(found.values()) == [
        Gated(0.001, 0.0005, 0.05),
        None,
        Gated(0.0005, 0.00025, 0.05),
        Gated(0.002, 0.001, 0.05),
    ]


@pytest.mark.parametrize("what", ["thresholds", "rule_factors", "dc", "downscale"])
def test_a_list_of_another_length_is_refused_with_the_populations(what):
    names = ", ".join(POPULATIONS).replace(".", r"\.")
    with pytest.raises(SettingsError, match=rf"sleep.{what}: expected 1 or 4 .*\({names}\)"):
        night(convnet(), replace(NIGHT, **{what: (1.0, 1.0)}))


@pytest.mark.parametrize(
    "setting",
    [{"inhibition": 0.1}, {"refractory": 2}, {"bounds": ((-1.0, 1.0),)}, {"normalise": "l1"}],
    ids=lambda setting: next(iter(setting)),
)
def test_what_only_chains_know_is_refused(setting):
    with pytest.raises(UnsupportedError, match=f"sleep.{next(iter(setting))} is for networks"):
        night(convnet(), replace(NIGHT, **setting))


def test_weights_are_scaled_down_at_the_end():
    models = [convnet(), convnet()]
    quiet = replace(NIGHT, thresholds=(1e9,))
    night(models[1], replace(quiet, downscale=(1.0, 0.5, 1.0, 0.25)))
    weights = [
        [m.parts[0].unit.conv, m.parts[1].unit.conv, m.parts[2].unit, m.head.linear] for m in models
    ]
    for old, new, factor in zip(*weights, (1.0, 0.5, 1.0, 0.25), strict=True):
        torch.testing.assert_close(new.weight, factor * old.weight)


@pytest.mark.parametrize(
    ("gains", "scale"), [(Percentile(percentile=100.0), 1.0), (Diehl(), 1.0), (Published(), 1.0)]
)
def test_the_first_gain_is_one_over_the_largest_activation(gains, scale):
    """λ of the input is 1; here no weight is larger than the largest activation."""
    model = convnet(batch_norm=False).eval()
    with torch.no_grad():
        model.parts[0].unit.weight.clamp_(max=0.3)
        top = model.parts[0].unit(seen().x).relu().max()
    graph = twin(replace(NIGHT, gains=gains), model)
    assert top > 0.3
    assert graph.populations[0].paths[0].gain == pytest.approx(1 / float(top), rel=1e-5)


def test_published_gains_are_refused_where_paths_meet():
    model = ResNet(blocks=1, width=4).build(SHAPE, 4, GROUPS, 0)
    with pytest.raises(UnsupportedError, match="'percentile'"):
        night(model, replace(NIGHT, gains=Published()))


def test_biases_are_scaled_as_the_inputs_are():
    full, half = (twin(replace(NIGHT, rate=rate)) for rate in (500.0, 250.0))
    assert bias_factor(replace(NIGHT, rate=250.0)) == 0.5
    for a, b in zip(full.populations, half.populations, strict=True):
        torch.testing.assert_close(a.bias * 0.5, b.bias)


def test_gains_are_measured_on_inputs_from_all_over():
    """The brightest inputs come last, beyond the number that is looked at."""
    x = torch.cat([0.1 * torch.rand(4000, *SHAPE), torch.ones(4000, *SHAPE)])
    model = convnet(batch_norm=False, bias=False)
    gains = [
        twin(NIGHT, model, part).populations[0].paths[0].gain for part in (x, x[4000:], x[:4000])
    ]
    assert gains[0] == pytest.approx(gains[1], rel=1e-3)
    assert gains[2] > 2 * gains[0]


def test_src_sleeps_after_each_task(toy_stream, toy_learner):
    stream = toy_stream()
    learner = toy_learner(stream, ConvNet(channels=(3,), kernel=3, hidden=(6,)))
    method = SRC(replace(NIGHT, steps=30))
    learner.may_read_past = True
    for index in range(2):
        learner.begin(stream.task(index))
        method.after_task(learner, stream.task(index))
    assert [report.steps for report in method.reports] == [30, 30]
    assert method.reports[0].engine == "graph"


def test_a_run_with_a_convnet_records_its_nights(settings_file, tmp_path):
    """An MLP's run with another model and gains; every population is in the trace."""
    path = settings_file(
        "src",
        model={"name": "convnet", "channels": [3], "kernel": 3, "hidden": [6]},
        sleep={"gains": {"name": "percentile"}, "steps": 50},
    )
    bioncl.run(path, out=tmp_path / "out")
    with bioncl.open_trace(next((tmp_path / "out").rglob("trace.h5"))) as trace:
        assert trace.layers == ["input", "parts.0.unit", "parts.1.unit", "output"]
        assert len(trace.nights) == 3
        assert all(len(trace.spikes(name, 2)) for name in trace.layers[:2])
