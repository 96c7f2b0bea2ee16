"""Commands about groups of synapses, the path of the weights, and the line from awake to asleep."""

import json

import h5py
import numpy as np
import pytest
import torch
from click.testing import CliRunner
from sklearn.decomposition import PCA

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli
from bioncl.experiments.line import write_biases
from bioncl.experiments.single import score
from bioncl.models.mlp import MLP
from bioncl.progress import Silent
from bioncl.traces import Spikes
from bioncl.traces.hdf5_writer import TraceFile


def test_groups_are_those_of_the_preferred_classes(path, trace, shown, tmp_path):
    found = shown("groups", path, "--json", "--out", tmp_path)
    assert list(found["layers"]) == ["hidden1", "hidden2", "output"]
    one = found["layers"]["hidden2"]
    group_of = {
        name: [
            2 if column.max() == column.min() else int(column.argmax() >= 2)
            for column in trace.array(f"awake/means/{name}", 1).T
        ]
        for name in ("hidden1", "hidden2")
    }
    delta, before = trace.weights("hidden2", 1), trace.weights("hidden2", 1, "before")
    for i in range(3):
        for j in range(3):
            rows = np.array(group_of["hidden2"]) == i
            cells = np.ix_(rows, np.array(group_of["hidden1"]) == j)
            moved = delta[cells]
            assert one["change"]["synapses"][i][j] == moved.size
            assert one["change"]["up"][i][j] == (moved > 0).sum()
            assert one["change"]["down"][i][j] == (moved < 0).sum()
            assert one["change"]["before"][i][j] == pytest.approx(before[cells].sum(), abs=1e-4)
            mean = pytest.approx(moved.mean(), abs=1e-6) if moved.size else None
            assert one["mean_change"][i][j] == mean
    assert found["layers"]["output"]["post"] == [2, 2, 6]
    assert one["known"]
    head, *rows = shown("groups", path, "--layer", "output").splitlines()
    assert head.split()[:4] == ["LAYER", "FROM", "TO", "SYNAPSES"]
    assert {tuple(row.split()[1:3]) for row in rows} >= {("old", "new"), ("old", "old")}


def test_the_trajectory_is_a_pca_of_the_networks_weights(path, trace, shown, tmp_path):
    found = shown("trajectory", path, "--json", "--out", tmp_path)
    assert list(found["layers"]) == ["hidden1", "hidden2", "output", "all"]
    assert found["figures"] == [str(tmp_path / "trajectory.png")]
    points = {}
    for name in ("hidden1", "hidden2", "output"):
        pairs = [(trace.weights(name, n, "before"), trace.weights(name, n)) for n in (0, 1)]
        points[name] = np.array([w.ravel() for b, d in pairs for w in (b, (b + d).astype("f4"))])
    points["all"] = np.concatenate(list(points.values()), axis=1)
    for name, flat in points.items():
        one, model = found["layers"][name], PCA(3, svd_solver="full")
        expected, places = model.fit_transform(flat.astype(float)), one["path"]["coordinates"]
        np.testing.assert_allclose(np.abs(places), np.abs(expected), atol=1e-5)
        np.testing.assert_allclose(one["path"]["explained"], model.explained_variance_ratio_, 1e-5)
        steps = np.linalg.norm(np.diff(flat.astype(float), axis=0), axis=1)
        np.testing.assert_allclose(one["lengths"], steps, rtol=1e-5)
        assert (one["nights"], one["asleep"]) == ([0, 0, 1, 1], [False, True] * 2)
    only = shown("trajectory", path, "--layer", "output", "--json")["layers"]
    assert only == {"output": found["layers"]["output"]}
    assert "all: components explain" in shown("trajectory", path)


def test_the_line_ends_at_the_accuracies_of_the_run(path, trace, shown, tmp_path):
    """Test data, network and biases come back from the settings and the trace alone."""
    found = shown("line", path, "--points", 3, "--json", "--out", tmp_path)
    facts = trace.nights[1].facts
    assert found["alphas"] == [0.0, 0.5, 1.0]
    assert found["task_accuracy"][0] == facts["accuracy_before"]
    assert found["task_accuracy"][2] == facts["accuracy_after"]
    assert found["recorded"] == [facts["accuracy_before"], facts["accuracy_after"]]
    assert found["accuracy"][2] == pytest.approx(facts["accuracy_all_after"])
    assert len(found["tasks"]) == 2
    checkpoint = path.parent / "checkpoints" / "task-02.safetensors"
    _, learner = score(checkpoint, [], Silent())
    losses, sizes = [], []
    for index in (0, 1):
        test = learner.stream.test(index)
        logits = learner.model.eval()(test.x)
        losses.append(torch.nn.functional.cross_entropy(logits, test.y).item())
        sizes.append(len(test))
    assert found["task_loss"][2] == pytest.approx(losses, rel=1e-5)
    assert found["loss"][2] == pytest.approx(np.average(losses, weights=sizes), rel=1e-5)
    above = found["loss"][1] - (found["loss"][0] + found["loss"][2]) / 2
    assert found["barrier"] == pytest.approx(max(0.0, above))


