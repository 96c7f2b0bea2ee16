"""Whole runs from Python: what fixes their numbers, and that nothing else does."""

import pickle
import random

import h5py
import pytest
import torch

import bioncl
from bioncl.errors import CheckpointError, DivergedError, SettingsError, UnsupportedError
from bioncl.experiments.result import RunResult
from bioncl.experiments.run import restore
from bioncl.experiments.settings import load
from bioncl.experiments.setup import make_learner, make_methods, make_stream
from bioncl.experiments.single import score, sleep, sleeping, train
from bioncl.models.checkpoint import load as load_checkpoint
from bioncl.progress import Silent

TIMES = ("seconds", "trace")


def numbers(result):
    """A result without what differs from run to run."""
    return {key: value for key, value in result.values.items() if key not in TIMES}


def spikes(path):
    """All spikes of a trace."""
    with h5py.File(path) as file:
        return {
            f"{layer}/{what}": group[what][()].tobytes()
            for layer, group in file["spikes"].items()
            for what in ("timestamps", "node_ids")
        }


def test_without_a_folder_nothing_is_written(settings, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = bioncl.run(settings("rehearsal", "src"), out=None)
    assert "trace" not in result.values
    assert list(tmp_path.iterdir()) == []


def test_a_folder_changes_no_number(settings, tmp_path):
    tables = settings("src")
    with_folder = bioncl.run(tables, out=tmp_path / "run")
    assert numbers(with_folder) == numbers(bioncl.run(tables))
    assert RunResult.read(tmp_path / "run" / "result.json") == with_folder
    assert pickle.loads(pickle.dumps(with_folder)) == with_folder


def test_a_complete_run_is_returned_as_it_is(settings, tmp_path):
    first = bioncl.run(settings(), out=tmp_path)
    stamp = (tmp_path / "result.json").stat().st_mtime_ns
    assert bioncl.run(settings(), out=tmp_path, resume=True) == first
    assert (tmp_path / "result.json").stat().st_mtime_ns == stamp


@pytest.mark.parametrize("methods", [("naive",), ("rehearsal",), ("src",), ("joint",)])
def test_the_seed_fixes_everything(settings, methods):
    """Whatever torch's own generator was used for before."""
    tables = settings(*methods)
    one = bioncl.run(tables, seed=7)
    torch.rand(random.Random(0).randint(1, 99))
    assert numbers(bioncl.run(tables, seed=7)) == numbers(one)
    assert bioncl.run(tables, seed=8).values["accuracy"] != one.values["accuracy"]


def test_a_run_leaves_torch_as_it_was(settings):
    state, threads = torch.get_rng_state(), torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        bioncl.run(settings("src"))
        assert torch.equal(torch.get_rng_state(), state)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)


def test_threads_of_the_night_do_not_matter(settings, tmp_path):
    results = [
        bioncl.run(settings("src"), out=tmp_path / str(n), overrides=[("sleep.threads", n)])
        for n in (1, 2)
    ]
    for key in ("accuracy", "accuracy_awake", "accuracy_all"):
        assert results[0].values[key] == results[1].values[key]
    assert spikes(tmp_path / "1" / "trace.h5") == spikes(tmp_path / "2" / "trace.h5")


def test_every_night_is_in_the_trace(settings, tmp_path):
    bioncl.run(settings("src"), out=tmp_path)
    with bioncl.open_trace(tmp_path / "trace.h5") as trace:
        assert [night.task for night in trace.nights] == [0, 1, 2]
        assert trace.settings == {"settings": "custom", **load(settings("src")).resolved}
    with h5py.File(tmp_path / "trace.h5") as file:
        assert file["bioncl"].attrs["seed"] == 0


def test_device_and_data_folder_are_noted(settings, tmp_path):
    result = bioncl.run(settings(), device="cpu", data_dir=tmp_path)
    assert result.values["settings"]["data"]["dir"] == str(tmp_path)


@pytest.mark.parametrize("methods", [("src",), ("rehearsal", "src")])
def test_train_and_sleep_in_turn_are_a_run(settings, tmp_path, methods):
    tables = settings(*methods, train={"momentum": 0.5, "keep_optimizer": True})
    whole = bioncl.run(tables, out=tmp_path / "run")
    start, asleep, awake = None, [], []
    for number in (1, 2, 3):
        day, night = tmp_path / f"day{number}", tmp_path / f"night{number}"
        train(load(tables), number, start, day, Silent())
        before, after = sleep(day, night, tmp_path / f"{number}.h5", [], Silent())
        asleep.append(list(after.tasks))
        awake.append(list(before.tasks))
        start = night
        mine = load_checkpoint(night)
        theirs = load_checkpoint(tmp_path / "run" / "checkpoints" / f"task-0{number}.safetensors")
        assert set(mine.tensors) == set(theirs.tensors)
        assert all(mine.tensors[name].equal(theirs.tensors[name]) for name in mine.tensors)
        assert mine.header["asleep"]
        progress = [made.header["progress"] | {"seconds": 0} for made in (mine, theirs)]
        assert progress[0] == progress[1]
    assert (asleep, awake) == (whole.values["accuracy"], whole.values["accuracy_awake"])


