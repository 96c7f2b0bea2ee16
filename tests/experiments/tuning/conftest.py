"""Searches that last a second."""

from __future__ import annotations

import csv

import pytest

pytest.importorskip("optuna", reason="needs the extra tune: pip install 'bioncl[tune]'")

SPACE = {
    "sleep.steps": {"low": 0, "high": 300, "int": True},
    "train.lr": {"low": 0.01, "high": 1.0, "log": True},
    "methods.0.memory": {"low": 10, "high": 60, "int": True},
}

NIGHT_SPACE = {
    "sleep.rate": {"low": 50.0, "high": 400.0, "log": True},
    "sleep.rule.inc": {"low": 1e-3, "high": 0.1, "log": True},
    "sleep.sees": {"choices": ["current", "all"]},
}


@pytest.fixture
def tables(settings):
    """A function that makes settings with a memory and a night, and what is changed in them."""

    def make(**more):
        found = settings("rehearsal", "src", **more)
        found["train"] = {**found["train"], "epochs": 1}
        found["methods"] = [{"name": "rehearsal", "memory": 40}, {"name": "src"}]
        return found

    return make


@pytest.fixture
def plan(tables):
    """A function that makes a plan of such settings; words are those of `Choosing`."""
    from bioncl.experiments.tuning.plan import Choosing, make_plan

    def make(space=None, more=None, **choosing):
        return make_plan(tables(**(more or {})), space or SPACE, Choosing(**choosing))

    return make


@pytest.fixture
def space():
    """What those plans vary."""
    return SPACE


@pytest.fixture
def night_plan(tables):
    """A function that makes a plan of the night after task 2 of 3; words are of `Choosing`."""
    from bioncl.experiments.tuning.plan import Choosing, make_plan

    def make(space=None, more=None, night=2, **choosing):
        how = Choosing(**{"seeds": 1} | choosing)
        return make_plan(tables(**(more or {})), space or NIGHT_SPACE, how, (), night)

    return make


@pytest.fixture
def night_space():
    """What those plans vary."""
    return NIGHT_SPACE


@pytest.fixture
def learnt(monkeypatch):
    """Seeds whose tasks were learnt before a night, in order."""
    from bioncl.experiments.tuning import evening

    seeds, train_up_to = [], evening.train_up_to

    def counted(config, *words):
        seeds.append(config.general.seed)
        return train_up_to(config, *words)

    monkeypatch.setattr(evening, "train_up_to", counted)
    return seeds


@pytest.fixture
def rows():
    """A function that reads trials.csv of a folder as a list of dictionaries."""

    def read(folder):
        with (folder / "trials.csv").open(encoding="utf-8", newline="") as file:
            return list(csv.DictReader(file))

    return read
