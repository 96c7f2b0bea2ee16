"""The address of a job: what counts, and what does not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import bioncl
from bioncl.experiments.sweep.jobs import Job, canonical, code_version, plan

PRINT = "from bioncl.experiments.sweep.jobs import code_version; print(code_version())"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title", "Another"),
        ("notes", "Other ones"),
        ("device", "cuda"),
        ("checkpoints", "last"),
        ("data.dir", "/elsewhere"),
        ("sleep.threads", 7),
    ],
)
def test_what_cannot_change_a_result_does_not_count(settings, key, value):
    (one,), (other,) = plan(settings("src"), [3]), plan(settings("src"), [3], [(key, value)])
    assert one.address == other.address


@pytest.mark.parametrize(
    ("key", "value"), [("train.lr", 0.21), ("sleep.steps", 301), ("methods.0.name", "naive")]
)
def test_what_can_change_a_result_counts(settings, key, value):
    (one,), (other,) = plan(settings("src"), [3]), plan(settings("src"), [3], [(key, value)])
    assert one.address != other.address


def test_seed_and_code_count_and_names_do_not(settings):
    first, second = plan(settings(), [0, 1])
    assert first.address != second.address
    assert Job("other", first.tables, first.code).address == first.address
    assert Job(first.name, first.tables, "other").address != first.address


def test_written_out_defaults_and_other_orders_are_the_same_job(settings):
    tables = settings("src")
    (one,) = plan(tables, [0])
    (again,) = plan(dict(reversed(one.tables.items())), [0])
    assert again.address == one.address


def test_nights_of_a_job_keep_to_one_thread(settings):
    (job,) = plan(settings("src", sleep={"threads": 4}), [0])
    assert job.tables["sleep"]["threads"] == 1
    assert job.config().resolved == job.tables


def test_lists_of_tables_are_told_apart_by_their_places():
    tables = {"a": [{"b": 1}, {"b": 2}], "c": [3, 4], "d": {}, "data": {"dir": "x", "e": []}}
    assert canonical(tables) == {"a.0.b": 1, "a.1.b": 2, "c": [3, 4], "d": {}, "data.e": []}


@pytest.fixture
def copy(tmp_path):
    """A copy of the package, and a function that tells its version."""
    root = tmp_path / "bioncl"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(bioncl.__file__).parent, root, ignore=ignored)

    def version():
        command = [sys.executable, "-c", PRINT]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True,
                              env={"PYTHONPATH": str(tmp_path)})  # fmt: skip
        return done.stdout.strip()

    return root, version


def test_code_that_runs_counts_and_code_that_shows_does_not(copy):
    root, version = copy
    before = version()
    assert before == code_version()
    for name in ("report/style.py", "cli/run.py", "experiments/sweep/engine.py"):
        with (root / name).open("a") as file:
            file.write("\n# changed\n")
    assert version() == before
    with (root / "learning/loop.py").open("a") as file:
        file.write("\n# changed\n")
    assert version() != before
    assert version().startswith(bioncl.__version__)