def test_a_checkpoint_scores_as_its_run_did(settings, tmp_path):
    result = bioncl.run(settings("src"), out=tmp_path)
    for number, row in enumerate(result.accuracy, start=1):
        path = tmp_path / "checkpoints" / f"task-0{number}.safetensors"
        _, learner = score(path, [], Silent())
        assert list(learner.scores().tasks) == row


def test_a_network_without_sleep_sleeps_by_the_defaults(settings, tmp_path):
    tables, day = settings("naive"), tmp_path / "day"
    train(load(tables), 1, None, day, Silent())
    config = sleeping(load_checkpoint(day), [("sleep.rule.inc", 0.5), ("sleep.steps", 9)])
    assert config.method_names == ("naive", "src")
    assert config.resolved["sleep"]["rule"]["inc"] == 0.5
    assert config.resolved["sleep"]["rule"]["name"] == "gated"
    assert config.resolved["sleep"]["steps"] == 9


def test_another_rule_keeps_the_steps_of_the_old_one(settings, tmp_path):
    day = tmp_path / "day"
    train(load(settings("src")), 1, None, day, Silent())
    config = sleeping(load_checkpoint(day), [("sleep.rule.name", "constant")])
    assert config.resolved["sleep"]["rule"] == {"name": "constant", "inc": 0.01, "dec": 0.01}
    with pytest.raises(SettingsError, match="Unknown rule 'constnt'"):
        sleeping(load_checkpoint(day), [("sleep.rule.name", "constnt")])


@pytest.mark.parametrize("when", ["last", "before-task"])
def test_no_night_where_the_settings_have_none(settings, tmp_path, when):
    day = tmp_path / "day"
    train(load(settings("src", sleep={"when": when})), 1, None, day, Silent())
    with pytest.raises(SettingsError, match=r"No night after task 1 of 3.*sleep\.when=each-task"):
        sleep(day, tmp_path / "night", None, [], Silent())
    assert not (tmp_path / "night").exists()


def test_a_night_only_after_the_last_task(settings):
    result = bioncl.run(settings("src", sleep={"when": "last"}))
    awake, asleep = result.values["accuracy_awake"], result.values["accuracy"]
    assert len(awake) == len(asleep) == 3
    assert awake[:2] == asleep[:2]


def test_a_checkpoint_of_another_network_does_not_fit(settings, tmp_path):
    train(load(settings()), 1, None, tmp_path / "day", Silent())
    with pytest.raises(CheckpointError, match="does not fit the network"):
        score(tmp_path / "day", [("model.hidden", [7])], Silent())


def test_a_checkpoint_without_the_state_of_a_method_does_not_fit(settings, tmp_path):
    train(load(settings("rehearsal")), 1, None, tmp_path / "day", Silent())
    config, made = load(settings("rehearsal")), load_checkpoint(tmp_path / "day")
    stream = make_stream(config, Silent())
    methods, learner = make_methods(config), make_learner(config, stream, Silent())
    damaged = {k: v for k, v in made.tensors.items() if not k.endswith("examples.x")}
    made.tensors.clear()
    made.tensors.update(damaged)
    with pytest.raises(CheckpointError, match="does not fit"):
        restore(made, learner, methods, 1)


def test_a_training_that_blows_up_stops_and_keeps_what_was_done(settings, tmp_path):
    """The first task is saved; a lower rate would be another run."""
    tables = settings(train={"lr": 1e-3, "epochs": [1, 40]})
    tables["train"]["lr"] = 1e30
    with pytest.raises(DivergedError, match=r"diverged.*Lower train\.lr"):
        bioncl.run(tables, out=tmp_path)
    assert not (tmp_path / "result.json").exists()


def test_a_growing_head_sleeps_in_runs_that_record_no_trace(settings, tmp_path):
    """It has no outputs before the first task, and other neurons each night than a trace holds."""
    tables = settings("src", model={"head": "growing"})
    with pytest.raises(UnsupportedError, match=r"growing head.*trace\.record = false"):
        bioncl.run(tables, out=tmp_path / "traced")
    untraced = bioncl.run({**tables, "trace": {"record": False}}, out=tmp_path / "untraced")
    assert untraced.accuracy == bioncl.run(tables).accuracy
    awake = bioncl.run(settings("naive", model={"head": "growing"}))
    assert untraced.accuracy != awake.accuracy


def test_a_convolutional_network_with_a_growing_head_is_traced(settings, tmp_path):
    """As a graph it has a neuron for every output from the start."""
    model = {"name": "convnet", "channels": [2], "kernel": 3, "hidden": [4], "head": "growing"}
    tables = {**settings("src"), "model": model}
    bioncl.run(tables, out=tmp_path / "run", overrides=[("sleep.steps", 20)])
    with h5py.File(tmp_path / "run" / "trace.h5") as file:
        assert "output" in file["spikes"]
