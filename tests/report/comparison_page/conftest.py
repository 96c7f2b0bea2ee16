"""A comparison of made-up results with names that would be trouble on a page."""

import pytest

from bioncl.experiments.comparison.contenders import Contender
from bioncl.experiments.comparison.summary import summarise
from bioncl.experiments.result import RunResult
from bioncl.experiments.sweep.jobs import Job
from bioncl.experiments.sweep.work import Outcome
from bioncl.report.comparison_page.page import comparison_page
from bioncl.report.comparison_page.sections import PageSettings

HOSTILE = "<img src=x onerror='window.hacked = 1'>"
COMMAND = 'bioncl compare a "b" </script><script>window.hacked = 2</script>'
MADE = (
    ("nothing", ["naive"], 0, 1, (0.1, 0.3)),
    ("small", [{"name": "rehearsal", "memory": 10}], 10, 1, (0.4, 0.6)),
    ("large", [{"name": "rehearsal", "memory": 5000}], 5000, 1, (0.8, 0.9)),
    (HOSTILE, ["ewc"], 0, 30, (0.2, 0.9)),
    ("broken", ["gem"], 0, 1, None),
)


def contender(label, methods, stored, steps, row):
    """A contender with three seeds, and its outcomes."""
    methods = [m if isinstance(m, dict) else {"name": m} for m in methods]
    tables = {"stream": {"name": "split"}, "data": {}, "train": {"lr": 0.1}, "methods": methods}
    jobs = [Job(label, tables | {"seed": seed}, "1-abc") for seed in range(3)]
    outcomes = []
    for job in jobs:
        if row is None:
            outcomes.append(Outcome(job.address, None, error=f"{HOSTILE} broke"))
            continue
        last = [round(value + 0.02 * job.seed, 6) for value in row]
        result = RunResult(values(last, stored, steps))
        outcomes.append(Outcome(job.address, result))
    return Contender(label, (f"{label}.toml",), tuple(jobs)), outcomes


def values(row, stored, steps):
    """What result.json would hold after two tasks."""
    return {
        "accuracy": [[1.0, 0.0], row],
        "acc": sum(row) / 2,
        "bwt": row[0] - 1.0,
        "fwt": 0.0,
        "forgetting": 1.0 - row[0],
        "learning_accuracy": (1.0 + row[1]) / 2,
        "stored_examples": stored,
        "training_steps": 100 * steps,
        "memory_bytes": {"stored_examples": 800 * stored, "method_state": 0},
        "seconds": {"train": 2.0 * steps, "sleep": 1.0, "eval": 7.0},
        "stream": "split-made-up",
        "scenario": "class",
        "tasks": ["one", "two"],
        "device": "cpu",
        "versions": {"bioncl": "1", "torch": "2.9"},
    }


@pytest.fixture(scope="session")
def comparison():
    """Five contenders of one problem; all runs of the last have failed."""
    made = [contender(*one) for one in MADE]
    return summarise([one for one, _ in made], [o for _, found in made for o in found])


@pytest.fixture(scope="session")
def comparison_text(comparison):
    """The page about it."""
    return comparison_page(comparison, f"a {HOSTILE} comparison", PageSettings(COMMAND, 0.85))


@pytest.fixture(scope="session")
def hostile():
    """The name that would be trouble."""
    return HOSTILE
