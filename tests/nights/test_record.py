"""What a night writes down about its twin is what was simulated."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch

from bioncl.models.mlp import MLP
from bioncl.nights.night import bias_factor, twin
from bioncl.nights.record import bias_arrays, rule_facts, twin_facts
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import RULES, Constant, Gated, Oja, PairSTDP, Sigmoid
from bioncl.spiking.convert import Fixed
from bioncl.spiking.drive import Mean
from bioncl.streams.stream import Examples

SEEN = Examples(torch.rand(4, 1, 2, 2), torch.zeros(4, dtype=torch.long))


def network(bias):
    return MLP(hidden=(3,), bias=bias, head="per-task").build((1, 2, 2), 4, ((0, 1), (2, 3)), 0)


def test_the_numbers_come_back_from_json_to_the_last_bit():
    settings = NightSettings(
        rate=100.1,
        thresholds=(0.1, 1 / 3),
        rule=Gated(0.1, 0.03),
        rule_factors=(0.0, 0.7),
        gains=Fixed((0.1, 0.7)),
        inhibition=0.2,
        precision="float32",
    )
    net = twin(network(True), SEEN, settings)
    told = json.loads(json.dumps(twin_facts(net, bias_factor(settings))))
    assert (told["precision"], told["decay"], told["inhibition"]) == ("float32", 0.999, 0.2)
    assert told["bias_factor"] == 2 * 0.001 * 100.1
    first, second = told["layers"]["hidden1"], told["layers"]["output"]
    assert (first["gain"], first["threshold"], first["rule"]) == (0.1, 0.1, None)
    assert (second["gain"], second["threshold"]) == (0.7, 1 / 3)
    assert second["rule"] == {"name": "gated", "inc": 0.1 * 0.7, "dec": 0.03 * 0.7, "scale": 0.001}


def test_options_come_back_from_json():
    settings = NightSettings(
        drive=Mean(),
        gains=Fixed(),
        dc=(0.1, 1 / 3),
        refractory=2,
        bounds=((-0.1, 1 / 3),),
        normalise="l2",
    )
    told = json.loads(json.dumps(twin_facts(twin(network(True), SEEN, settings), 1.0)))
    assert (told["refractory"], told["normalise"]) == (2, "l2")
    first, second = told["layers"]["hidden1"], told["layers"]["output"]
    assert (first["dc"], second["dc"]) == (0.1, 1 / 3)
    assert first["bounds"] == second["bounds"] == [-0.1, 1 / 3]


RULE_CASES = [
    Gated(0.1, 0.2, 0.3),
    Sigmoid(0.1, 0.2, 3.0),
    Constant(1, 2),
    Oja(0.1),
    PairSTDP(0.1, 0.2, 3.0, 4.0),
]


@pytest.mark.parametrize("rule", RULE_CASES)
def test_rules_are_told_by_name_and_fields(rule):
    told = rule_facts(rule)
    assert RULES.load(told.pop("name"))(**told) == rule


@dataclass(frozen=True)
class Foreign:
    """A rule that is not registered."""

    inc: float = 1.0


def test_a_rule_that_is_not_registered_is_told_by_its_class():
    assert rule_facts(Foreign()) == {"name": "Foreign"}


def test_biases_are_those_of_the_network_awake():
    model = network(True)
    found = bias_arrays(model)
    assert list(found) == ["biases/hidden1", "biases/output"]
    for layer in model.stack():
        np.testing.assert_array_equal(found[f"biases/{layer.name}"], layer.bias.detach().numpy())
    assert bias_arrays(network(False)) == {}
