"""Lines and curvature between checkpoints, against the run's own accuracies and dense algebra."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import bioncl
from bioncl.cli.errors import run_command
from bioncl.errors import CheckpointError, UnsupportedError
from bioncl.experiments.connectivity import Solutions, curvatures, lines_to_last
from bioncl.models.checkpoint import load
from bioncl.progress import Silent
from bioncl.report import style
from bioncl.report.connectivity import lines_figure

SCRIPT = Path(__file__).parents[2] / "scripts" / "connectivity.py"
SMALL = {
    "stream": {"name": "permuted", "data": "digits", "scenario": "domain", "tasks": 3},
    "model": {"name": "mlp", "hidden": [6]},
    "train": {"epochs": 4, "batch_size": 20, "lr": 0.2},
    "methods": [{"name": "naive"}],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished run of three tasks."""
    out = tmp_path_factory.mktemp("runs") / "plain"
    bioncl.run(SMALL, out=out)
    return out


@pytest.fixture(scope="module")
def solutions(folder):
    return Solutions(folder, [], Silent())


def test_the_ends_are_the_accuracies_of_the_run(folder, solutions):
    """Bit for bit, on every task from its own solution to the last one."""
    accuracy = json.loads((folder / "result.json").read_text())["accuracy"]
    found = lines_to_last(solutions, solutions, 3, Silent())
    assert [one.task for one in found] == [0, 1]
    for one in found:
        start, _, end = one.line.accuracy
        assert (start, end) == (accuracy[one.task][one.task], accuracy[-1][one.task])


def test_points_between_are_means_of_the_weights(folder, solutions):
    """A third of the way, computed from the files alone."""
    one = lines_to_last(solutions, solutions, 4, Silent())[0]
    states = [
        load(folder / "checkpoints" / f"task-0{k}.safetensors").part("model.") for k in (1, 3)
    ]
    mixed = {n: (2 * states[0][n] + states[1][n]) / 3 for n in states[0]}
    test = solutions.learner.stream.test(0)
    hidden = torch.relu(test.x.flatten(1) @ mixed["trunk.0.weight"].T + mixed["trunk.0.bias"])
    logits = hidden @ mixed["head.linear.weight"].T + mixed["head.linear.bias"]
    assert one.line.loss[1] == pytest.approx(float(cross_entropy(logits, test.y)), rel=1e-5)
    assert one.line.accuracy[1] == pytest.approx(
        float((logits.argmax(1) == test.y).double().mean())
    )


def test_rise_and_barrier_are_told_apart(solutions):
    """The rise counts from the first solution, the barrier from the straight line."""
    for one in lines_to_last(solutions, solutions, 11, Silent()):
        loss, alphas = one.line.loss, one.line.alphas
        assert one.rise == pytest.approx(max(loss) - loss[0])
        chord = loss[0] + alphas * (loss[-1] - loss[0])
        assert one.barrier == pytest.approx(max(loss - chord))
        assert one.rise > one.barrier


def test_curvature_is_that_of_the_dense_hessian(solutions):
    """All second derivatives of a small network at once, by torch's own function."""
    found = curvatures(solutions, 40, [1], Silent())[0]
    state = solutions.state(1)
    train = solutions.learner.stream.task(1).train.first(40)
    model = solutions.learner.model
    names = [name for name, _ in model.named_parameters()]
    sizes = [state[name].numel() for name in names]

    def loss(vector):
        parts = vector.split(sizes)
        named = {n: p.view_as(state[n]) for n, p in zip(names, parts, strict=True)}
        return cross_entropy(functional_call(model, named, (train.x,)), train.y)

    vector = torch.cat([state[name].reshape(-1) for name in names])
    dense = torch.autograd.functional.hessian(loss, vector)
    wanted = torch.linalg.eigvalsh(dense)[-1]
    assert found.value == pytest.approx(float(wanted), rel=1e-3)