def test_the_line_of_an_earlier_night_knows_the_tasks_so_far(path, trace):
    words = ["trace", "line", str(path), "--night", "0", "--points", "2", "-q"]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert (result.exit_code, result.stderr) == (0, "")
    head, first, last, barrier = result.stdout.splitlines()
    assert head.split() == ["ALPHA", "LOSS", "ACCURACY", "%", "task", "0", "%"]
    (before, after) = (trace.nights[0].facts[f"accuracy_{w}"][0] for w in ("before", "after"))
    assert (first.split()[-1], last.split()[-1]) == (f"{100 * before:.1f}", f"{100 * after:.1f}")
    assert barrier.split() == ["barrier", "0"]


def test_other_data_are_noticed(path):
    """Validation data instead of the test data: other accuracies than the trace recorded."""
    words = ["--set", "data.evaluate_on=validation", "--set", "data.validation=0.3"]
    result = CliRunner().invoke(
        cli, ["trace", "line", str(path), "--points", "2", "-q", *words], catch_exceptions=False
    )
    assert result.exit_code == 0
    assert "from what the trace recorded" in result.stdout


@pytest.fixture
def changed(path, tmp_path):
    """A function that copies the trace and changes the copy."""

    def change(edit):
        copy = tmp_path / "copy.h5"
        copy.write_bytes(path.read_bytes())
        with h5py.File(copy, "r+") as file:
            edit(file["bioncl"])
        return copy

    return change


def replaced(own, name, value):
    del own[name]
    own[name] = value


def refused(capsys, *words):
    assert run_command(cli, ["trace", *map(str, words)]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    return found.err


def test_a_line_needs_settings_weights_biases_and_data(changed, path, tmp_path, capsys):
    file = changed(lambda own: replaced(own, "config_json", "{}"))
    assert "does not hold the settings" in refused(capsys, "line", file, "-q")
    file = changed(lambda own: replaced(own, "config_json", '{"stream": {}, "model": {}}'))
    assert "The settings in" in refused(capsys, "line", file, "-q")
    file = changed(lambda own: own["sleep/0001"].__delitem__("biases"))
    assert "networks with convolutions" in refused(capsys, "line", file, "-q")
    with h5py.File(path, locking=False) as opened:
        config = json.loads(opened["bioncl/config_json"][()])
    config["trace"]["weights_before"] = False

    def without_before(own):
        replaced(own, "config_json", json.dumps(config))
        for night in own["sleep"].values():
            for layer in night["weights"].values():
                del layer["before"]

    file = changed(without_before)
    for command in ("line", "trajectory", "membrane"):
        assert "trace.weights_before" in refused(capsys, command, file)


def test_a_line_says_when_data_or_network_are_others(path, tmp_path, capsys, monkeypatch):
    monkeypatch.delenv("BIONCL_DATA", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    absent = ["--set", "stream.data=mnist", "--set", "data.download=false"]
    words = ["line", path, "-q", *absent]
    assert "mnist" in refused(capsys, *words).lower()
    assert "Weights of" in refused(capsys, "line", path, "-q", "--set", "model.hidden=[20, 7]")


def test_a_line_needs_a_network_that_the_trace_holds(tmp_path, capsys):
    file = TraceFile(tmp_path / "bare.h5", [("input", 2), ("output", 2)], settings={})
    with file.night(0, task=0, steps=4) as recorder:
        for layer in (0, 1):
            recorder.spikes(layer, 0, Spikes.from_raster(np.ones((4, 2), bool)))
    for command in ("line", "trajectory", "groups"):
        assert "holds no weights" in refused(capsys, command, tmp_path / "bare.h5")


@pytest.mark.parametrize("head", ["single", "masked", "per-task", "growing"])
def test_biases_go_where_they_came_from(head):
    model = MLP(hidden=(5,), head=head).build((1, 2, 2), 4, ((0, 1), (2, 3)), 0)
    for index in range(2):
        model.start_task(index)
    biases = [torch.arange(5.0), 10 + torch.arange(4.0)]
    write_biases(model, biases)
    for layer, bias in zip(model.stack(), biases, strict=True):
        assert torch.equal(layer.bias, bias)
