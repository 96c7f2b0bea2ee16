"""`bioncl trace membrane`: potentials from the file alone, and what it needs for them."""

import json

import h5py
import numpy as np
import pytest

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli


def test_potentials_make_the_recorded_spikes(path, trace, shown, tmp_path):
    words = ["--layer", "hidden2", "--from", 50, "--to-step", 250, "--out", tmp_path]
    found = shown("membrane", path, *words, "--json")
    counts = np.bincount(trace.spikes("hidden2", 1, 50, 250)[:, 1], minlength=16)
    assert found["neurons"] == np.argsort(-counts, kind="stable")[:5].tolist()
    values = np.array(found["values"])
    assert values.shape == (200, 5)
    assert found["threshold"] == 0.5
    fired = np.zeros((200, 16), bool)
    for step, neuron in trace.spikes("hidden2", 1, 50, 250):
        fired[step - 50, neuron] = True
    np.testing.assert_array_equal(values >= 0.5, fired[:, found["neurons"]])
    assert fired[:, found["neurons"]].any()
    assert found["figures"] == [str(tmp_path / "membrane-night1.png")]


def test_without_plasticity_between_spikes_the_potential_obeys_the_formula(path, trace, shown):
    """The first steps of a night, before any spike, from the weights and biases in the file."""
    found = shown("membrane", path, "--layer", "hidden1", "--neuron", 7, "--to-step", 300, "--json")
    twin = trace.nights[1].facts["twin"]
    weights = trace.weights("hidden1", 1, "before")[7].astype(float)
    bias = trace.array("biases/hidden1", 1)[7].astype(float) * twin["bias_factor"]
    raster = np.zeros((300, 64))
    raster[tuple(trace.spikes("input", 1).T)] = 1
    v, gain = 0.0, twin["layers"]["hidden1"]["gain"]
    for row, (value,), (fired,) in zip(raster, found["values"], found["spikes"], strict=True):
        v = twin["decay"] * v + gain * (row @ weights + bias)
        assert value == pytest.approx(v, abs=1e-9)
        if fired:
            break


def test_text_and_defaults(path, shown):
    """The output layer, 200 steps from the middle."""
    first, head, *rows = shown("membrane", path, "--neuron", 2).splitlines()
    assert first == "output: steps 50 to 249, threshold 0.5"
    assert head.split() == ["NEURON", "SPIKES", "LOWEST", "MEAN", "HIGHEST"]
    assert [row.split()[0] for row in rows] == ["2"]


def without(own, name):
    facts = json.loads(own["sleep/0001/facts_json"][()])
    del facts[name]
    del own["sleep/0001/facts_json"]
    own["sleep/0001/facts_json"] = json.dumps(facts)


def no_gain(own):
    facts = json.loads(own["sleep/0001/facts_json"][()])
    del facts["twin"]["layers"]["output"]["gain"]
    del own["sleep/0001/facts_json"]
    own["sleep/0001/facts_json"] = json.dumps(facts)


def other_rule(own):
    facts = json.loads(own["sleep/0001/facts_json"][()])
    facts["twin"]["layers"]["output"]["rule"] = {"name": "Exotic"}
    del own["sleep/0001/facts_json"]
    own["sleep/0001/facts_json"] = json.dumps(facts)


def other_weights(own):
    own["sleep/0001/weights/output/before"][...] += 0.5


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda own: without(own, "twin"), r"facts 'twin'). Nights of networks with"),
        (no_gain, "'gain'"),
        (other_rule, "rule Exotic is not known here"),
        (other_weights, "differ first at step"),
    ],
)
def test_a_trace_that_lacks_something_or_is_damaged(path, tmp_path, capsys, edit, message):
    copy = tmp_path / "copy.h5"
    copy.write_bytes(path.read_bytes())
    with h5py.File(copy, "r+") as file:
        edit(file["bioncl"])
    words = ["trace", "membrane", str(copy), "--neuron", "2", "--neuron", "3"]
    assert run_command(cli, words) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--layer", "input"], "The input has no membranes: expected hidden1, hidden2, output"),
        (["--layer", "hiden1"], "Did you mean 'hidden1'"),
        (["--neuron", "10"], "expected neurons from 0 to 9, got [10]"),
        (["--to-step", "301"], "steps within 0 to 300"),
    ],
)
def test_wrong_choices_end_with_2(path, capsys, words, message):
    assert run_command(cli, ["trace", "membrane", str(path), *words]) == 2
    assert message in capsys.readouterr().err
