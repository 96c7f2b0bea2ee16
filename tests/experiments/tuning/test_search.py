"""Searches as wholes: what they find, and that a kill costs nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import contextmanager

import optuna
import pytest

import bioncl
from bioncl.errors import InputError, RunError, SettingsError, StorageError
from bioncl.experiments.sweep import work
from bioncl.experiments.sweep.workers import Inline, InlinePool, Local
from bioncl.experiments.tuning import search as module
from bioncl.experiments.tuning.plan import FIRST_SEED, Choosing, make_plan
from bioncl.experiments.tuning.samplers import SamplerName, make_sampler
from bioncl.experiments.tuning.tune import tune

SAMPLERS = ("tpe", "cmaes", "genetic", "random")


@pytest.fixture
def runs(monkeypatch):
    """Addresses of the runs that were really computed, in order."""
    done = []
    execute = work.execute

    def counted(config, folder, **options):
        done.append(folder.name)
        return execute(config, folder, **options)

    monkeypatch.setattr(work, "execute", counted)
    return done


def test_a_trial_is_worth_what_its_runs_are(plan, tmp_path):
    """Run the values of each trial by hand, on the same held-out data."""
    searched = plan(pruning=False)
    found = tune(searched, tmp_path, trials=3)
    for trial in found.trials:
        overrides = [*found.settings(trial).items()]
        held = {**searched.held.config.resolved, "settings": "custom"}
        accs = [bioncl.run(held, seed=seed, overrides=overrides).acc for seed in (1000, 1001)]
        assert trial.seeds["accuracy"] == accs
        assert trial.values["accuracy"] == sum(accs) / 2


def test_the_settings_as_they_are_come_first(plan, tmp_path):
    """So a search never ends below where it began."""
    found = tune(plan(), tmp_path, trials=2)
    start = {"sleep.steps": 300, "train.lr": 0.2, "methods.0.memory": 40}
    assert found.settings(found.trials[0]) == start
    assert found.settings(found.trials[1]) != start
    assert found.best[0].values["accuracy"] >= found.trials[0].values["accuracy"]


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_a_search_that_was_stopped_makes_the_same_trials(
    plan, tmp_path, monkeypatch, sampler, rows
):
    """Interrupted in every third run; an undisturbed search is the judge."""
    trials = 5
    tune(plan(sampler=sampler), tmp_path / "whole", trials=trials)
    run_trial, calls = module.run_trial, []

    def stopped(job, out, retry):
        calls.append(job.address)
        if len(calls) % 3 == 0:
            raise KeyboardInterrupt
        return run_trial(job, out, retry)

    monkeypatch.setattr(module, "run_trial", stopped)
    kills = 0
    while True:
        try:
            tune(plan(sampler=sampler), tmp_path / "stopped", trials=trials)
            break
        except KeyboardInterrupt:
            kills += 1
    assert kills >= 2
    assert rows(tmp_path / "stopped") == rows(tmp_path / "whole")


def test_no_run_is_computed_twice(plan, tmp_path, runs, rows):
    """Going on, having more trials, and asking again: only what is new is computed."""
    tune(plan(pruning=False), tmp_path, trials=2)
    assert len(runs) == len(set(runs)) == 4
    tune(plan(pruning=False), tmp_path, trials=4)
    assert len(runs) == len(set(runs)) == 8
    before = rows(tmp_path)
    tune(plan(pruning=False), tmp_path, trials=4)
    assert len(runs) == 8
    assert rows(tmp_path) == before


def test_values_that_were_drawn_twice_are_run_once(plan, tmp_path, runs):
    space = {"sleep.when": {"choices": ["last", "each-task"]}}
    found = tune(plan(space, sampler="random", seeds=1), tmp_path, trials=6)
    assert len(found.trials) == 6
    assert len(runs) == 2


class Wide(Inline):
    """This process, as if it did four jobs at once."""

    @contextmanager
    def open(self, out, *, retry_failed=False, work=work.run_job):
        pool = InlinePool(out, retry_failed, work)
        pool.slots = 4
        yield pool


def test_trials_on_their_way_share_a_run_that_both_need(plan, tmp_path, monkeypatch):
    """Eight trials of two different values, four at once: a run is handed out twice by nobody."""
    handed, submit = [], InlinePool.submit
    monkeypatch.setattr(
        InlinePool, "submit", lambda pool, job: (handed.append(job.address), submit(pool, job))
    )
    space = {"sleep.when": {"choices": ["last", "each-task"]}}
    searched = plan(space, sampler="random", seeds=1)
    found = tune(searched, tmp_path, trials=8, workers=Wide())
    assert found.counts == {"complete": 8}
    assert len(handed) < 8
    for choice in ("last", "each-task"):
        same = [t.values["accuracy"] for t in found.trials if t.params["sleep.when"] == choice]
        assert len(set(same)) == 1


@pytest.mark.parametrize(
    ("sampler", "drawn"),
    [("tpe", 0), ("tpe", 1), ("tpe", 2), ("cmaes", 1), ("genetic", 1), ("random", 2)],
)
def test_a_trial_whose_driver_died_while_it_was_drawn_gets_the_same_values(
    plan, tmp_path, monkeypatch, rows, sampler, drawn
):
    """The driver dies after it has stored some of the three values."""
    searched = plan(sampler=sampler, seeds=1)
    tune(searched, tmp_path / "whole", trials=3)
    tune(searched, tmp_path / "killed", trials=2)
    draw, calls = optuna.Trial._suggest, []

    def dies(self, name, distribution):
        if len(calls) == drawn:
            raise KeyboardInterrupt
        calls.append(name)
        return draw(self, name, distribution)

    monkeypatch.setattr(optuna.Trial, "_suggest", dies)
    with pytest.raises(KeyboardInterrupt):
        tune(searched, tmp_path / "killed", trials=3)
    monkeypatch.undo()
    tune(searched, tmp_path / "killed", trials=3)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


CALL = """
import json, sys
from pathlib import Path
from bioncl.experiments.tuning.plan import Choosing, make_plan
from bioncl.experiments.tuning.tune import tune
tables, space, out, trials = json.loads(sys.argv[1])
tune(make_plan(tables, space, Choosing()), Path(out), trials=trials)
"""


@pytest.mark.parametrize(
    "kills", [pytest.param(1, id="once"), pytest.param(10, id="ten", marks=pytest.mark.slow)]
)
def test_a_killed_driver_loses_no_trial_and_repeats_none(tables, tmp_path, kills, rows, space):
    """SIGKILL at moments drawn at random while trials are on their way."""
    trials, generator = 3 + kills, random.Random(0)
    tune(make_plan(tables(), space), tmp_path / "whole", trials=trials)
    told = json.dumps([tables(), space, str(tmp_path / "killed"), trials])
    words, env = [sys.executable, "-c", CALL, told], {**os.environ, "PYTHONPATH": _root()}
    for kill in range(kills):
        process = subprocess.Popen(words, env=env)
        end = time.monotonic() + 60
        while _trials(tmp_path / "killed") <= kill and time.monotonic() < end:
            time.sleep(0.05)
        time.sleep(generator.uniform(0, 0.3))
        process.send_signal(signal.SIGKILL)
        process.wait()
    subprocess.run(words, env=env, check=True)
    assert rows(tmp_path / "killed") == rows(tmp_path / "whole")


def _root():
    return os.pathsep.join(sys.path)


def _trials(folder):
    """Number of trials in the file of a search, read past Optuna."""
    if not (folder / "study.db").exists():
        return 0
    file = sqlite3.connect(f"file:{folder / 'study.db'}?mode=ro", uri=True)
    try:
        return file.execute("SELECT COUNT(*) FROM trials WHERE state != 'WAITING'").fetchone()[0]
    except sqlite3.OperationalError:
        return 0
    finally:
        file.close()


@pytest.mark.slow
def test_workers_of_their_own_find_as_much(plan, tmp_path, rows):
    """Two processes: the trials differ in order alone where nothing is learnt from them."""
    pytest.importorskip("distributed", reason="needs the extra cluster")
    choosing = {"sampler": "random", "pruning": False}
    tune(plan(**choosing), tmp_path / "one", trials=6)
    tune(plan(**choosing), tmp_path / "two", trials=6, workers=Local(2))
    assert rows(tmp_path / "one") == rows(tmp_path / "two")


def test_a_hopeless_trial_ends_after_its_first_seed(plan, tmp_path, runs):
    """No training at all is below the median of trials that train."""
    space = {"train.epochs": {"choices": [0, 5]}, "train.lr": {"low": 0.1, "high": 0.3}}
    searched = plan(space, sampler="random", seeds=3)
    found = tune(searched, tmp_path, trials=14)
    pruned = [trial for trial in found.trials if trial.state == "pruned"]
    assert pruned
    assert all(len(trial.seeds["accuracy"]) < 3 for trial in pruned)
    assert all(trial.seeds["accuracy"][0] < found.best[0].values["accuracy"] for trial in pruned)
    assert all(trial.params["train.epochs"] == 5 for trial in found.best)
    everything = sum(len(trial.seeds["accuracy"]) for trial in found.trials)
    assert everything == 3 * 14 - sum(3 - len(t.seeds["accuracy"]) for t in pruned) < 3 * 14
    assert len(set(runs)) == len(runs) <= everything


def test_a_trial_that_diverges_is_the_worst(plan, tmp_path, rows):
    """Its error is kept, and the search goes on."""
    space = {"train.lr": {"choices": [0.2, 1e30]}}
    found = tune(plan(space, sampler="random", seeds=1), tmp_path, trials=6)
    lost = [trial for trial in found.trials if trial.params["train.lr"] > 1]
    assert lost
    assert all(trial.state == "pruned" and "diverged" in trial.error for trial in lost)
    assert found.best[0].params["train.lr"] == 0.2
    assert all(row["error"] for row in rows(tmp_path) if row["state"] == "pruned")


def test_values_that_do_not_go_together_fail_alone(plan, tmp_path):
    """Each end suits the settings as long as the other stays where it begins."""
    space = {
        "sleep.bounds.0.0": {"choices": [-2.0, -1.0]},
        "sleep.bounds.0.1": {"choices": [2.0, -1.5]},
    }
    night = {"sleep": {"bounds": [[-2.0, 2.0]]}}
    found = tune(plan(space, night, sampler="random", seeds=1), tmp_path, trials=8)
    for trial in found.trials:
        lower, upper = trial.params.values()
        assert trial.state == ("complete" if lower <= upper else "fail")
        assert ("lower ≤ upper" in trial.error) == (lower > upper)
    assert set(found.counts) == {"complete", "fail"}


def test_a_search_in_which_nothing_ends_says_so(plan, tmp_path):
    space = {"train.lr": {"choices": [1e29, 1e30]}}
    with pytest.raises(RunError, match=r"None of 2 trials came to an end.*diverged"):
        tune(plan(space, seeds=1), tmp_path, trials=2)


def test_several_objectives_give_the_trials_that_none_beats(plan, tmp_path):
    found = tune(plan(objectives=("accuracy", "stored-bytes"), seeds=1), tmp_path, trials=8)
    worth = [(t.values["accuracy"], -t.values["stored-bytes"]) for t in found.trials]

    def beaten(mine):
        return any(a >= mine[0] and b >= mine[1] and (a, b) != mine for a, b in worth)

    assert {trial.number for trial in found.best} == {
        trial.number for trial, mine in zip(found.trials, worth, strict=True) if not beaten(mine)
    }
    accuracies = [trial.values["accuracy"] for trial in found.best]
    assert accuracies == sorted(accuracies, reverse=True)
    written = {path.stem for path in (tmp_path / "pareto").iterdir()}
    assert written == {f"trial-{trial.number:04d}" for trial in found.best}


def test_what_matters_is_found(plan, tmp_path):
    """One setting decides everything, the other nothing."""
    space = {"train.epochs": {"choices": [0, 6]}, "sleep.dt": {"choices": [1e-6, 2e-6]}}
    found = tune(plan(space, sampler="random", seeds=1, pruning=False), tmp_path, trials=12)
    shares = found.importance["accuracy"]
    assert shares["train.epochs"] > 0.8
    assert sum(shares.values()) == pytest.approx(1)


@pytest.mark.parametrize("sampler", ["tpe", "cmaes", "genetic"])
def test_samplers_learn(sampler: SamplerName):
    """A quadratic in three dimensions: better than random search with as many trials."""
    space = {key: optuna.distributions.FloatDistribution(-5, 5) for key in "xyz"}

    def best(name, seed):
        study = optuna.create_study(sampler=make_sampler(name, seed, 0))
        for number in range(80):
            study.sampler = make_sampler(name, seed, number)
            trial = study.ask(space)
            study.tell(trial, sum((value - 1) ** 2 for value in trial.params.values()))
        return study.best_value

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    assert sum(best(sampler, seed) for seed in range(3)) < sum(
        best("random", seed) for seed in range(3)
    )


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_every_trial_is_drawn_anew_and_the_seed_fixes_it(sampler):
    """The chance of a trial comes from the seed of the search and the number of the trial."""
    space = {key: optuna.distributions.FloatDistribution(0, 1) for key in "xy"}

    def drawn(seed):
        study, found = optuna.create_study(), []
        for number in range(6):
            study.sampler = make_sampler(sampler, seed, number)
            trial = study.ask(space)
            study.tell(trial, trial.params["x"])
            found.append(tuple(trial.params.values()))
        return found

    assert len(set(drawn(0))) == 6
    assert drawn(0) == drawn(0)
    assert not set(drawn(0)) & set(drawn(1))


def test_another_search_in_the_same_folder_is_refused(plan, tmp_path):
    tune(plan(), tmp_path, trials=1)
    with pytest.raises(InputError, match=r"another search \(sampler differ"):
        tune(plan(sampler="random"), tmp_path, trials=1)
    with pytest.raises(InputError, match=r"train\.batch_size"):
        tune(plan(more={"train": {"batch_size": 7}}), tmp_path, trials=1)


def test_a_search_may_go_on_elsewhere(plan, tmp_path):
    """Where the data lies does not change what is searched."""
    tune(plan(), tmp_path, trials=1)
    found = tune(plan(more={"data": {"dir": str(tmp_path)}}), tmp_path, trials=2)
    assert found.counts["complete"] == 2


def test_a_damaged_file_is_told(plan, tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match="study.db"):
        tune(plan(), tmp_path, trials=1)


def test_only_results_are_kept_of_the_runs(plan, tmp_path):
    tune(plan(seeds=1), tmp_path, trials=1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert {path.name for path in folder.iterdir()} == {"result.json", "settings.json"}


def test_seeds_of_trials_are_not_those_of_later_runs(plan):
    assert plan(seeds=3).seeds == (FIRST_SEED, FIRST_SEED + 1, FIRST_SEED + 2)
    assert FIRST_SEED > 100


@pytest.mark.parametrize(
    ("choosing", "told"),
    [
        ({"seeds": 0}, "1 or more"),
        ({"objectives": ()}, "one or more"),
        ({"objectives": ("accuracy", "accuracy")}, "different"),
        ({"objectives": ("acuracy",)}, "Did you mean 'accuracy'"),
        ({"sampler": "gp"}, "tpe, cmaes"),
        ({"sampler": "cmaes", "objectives": ("accuracy", "worst-task")}, "one objective"),
    ],
)
def test_a_wrong_way_to_search_is_refused(tables, choosing, told):
    with pytest.raises(InputError, match=told):
        make_plan(tables(), {"train.lr": {"low": 0.1, "high": 1}}, Choosing(**choosing))


def test_settings_without_a_space_are_refused(tables):
    with pytest.raises(SettingsError, match="--space"):
        make_plan(tables())
    with pytest.raises(SettingsError, match="sleep.rule.slope"):
        make_plan(tables(), {"sleep.rule.slope": {"low": 1, "high": 2}})
