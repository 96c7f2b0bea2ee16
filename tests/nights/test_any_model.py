"""`bioncl.sleep`: one night of any torch network, and what it leaves alone."""

from __future__ import annotations

from dataclasses import dataclass

import h5py
import numpy as np
import pytest
import torch
from torch import nn

import bioncl
from bioncl.errors import BionclError, DivergedError, InputError, UnsupportedError
from bioncl.models.resnet import ResNet
from bioncl.plasticity import Constant, Gated, PairSTDP
from bioncl.seeding import numpy_generator
from bioncl.spiking.drive import Mean, Seen, spikes
from bioncl.spiking.engines.dense import Dense
from bioncl.spiking.network import SpikingNetwork
from bioncl.traces.recorder import MemoryRecorder

RULE = Gated(0.01, 0.005, 0.05)


def images(count=40, channels=1, side=8, seed=0):
    return torch.rand(count, channels, side, side, generator=torch.Generator().manual_seed(seed))


def lenet():
    """Two convolutions with BatchNorm that has seen data, and two linear layers."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1, bias=False),
        nn.BatchNorm2d(4),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(4, 6, 3),
        nn.BatchNorm2d(6),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(24, 9),
        nn.ReLU(),
        nn.Linear(9, 5),
    )
    with torch.no_grad():
        for layer in (net[1], net[5]):
            layer.weight.uniform_(0.5, 2.0)
            layer.bias.uniform_(-0.2, 0.2)
        net(images(seed=1))
    return net


def resnet():
    net = ResNet(blocks=1, width=4).build((1, 8, 8), 4, [(0, 1, 2, 3)], 0)
    with torch.no_grad():
        net(images(seed=1))
        net.head.linear.weight.abs_().sub_(0.05)  # else all outputs are silent
    return net


def values(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(model, before, but=()):
    now = model.state_dict()
    return all(torch.equal(before[n], now[n]) for n in before if n not in but)


def night(model, inputs=None, steps=60, **options):
    options = {"rule": RULE, "thresholds": 0.2, "rate": 500.0} | options
    return bioncl.sleep(model, images() if inputs is None else inputs, steps=steps, **options)


@pytest.mark.parametrize("make", [lenet, resnet])
def test_weights_change_and_everything_else_stays(make):
    """BatchNorm's parameters and statistics and all biases are the same bits after the night."""
    model = make()
    before = values(model)
    report = night(model)
    weights = [f"{name}.weight" for name in report.changed]
    assert len(weights) == {lenet: 4, resnet: 10}[make]
    assert same(model, before, but=weights)
    for name, share in report.changed.items():
        changed = (model.state_dict()[f"{name}.weight"] != before[f"{name}.weight"]).float().mean()
        assert changed == pytest.approx(share, abs=0.02)  # dividing by a scale may round back
        assert share > 0.02
    assert all(count > 0 for count in report.spikes.values())
    assert report.kept == ()
    assert report.engine == "graph"


def test_the_sleeper_computes_what_its_twin_s_weights_do(tmp_path):
    """The recorded weights, in a network whose BatchNorm is folded by hand, give its outputs."""
    model = lenet()
    night(model, trace=tmp_path / "night.h5", precision="float64")
    model.eval()
    x = images(7, seed=3)
    with h5py.File(tmp_path / "night.h5") as file:
        group = file["bioncl/sleep/0000/weights"]
        after = {
            name: torch.from_numpy(w["before"][:] + w["delta"][:]) for name, w in group.items()
        }
    h = x.double()
    for name, norm, padding in (("0", model[1], 1), ("4", model[5], 0)):
        shift = norm.bias - norm.weight * norm.running_mean / (norm.running_var + norm.eps).sqrt()
        bias = model[int(name)].bias
        if bias is not None:
            shift = shift + bias * norm.weight / (norm.running_var + norm.eps).sqrt()
        kernel = after[name].view(model[int(name)].weight.shape)
        h = torch.conv2d(h, kernel, shift.double(), padding=padding).relu()
        h = torch.max_pool2d(h, 2) if name == "0" else h
    h = (h.flatten(1) @ after["9"].T + model[8].bias.double()).relu()
    wanted = h @ after["output"].T + model[10].bias.double()
    torch.testing.assert_close(model(x).double(), wanted, rtol=1e-4, atol=1e-5)


