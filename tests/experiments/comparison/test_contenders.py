"""What is compared is checked, told apart and can be repeated."""

import shlex

import pytest
from click.testing import CliRunner

from bioncl.cli.main import cli
from bioncl.errors import SettingsError
from bioncl.experiments.comparison.contenders import contender, together
from bioncl.experiments.comparison.differing import ABSENT, differing


def test_each_seed_is_a_job_without_traces(settings_file):
    found = contender(str(settings_file("src")), range(3))
    assert [job.seed for job in found.jobs] == [0, 1, 2]
    assert not any(job.tables["trace"]["record"] for job in found.jobs)
    kept = contender(str(settings_file("src")), [0], [("trace.record", True)])
    assert kept.jobs[0].tables["trace"]["record"]


def test_the_command_repeats_a_run_to_the_same_numbers(settings_file, tmp_path):
    """What the page tells people to type gives the accuracies of the job."""
    path = settings_file("rehearsal")
    words = ["--set", "train.epochs=[1, 2]"]
    found = contender(str(path), [3], [("train.epochs", [1, 2])], words, "few")
    _, *typed = shlex.split(found.command(3))
    out = str(tmp_path / "run")
    result = CliRunner().invoke(cli, [*typed, "--out", out, "--no-figures", "--json"])
    assert result.exit_code == 0
    from bioncl.experiments.sweep.work import run_job

    assert f'"acc": {run_job(found.jobs[0], tmp_path / "sweep").values["acc"]}' in result.stdout
    assert found.label == "small few"
    assert found.command().endswith("--seed SEED")


def test_the_same_settings_twice_are_refused(settings_file):
    """Also if they only have another name or title."""
    first = contender(str(settings_file(name="one.toml")), range(2))
    second = contender(str(settings_file(name="two.toml", title="no")), range(2))
    with pytest.raises(SettingsError, match="'one' and 'two' are the same settings"):
        together([first, second])
    with pytest.raises(SettingsError, match="Nothing to compare"):
        together([])


def test_labels_are_told_apart(settings_file):
    path = str(settings_file())
    found = together(
        [contender(path, [0], [("train.lr", lr)], note=note)
         for lr, note in ((0.1, ""), (0.2, ""), (0.3, "x"))]
    )  # fmt: skip
    labels = [one.label for one in found]
    assert len(set(labels)) == 3
    assert labels[2] == "small x"
    assert all("small" in label for label in labels)
    assert [one.jobs[0].name for one in found] == labels


def test_only_what_differs_is_told(settings_file):
    """Seeds, titles and papers are not settings that anything is compared by."""
    one = contender(str(settings_file(name="a.toml", paper="A")), [0])
    two = contender(str(settings_file("src", name="b.toml", title="T", paper="B")), [0])
    found = differing([one, two])
    assert found["methods.0.name"] == ["naive", "src"]
    assert found["sleep.steps"] == [ABSENT, 300]
    assert all(key.startswith(("sleep.", "methods.")) for key in found)
    assert differing([one]) == {}
