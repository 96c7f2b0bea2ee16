"""What trackers keep, read back with their own readers."""

from __future__ import annotations

import json
import sys

import pytest

import bioncl
from bioncl.errors import RunError, UnsupportedError
from bioncl.experiments.tracking import TRACKERS
from bioncl.experiments.tracking.measures import measures, parameters, run_name


@pytest.fixture
def result(settings, tmp_path):
    """The content of result.json of a run with nights, and its folder."""
    tables = settings("src", train={"epochs": 1, "batch_size": 20, "lr": 0.2})
    return bioncl.run(tables, out=tmp_path / "run").values, tmp_path / "run"


def expected(values):
    """Name and step to value, written out by hand."""
    found = {}
    for step, (asleep, awake) in enumerate(
        zip(values["accuracy"], values["accuracy_awake"], strict=True), start=1
    ):
        for task in range(3):
            found[f"accuracy/task_{task + 1}", step] = asleep[task]
            found[f"accuracy_awake/task_{task + 1}", step] = awake[task]
        found["accuracy_all", step] = values["accuracy_all"][step - 1]
        found["accuracy_all_awake", step] = values["accuracy_all_awake"][step - 1]
    for key in ("acc", "bwt", "fwt", "forgetting", "learning_accuracy"):
        found[key, 3] = values[key]
    for key in ("train", "sleep", "eval"):
        found[f"seconds/{key}", 3] = values["seconds"][key]
    for key, size in values["memory_bytes"].items():
        found[f"memory_bytes/{key}", 3] = size
    return found


def test_every_number_of_a_result_has_a_name(result):
    values, _ = result
    assert {(m.name, m.step): m.value for m in measures(values)} == expected(values)


def test_settings_become_plain_parameters(result):
    values, _ = result
    found = parameters(values)
    assert found["train.lr"] == 0.2
    assert found["sleep.rule.name"] == "gated"
    assert json.loads(found["stream.classes"]) == [[0, 1], [2, 3], [4, 5]]
    assert found["methods.0.name"] == "src"
    assert run_name(values) == "custom-seed0"


@pytest.mark.filterwarnings("ignore")  # TensorBoard's own, about numpy and protobuf
def test_tensorboard_reads_back_what_was_logged(result):
    """Twice logged is once logged."""
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    values, out = result
    tracker = TRACKERS.load("tensorboard")()
    tracker.log(values, out)
    assert tracker.log(values, out) == str(out / "tensorboard")
    events = EventAccumulator(str(out / "tensorboard")).Reload()
    found = {
        (name, event.step): event.value
        for name in events.Tags()["scalars"]
        if not name.startswith("hparam/")
        for event in events.Scalars(name)
    }
    assert found == pytest.approx(expected(values), rel=1e-6)
    assert len(events.Scalars("acc")) == 1
    assert events.Scalars("hparam/acc")[0].value == pytest.approx(values["acc"])
    plugin = events.SummaryMetadata("_hparams_/session_start_info").plugin_data
    assert plugin.plugin_name == "hparams"
    assert b"sleep.rule.inc" in plugin.content


@pytest.fixture
def server(monkeypatch, tmp_path):
    """MLflow with a database of its own."""
    mlflow = pytest.importorskip("mlflow", reason="needs the extra mlflow")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME", raising=False)
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(uri)
    yield mlflow.tracking.MlflowClient(uri)
    mlflow.set_tracking_uri(before)


@pytest.mark.filterwarnings("ignore")  # MLflow's own, about its dependencies
def test_mlflow_reads_back_what_was_logged(result, server):
    values, out = result
    tracker = TRACKERS.load("mlflow")()
    tracker.log(values, out)
    assert "logged before" in tracker.log(values, out)
    experiment = server.get_experiment_by_name("bioncl")
    (run,) = server.search_runs([experiment.experiment_id])
    assert run.info.status == "FINISHED"
    assert run.info.run_name == "custom-seed0"
    assert run.data.tags["method"] == "src"
    assert run.data.params["train.lr"] == "0.2"
    found = {
        (metric.key, metric.step): metric.value
        for key in run.data.metrics
        for metric in server.get_metric_history(run.info.run_id, key)
    }
    assert found == expected(values)
    assert [file.path for file in server.list_artifacts(run.info.run_id)] == ["result.json"]


@pytest.mark.filterwarnings("ignore")
def test_a_server_that_cannot_be_used_is_told(result, server, monkeypatch):
    values, out = result
    import mlflow

    mlflow.set_tracking_uri("nonsense://x")
    with pytest.raises(RunError, match="The run itself is saved"):
        TRACKERS.load("mlflow")().log(values, out)
    assert not (out / "mlflow-run.txt").exists()


@pytest.mark.parametrize("name", ["tensorboard", "mlflow"])
def test_a_tracker_that_is_not_installed_is_refused(monkeypatch, name):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UnsupportedError, match=rf"bioncl\[{name}\]"):
        TRACKERS.load(name)()


def test_a_run_refuses_an_absent_tracker_before_it_starts(
    command, settings_file, tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    words = ["run", settings_file(), "--out", tmp_path / "run", "--track", "tensorboard"]
    code, _, errors = command(*words)
    assert code == 2
    assert "bioncl[tensorboard]" in errors
    assert not (tmp_path / "run").exists()


@pytest.mark.filterwarnings("ignore")
def test_a_run_says_where_it_is_tracked(command, settings_file, tmp_path):
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    out = tmp_path / "run"
    words = ["run", settings_file(), "--out", out, "--track", "tensorboard", "--no-figures"]
    code, output, _ = command(*words)
    assert code == 0
    assert f"tracked  {out / 'tensorboard'} (tensorboard)" in output.splitlines()
    assert list((out / "tensorboard").glob("events.out.tfevents.*"))