def test_a_chain_of_linear_layers_equals_the_definition_bit_for_bit():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(64, 20, bias=False),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(20, 5, bias=False),
    )
    x = images()
    layers = [model[1], model[4]]
    network = SpikingNetwork(
        [layer.weight.detach().double() for layer in layers],
        [0.5, 0.75],
        [0.25, 0.5],
        rules=[RULE] * 2,
    )
    seen = Seen(x.flatten(1).numpy(), np.zeros(len(x), np.int64), (1, 8, 8))
    noise = spikes(Mean(), seen, 120, 2.0 * 0.001 * 400.0, numpy_generator(3, "night", 0))
    recorder = MemoryRecorder()
    Dense().run(network, noise, recorder)
    report = night(
        model,
        steps=120,
        gains=[0.5, 0.75],
        thresholds=[0.25, 0.5],
        rate=400.0,
        drive="mean",
        engine="dense",
        precision="float64",
        seed=3,
    )
    for layer, weight in zip(layers, network.weights, strict=True):
        assert torch.equal(layer.weight, weight.float())
    assert list(report.spikes.values()) == [len(events) for events in recorder.events()]
    assert min(report.spikes.values()) > 10
    assert report.engine == "dense"


def test_same_seed_same_night_and_another_seed_another():
    models = [lenet() for _ in range(3)]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        night(model, seed=seed)
    assert same(models[0], values(models[1]))
    assert not same(models[0], values(models[2]))


def test_mode_of_every_module_stays():
    model = lenet()
    model.train()
    model[5].eval()
    modes = [module.training for module in model.modules()]
    night(model)
    assert [module.training for module in model.modules()] == modes


def test_weights_of_double_precision_stay_so():
    model = lenet().double()
    before = values(model)
    night(model, precision="float64")
    assert all(value.dtype == before[name].dtype for name, value in model.state_dict().items())
    assert not same(model, before)


@pytest.mark.parametrize("frozen", [["0", "8"], ["4"]])
def test_frozen_layers_keep_every_bit(frozen):
    model = lenet()
    before = values(model)
    report = night(model, frozen=frozen)
    assert report.kept == tuple(frozen)
    others = [f"{name}.weight" for name in ("0", "4", "8", "10") if name not in frozen]
    assert same(model, before, but=others)
    assert not any(torch.equal(before[name], model.state_dict()[name]) for name in others)


@pytest.mark.parametrize("frozen", [["parts", "head"], ["parts.0", "parts", "head.linear"]])
def test_a_night_with_everything_frozen_changes_nothing(frozen):
    """A module stands for all layers inside."""
    model = resnet()
    before = values(model)
    report = night(model, frozen=frozen)
    assert same(model, before)
    assert set(report.changed.values()) == {0.0}
    assert report.spikes["output"] > 0


def test_shared_weights_may_sum_their_changes():
    models = [lenet(), lenet()]
    reports = [
        night(model, shared=shared, steps=3, rule=Constant(0.0, 1e-6))
        for model, shared in zip(models, ("mean", "sum"), strict=True)
    ]
    assert reports[0].spikes == reports[1].spikes
    means = [report.mean_change["0"] for report in reports]
    assert means[1] < 3 * means[0] < 0


def spiking_rates(weight, bias, inputs):
    model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))
    with torch.no_grad():
        model[0].weight.copy_(weight)
        model[0].bias.copy_(bias)
        model[2].weight.fill_(0.5)
        model[2].bias.fill_(0.1)
    options = {"gains": 1.0, "frozen": ["0", "2"], "precision": "float64", "steps": 300}
    return night(model, inputs, drive="mean", thresholds=0.7, **options).spikes


def test_inputs_outside_of_0_to_1_are_mapped_there_and_back():
    """W·(low + span·x) = (span·W)·x + W·low: a network that maps by itself sleeps alike."""
    generator = torch.Generator().manual_seed(0)
    unit = torch.rand(30, 6, generator=generator)
    unit[0, :2] = torch.tensor([0.0, 1.0])
    weight = torch.rand(4, 6, generator=generator) - 0.3
    bias = torch.rand(4, generator=generator) - 0.5
    low, span = -0.5, 3.0
    plain = spiking_rates(span * weight, bias + low * weight.sum(1), unit)
    mapped = spiking_rates(weight, bias, low + span * unit)
    assert plain["input"] == mapped["input"] > 0
    for name, count in plain.items():
        assert mapped[name] == pytest.approx(count, abs=2)  # inputs are rounded on the way
    assert plain["1"] > 50