def test_another_run_of_the_same_stream_can_be_the_end(folder, solutions, tmp_path):
    bioncl.run(SMALL, out=tmp_path / "joint", overrides=[("methods.0.name", "joint")])
    joint = Solutions(tmp_path / "joint", [], Silent())
    accuracy = json.loads((tmp_path / "joint" / "result.json").read_text())["accuracy"]
    for one in lines_to_last(solutions, joint, 2, Silent()):
        assert one.line.accuracy[-1] == accuracy[-1][one.task]


def test_another_network_is_refused(solutions, tmp_path):
    bioncl.run(SMALL, out=tmp_path / "wide", overrides=[("model.hidden", [7])])
    wide = Solutions(tmp_path / "wide", [], Silent())
    with pytest.raises(UnsupportedError, match=r"model\.hidden"):
        lines_to_last(solutions, wide, 2, Silent())


def test_a_run_with_its_last_checkpoint_alone_is_refused(tmp_path):
    bioncl.run(SMALL, out=tmp_path / "last", overrides=[("checkpoints", "last")])
    found = Solutions(tmp_path / "last", [], Silent())
    with pytest.raises(CheckpointError, match="checkpoints=all"):
        lines_to_last(found, found, 2, Silent())


def test_a_folder_without_a_run_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="No checkpoints"):
        Solutions(tmp_path, [], Silent())


def test_a_head_that_grew_is_refused(settings, tmp_path):
    tables = settings(model={"name": "mlp", "hidden": [6], "head": "growing"})
    bioncl.run(tables, out=tmp_path / "grown")
    found = Solutions(tmp_path / "grown", [], Silent())
    with pytest.raises(UnsupportedError, match="grew"):
        lines_to_last(found, found, 2, Silent())


def test_the_task_is_told_where_the_scenario_tells_it(settings, tmp_path):
    """Each task's own outputs compete, so the ends are the run's accuracies again."""
    tables = settings(model={"name": "mlp", "hidden": [6], "head": "masked"})
    tables["stream"] = tables["stream"] | {"scenario": "task"}
    accuracy = bioncl.run(tables, out=tmp_path / "told").accuracy
    found = Solutions(tmp_path / "told", [], Silent())
    for one in lines_to_last(found, found, 2, Silent()):
        ends = [accuracy[one.task][one.task], accuracy[-1][one.task]]
        np.testing.assert_array_equal(one.line.accuracy, ends)


def test_the_figure_has_a_curve_for_each_task(solutions):
    lines = lines_to_last(solutions, solutions, 3, Silent())
    with style.styled():
        figure = lines_figure("a run", {"one": lines, "two": lines})
    panels = figure.axes[:4]
    assert [len(panel.lines) for panel in panels] == [2, 2, 2, 2]
    np.testing.assert_allclose(panels[0].lines[1].get_ydata(), lines[1].line.loss)
    np.testing.assert_allclose(panels[1].lines[0].get_ydata(), 100 * lines[0].line.accuracy)
    assert panels[0].get_ylim() == panels[2].get_ylim()


@pytest.fixture(scope="module")
def script():
    spec = importlib.util.spec_from_file_location("connectivity_script", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_script_prints_draws_and_writes(script, folder, tmp_path, capsys):
    words = [str(folder), "--to", str(folder), "--points", "3", "--curvature", "30"]
    assert run_command(script.main, [*words, "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    assert printed.count("barrier") == 2
    assert "top eigenvalue" in printed
    assert (tmp_path / "connectivity.png").stat().st_size > 10_000
    found = json.loads((tmp_path / "connectivity.json").read_text())
    first, second = found["lines"].values()
    assert first == second
    assert [one["task"] for one in first] == [0, 1]
    assert len(found["curvature"]) == 3


def test_the_script_names_a_wrong_folder(script, tmp_path, capsys):
    assert run_command(script.main, [str(tmp_path)]) == 2
    assert "No checkpoints" in capsys.readouterr().err
