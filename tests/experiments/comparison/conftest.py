"""Contenders with results that were made up, so that every number can be checked by hand."""

import pytest

from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.result import RunResult
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome


@pytest.fixture
def job(settings):
    """A function that makes a job without asking whether its settings are right."""

    def make(*methods, seed=0, name="small", **tables):
        tables = settings(*methods, **tables) | {"seed": seed, "data": {}}
        return Job(name, tables, "1-abc")

    return make


@pytest.fixture
def made(job):
    """A function that makes a contender and its outcomes from last rows of accuracies."""

    def make(label, rows, *methods, stored=0, **tables):
        jobs = [job(*methods, seed=seed, name=label, **tables) for seed in range(len(rows))]
        outcomes = [
            Outcome(j.address, None, error="it broke")
            if row is None
            else Outcome(j.address, RunResult(values(row, stored)))
            for j, row in zip(jobs, rows, strict=True)
        ]
        return Contender(label, (f"{label}.toml",), tuple(jobs)), outcomes

    return make


def values(row, stored):
    """What result.json would hold after two tasks."""
    acc = sum(row) / len(row)
    return {
        "accuracy": [[1.0, 0.0], list(row)],
        "acc": acc,
        "bwt": row[0] - 1.0,
        "fwt": 0.0,
        "forgetting": 1.0 - row[0],
        "learning_accuracy": (1.0 + row[1]) / 2,
        "stored_examples": stored,
        "training_steps": 100,
        "memory_bytes": {"stored_examples": 10 * stored, "method_state": 5},
        "seconds": {"train": 2.0, "sleep": 1.0, "eval": 7.0},
        "stream": "made-up",
        "scenario": "class",
        "tasks": ["one", "two"],
        "device": "cpu",
        "versions": {"bioncl": "1", "torch": "2"},
    }