def test_the_trace_holds_populations_and_weights(tmp_path):
    model, path = lenet(), tmp_path / "night.h5"
    before = values(model)
    report = night(model, trace=path, frozen=["4"])
    with bioncl.open_trace(path) as trace:
        assert trace.layers == ["input", "2", "6", "9", "output"]
        assert [trace.sizes[name] for name in trace.layers] == [64, 256, 24, 9, 5]
        found = {name: len(trace.spikes(name, 0)) for name in trace.layers}
        facts = trace.nights[0].facts
    assert found == report.spikes
    assert facts["graph"]["rules"]["4"] is None
    assert facts["graph"]["rules"]["0"]["name"] == "gated"
    assert facts["graph"]["populations"]["6"]["sources"] == ["2"]
    with h5py.File(path) as file:
        group = file["bioncl/sleep/0000/weights"]
        assert {name: w["delta"].shape for name, w in group.items()} == {
            "0": (4, 9),
            "4": (6, 36),
            "9": (9, 24),  # linear layers stand under their populations
            "output": (5, 9),
        }
        np.testing.assert_array_equal(group["output"]["before"], before["10.weight"])
        after = group["output"]["before"][:] + group["output"]["delta"][:]
        np.testing.assert_allclose(after, model[10].weight.detach(), rtol=1e-6, atol=1e-7)


@dataclass(frozen=True)
class Exploding:
    """A rule that no weight survives."""

    def change(self, weight, pre, post):
        return torch.where(post.unsqueeze(1), weight * 1e300 * 1e300, weight)

    def scaled(self, factor):
        return self


def test_a_night_that_diverges_leaves_model_and_disk_alone(tmp_path):
    model = lenet()
    before, path = values(model), tmp_path / "night.h5"
    with pytest.raises(DivergedError, match="Weights of 0 stopped"):
        night(model, rule=Exploding(), trace=path)
    assert same(model, before)
    assert not list(tmp_path.iterdir())


def test_a_layer_that_is_not_supported_is_named():
    model = lenet()
    model[9] = nn.Sigmoid()
    before = values(model)
    with pytest.raises(UnsupportedError, match=r"9.*Sigmoid"):
        night(model)
    assert same(model, before)
    model.append(nn.Sigmoid())
    model[9] = nn.ReLU()
    with pytest.raises(UnsupportedError, match=r"11.*Sigmoid"):
        night(model)
    night(model, leave_out=["11"])
    assert not same(model, before)


WRONG = [
    ({"inputs": [1.0]}, "Inputs: expected a tensor"),
    ({"inputs": torch.zeros(0, 1, 8, 8)}, "Inputs: expected a tensor"),
    ({"inputs": torch.full((3, 1, 8, 8), torch.nan)}, "NaN"),
    ({"labels": torch.zeros(3)}, r"Labels: expected \[40\], got \(3,\)"),
    ({"steps": -1}, "Steps: expected a number from 0, got -1"),
    ({"rate": float("nan")}, "Rate"),
    ({"decay": 1.5}, "Decay: expected a number from 0 to 1, got 1.5"),
    ({"thresholds": "high"}, "Thresholds"),
    ({"thresholds": [1.0, 2.0]}, r"thresholds: expected 1 or 4 numbers.*\(2, 6, 9, output\)"),
    ({"gains": [1.0, 2.0]}, "gains.values: expected 1 or 4"),
    ({"gains": "fixed"}, "Hand in the numbers"),
    ({"gains": "percent"}, "'percentile'"),
    ({"drive": "means"}, "Unknown drive"),
    ({"drive": "class-means"}, "Labels: expected one an input"),
    ({"rule": "gate"}, "'gated'"),
    ({"rule": "oja"}, "one with inc and dec"),
    ({"rule": PairSTDP(0.1, 0.1)}, "PairSTDP of layer '0' remembers"),
    ({"frozen": ["1"]}, "Unknown layer '1' in frozen"),
    ({"leave_out": ["12"]}, "12"),
    ({"shared": "max"}, "expected mean or sum"),
    ({"precision": "float16"}, "expected float32 or float64"),
]


@pytest.mark.parametrize(("options", "message"), WRONG, ids=[next(iter(o)) for o, _ in WRONG])
def test_what_cannot_be_used_is_refused_and_the_model_stays(options, message):
    model = lenet()
    before = values(model)
    with pytest.raises(InputError, match=message):
        night(model, **options)
    assert same(model, before)


@pytest.mark.parametrize("rule", ["gated", "sigmoid", "constant"])
def test_a_call_without_settings_lets_every_population_fire(rule):
    model = lenet()
    before = values(model)
    report = bioncl.sleep(model, images(side=8), steps=200, rule=rule)
    assert min(report.spikes.values()) > 0
    assert not same(model, before)
    assert all(torch.isfinite(value).all() for value in model.state_dict().values())


def test_class_means_take_labels():
    reports = [
        night(lenet(), drive="class-means", labels=labels).spikes["input"]
        for labels in (torch.zeros(40, dtype=torch.int64), torch.arange(40))
    ]
    assert reports[0] != reports[1]


def test_a_network_without_weights_is_refused():
    with pytest.raises(BionclError, match="weights"):
        night(nn.Sequential(nn.Flatten(), nn.ReLU()))
