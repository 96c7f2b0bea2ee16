"""The search of one night: what a trial is worth, that a kill costs nothing, what is refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy
import optuna
import pytest
import torch

import bioncl
from bioncl.errors import InputError, SettingsError, UnsupportedError
from bioncl.experiments.settings import load
from bioncl.experiments.setup import make_stream
from bioncl.experiments.single import sleep
from bioncl.experiments.sweep.workers import Inline
from bioncl.experiments.tuning import evening as evenings
from bioncl.experiments.tuning import one_night
from bioncl.experiments.tuning.evening import Evening
from bioncl.experiments.tuning.plan import Choosing, make_plan
from bioncl.experiments.tuning.tune import tune
from bioncl.models.checkpoint import load as load_checkpoint
from bioncl.progress import Silent
from bioncl.spiking.engines.event import Event

KILLS = [  # TPE begins to learn with the eleventh trial; the last batch is cut short
    ("tpe", "asking", 14),
    ("tpe", "sleeping", 8),
    ("tpe", "noting", 8),
    ("tpe", "telling", 14),
    ("cmaes", "asking", 8),
    ("genetic", "asking", 8),
    ("random", "asking", 5),
]
EVERYTHING = {
    "sleep.steps": {"choices": [200, 300]},
    "sleep.engine": {"choices": ["event", "dense"]},
    "sleep.precision": {"choices": ["float64", "float32"]},
    "sleep.gains": {"choices": [{"name": "published"}, {"name": "diehl", "scale": 0.8}]},
}


@pytest.mark.parametrize("night", [2, 3])
def test_a_trial_is_what_bioncl_sleep_makes_of_the_checkpoint(
    night_plan, night_space, tmp_path, monkeypatch, night
):
    """Each night once more, alone: the same weights and accuracies."""
    states, sleep_many, counts = {1000: [], 1001: []}, evenings.sleep_many, []
    seeds = iter([1000, 1001])

    def kept(model, nights, **words):
        slept = sleep_many(model, nights, **words)
        states[next(seeds)] = [one.state for one in slept]
        return slept

    run_many = Event.run_many
    monkeypatch.setattr(evenings, "sleep_many", kept)
    monkeypatch.setattr(
        Event, "run_many", lambda self, *words: (counts.append(1), run_many(self, *words))
    )
    searched = night_plan(
        night_space | EVERYTHING,
        night=night,
        seeds=2,
        pruning=False,
        sampler="random",
        objectives=("accuracy", "worst-task"),
    )
    found = tune(searched, tmp_path, trials=8)
    assert counts
    for number, trial in enumerate(found.trials):
        for place, seed in enumerate((1000, 1001)):
            start, out = tmp_path / "awake" / f"seed-{seed}.safetensors", tmp_path / "asleep"
            _, scores = sleep(start, out, None, found.settings(trial).items(), Silent())
            after = load_checkpoint(out).part("model.")
            state = states[seed][number]
            assert all(torch.equal(after[key], state[key]) for key in after)
            stream = make_stream(searched.config(seed), Silent())
            sizes = [len(stream.test(index)) for index in range(night)]
            right = sum(round(a * n) for a, n in zip(scores.tasks[:night], sizes, strict=True))
            assert trial.seeds["accuracy"][place] == right / sum(sizes)
            assert trial.seeds["worst-task"][place] == min(scores.tasks[:night])
            if night == 3:
                assert trial.seeds["accuracy"][place] == scores.all
    assert len({trial.values["accuracy"] for trial in found.trials}) > 3


def test_the_tasks_are_learnt_once(night_plan, tmp_path, learnt, rows):
    tune(night_plan(seeds=2), tmp_path, trials=2)
    before = rows(tmp_path)
    tune(night_plan(seeds=2), tmp_path, trials=4)
    assert learnt == [1000, 1001]
    assert rows(tmp_path)[:2] == before
    tune(night_plan(seeds=2), tmp_path, trials=4)
    assert len(rows(tmp_path)) == 4


@pytest.mark.parametrize(("sampler", "where", "trials"), KILLS)
def test_a_search_that_was_stopped_makes_the_same_trials(
    night_plan, tmp_path, monkeypatch, rows, sampler, where, trials
):
    """Interrupted again and again in one part of its work; an undisturbed search is the judge."""
    if sampler == "cmaes":
        pytest.importorskip("cmaes")
    searched = night_plan(sampler=sampler, seeds=2)
    places = {
        "asking": (optuna.Trial, "_suggest", 7),
        "sleeping": (Evening, "nights", 2),
        "noting": (one_night.Ticket, "keep", 3),
        "telling": (one_night.TrialStore, "tell", 2),
    }
    tune(searched, tmp_path / "whole", trials=trials, together=3)
    _copy_awake(tmp_path)
    thing, name, often = places[where]
    original, calls = getattr(thing, name), []

    def stopped(*words, **more):
        calls.append(0)
        if len(calls) % often == 0:
            raise KeyboardInterrupt
        return original(*words, **more)

    monkeypatch.setattr(thing, name, stopped)
    kills = 0
    while True:
        try:
            tune(searched, tmp_path / "stopped", trials=trials, together=3)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 2
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")


def test_nights_that_are_noted_are_not_slept_again(night_plan, tmp_path, monkeypatch):
    """Interrupted while the trials of a batch are told: what is left of it is told, and no more."""
    slept, nights, tell = [], Evening.nights, one_night.TrialStore.tell

    def counted(self, trials):
        slept.extend(trials)
        return nights(self, trials)

    def stopped(self, trial, *words, **more):
        if trial.number == 2:
            raise KeyboardInterrupt
        tell(self, trial, *words, **more)

    monkeypatch.setattr(Evening, "nights", counted)
    with monkeypatch.context() as patch:
        patch.setattr(one_night.TrialStore, "tell", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune(night_plan(seeds=2, pruning=False), tmp_path, trials=5)
    assert len(slept) == 10
    found = tune(night_plan(seeds=2, pruning=False), tmp_path, trials=5)
    assert found.counts == {"complete": 5}
    assert len(slept) == 10


def _copy_awake(folder):
    """Spare the stopped search the learning, which another test looks at."""
    target = folder / "stopped" / "awake"
    target.mkdir(parents=True)
    for path in (folder / "whole" / "awake").iterdir():
        (target / path.name).write_bytes(path.read_bytes())


CALL = """
import json, sys
from pathlib import Path
from bioncl.experiments.tuning.plan import Choosing, make_plan
from bioncl.experiments.tuning.tune import tune
tables, space, out = json.loads(sys.argv[1])
tune(make_plan(tables, space, Choosing(), (), 2), Path(out), trials=40, together=8)
"""


@pytest.mark.slow
def test_a_killed_driver_loses_no_trial_and_repeats_none(tables, night_space, tmp_path, rows):
    """SIGKILL at moments drawn at random, the first ones while the tasks are learnt."""
    generator = random.Random(0)
    tune(
        make_plan(tables(), night_space, Choosing(), (), 2),
        tmp_path / "whole",
        trials=40,
        together=8,
    )
    told = json.dumps([tables(), night_space, str(tmp_path / "killed")])
    words = [sys.executable, "-c", CALL, told]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    for _ in range(8):
        process = subprocess.Popen(words, env=env)
        time.sleep(generator.uniform(3, 8))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(words, env=env, check=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def test_together_is_only_a_matter_of_time_where_nothing_is_learnt(night_plan, tmp_path, rows):
    """Random search, one trial at a time and all at once: the same table."""
    for together in (1, 6):
        searched = night_plan(sampler="random", pruning=False)
        tune(searched, tmp_path / str(together), trials=6, together=together)
    assert rows(tmp_path / "1") == rows(tmp_path / "6")


def test_a_night_that_diverges_is_the_worst_and_goes_alone(night_plan, night_space, tmp_path, rows):
    space = {**night_space, "sleep.rule.inc": {"choices": [0.01, 1e308]}}
    found = tune(night_plan(space, sampler="random", seeds=2), tmp_path, trials=8)
    lost = [trial for trial in found.trials if trial.params["sleep.rule.inc"] > 1]
    assert 0 < len(lost) < 8
    assert all(trial.state == "pruned" and "finite" in trial.error for trial in lost)
    assert found.counts == {"complete": 8 - len(lost), "pruned": len(lost)}
    assert all(row["error"] for row in rows(tmp_path) if row["state"] == "pruned")


def test_values_that_do_not_go_together_fail_alone(night_plan, tmp_path):
    """Some are no settings at all, some no night of this network."""
    space = {
        "sleep.bounds.0.0": {"choices": [-2.0, -1.0]},
        "sleep.bounds.0.1": {"choices": [2.0, -1.5]},
        "sleep.thresholds": {"choices": [[0.5], [0.5, 0.5]]},
    }
    night = {"sleep": {"bounds": [[-2.0, 2.0]]}}
    found = tune(night_plan(space, night, sampler="random"), tmp_path, trials=12)
    for trial in found.trials:
        lower, upper, thresholds = trial.params.values()
        fits = lower <= upper and thresholds == "[0.5]"
        assert trial.state == ("complete" if fits else "fail")
        assert bool(trial.error) != fits
    assert set(found.counts) == {"complete", "fail"}


def test_a_hopeless_trial_ends_after_its_first_seed(night_plan, tmp_path):
    """Nights that are too long for anything to be left are below the median of short ones."""
    space = {"sleep.rate": {"low": 10.0, "high": 500.0}, "sleep.steps": {"choices": [0, 1500]}}
    searched = night_plan(
        space, {"sleep": {"rule": {"name": "constant", "inc": 0.02, "dec": 0.01}}}
    )
    searched = replace(searched, choosing=replace(searched.choosing, seeds=3, sampler="random"))
    found = tune(searched, tmp_path, trials=24, together=8)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(0 < len(trial.seeds["accuracy"]) < 3 and not trial.error for trial in pruned)
    assert all(trial.number >= 8 for trial in pruned)  # nothing to be compared with before


def test_the_settings_as_they_are_come_first_and_the_best_are_run(night_plan, tmp_path):
    searched = night_plan()
    found = tune(searched, tmp_path, trials=5, command="bioncl tune x --night 2")
    assert found.settings(found.trials[0])["sleep.rule.inc"] == 0.01
    text = (tmp_path / "best.toml").read_text()
    assert "on the one night after task 2" in text
    assert "the night after task 2" in (tmp_path / "summary.txt").read_text()
    best = load(tmp_path / "best.toml")
    assert best.data == searched.held.asked.data
    assert "one night after task 2" in best.general.notes
    assert {**best.resolved["sleep"], "threads": 1}["rate"] == found.best[0].params["sleep.rate"]
    assert 0 < bioncl.run(tmp_path / "best.toml").acc <= 1
    assert found.as_json()["plan"]["night"] == 2


def test_another_night_is_another_search(night_plan, tmp_path):
    tune(night_plan(), tmp_path, trials=1)
    for other in (night_plan(night=3), night_plan(night=None)):
        with pytest.raises(InputError, match=r"another search \(.*night.* differ"):
            tune(other, tmp_path, trials=1)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"space": {"train.lr": {"low": 0.1, "high": 1.0}}}, "cannot vary train.lr"),
        ({"space": {"sleep.when": {"choices": ["last", "each-task"]}}}, "cannot vary sleep.when"),
        ({"objectives": ("stored-bytes",)}, "does not change 'stored-bytes'"),
    ],
)
def test_what_is_no_search_of_one_night_is_refused(night_plan, words, told):
    with pytest.raises(SettingsError, match=told):
        night_plan(**words)


@pytest.mark.parametrize(
    ("methods", "told"),
    [(["rehearsal"], "expected src alone, got none"), (["src", "src"], "got SRC, SRC")],
)
def test_one_method_must_sleep(tables, night_space, methods, told):
    given = tables() | {"methods": [{"name": name} for name in methods]}
    with pytest.raises(UnsupportedError, match=told):
        make_plan(given, night_space, Choosing(), (), 2)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"night": 4}, "expected 1 to 3, got 4"),
        ({"night": 0}, "expected 1 to 3, got 0"),
        ({"more": {"sleep": {"when": "before-task"}}}, "No night after task 2 of 3"),
        ({"more": {"sleep": {"when": "last"}}}, "No night after task 2 of 3"),
    ],
)
def test_a_night_that_is_not_slept_is_refused_before_anything_is_written(
    night_plan, tmp_path, words, told
):
    with pytest.raises(SettingsError, match=told):
        tune(night_plan(**words), tmp_path / "out", trials=1)
    assert not (tmp_path / "out").exists()


def test_the_last_night_is_a_night_of_settings_that_sleep_last(night_plan, tmp_path):
    found = tune(night_plan(more={"sleep": {"when": "last"}}, night=3), tmp_path, trials=1)
    assert found.counts == {"complete": 1}


def test_ways_of_the_other_kind_of_search_are_refused(night_plan, night_space, tables, tmp_path):
    with pytest.raises(SettingsError, match="in this process"):
        tune(night_plan(), tmp_path, trials=1, workers=Inline())
    with pytest.raises(SettingsError, match="1 or more, got 0"):
        tune(night_plan(), tmp_path, trials=1, together=0)
    with pytest.raises(SettingsError, match="not computed together"):
        tune(make_plan(tables(), night_space, Choosing()), tmp_path, trials=1, together=4)
    assert list(tmp_path.iterdir()) == []


def test_no_trial_depends_on_test_data(night_space, tmp_path, rows):
    """Files that differ in their test part alone, or have none: the trials are the same."""
    generator = numpy.random.default_rng(0)
    y = numpy.arange(240) % 4
    x = numpy.eye(40)[y] + generator.random((240, 40)) / 2
    parts = {"a": {"X_test": x, "y_test": y}, "b": {"X_test": 1 - x[:9], "y_test": y[:9]}, "c": {}}
    path = tmp_path / "mine.npz"
    data = {"name": "features", "path": str(path)}
    tables = {
        "stream": {"name": "split", "data": data, "classes": [[0, 1], [2, 3]]},
        "model": {"name": "mlp", "hidden": [20]},
        "train": {"epochs": 20, "batch_size": 20, "lr": 0.01, "optimizer": "adam"},
        "methods": [{"name": "src"}],
        "sleep": {
            "steps": 200,
            "drive": {"name": "mean"},
            "rule": {"name": "gated", "inc": 1e-5, "dec": 1e-6},
            "thresholds": [0.5],
            "threads": 1,
        },
    }
    space = night_space | {"sleep.rule.inc": {"low": 1e-5, "high": 1.0, "log": True}}
    for name, test in parts.items():
        numpy.savez(path, X_train=x, y_train=y, **test)
        searched = make_plan(tables, space, Choosing(seeds=1), (), 2)
        tune(searched, tmp_path / name, trials=6)
    assert rows(tmp_path / "a") == rows(tmp_path / "b") == rows(tmp_path / "c")
    assert len({row["accuracy"] for row in rows(tmp_path / "a")}) > 1
