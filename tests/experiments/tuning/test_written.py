"""What a search leaves: settings that run, tables that can be read."""

from __future__ import annotations

import json
import tomllib

import pytest
from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

import bioncl
from bioncl.experiments.settings import load
from bioncl.experiments.tuning.objectives import OBJECTIVES
from bioncl.experiments.tuning.toml_text import toml_text
from bioncl.experiments.tuning.tune import tune

VALUES = st.recursive(
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=12,
)


@settings_of_hypothesis(max_examples=40)
@given(st.dictionaries(st.text(st.characters(codec="utf-8")), VALUES))
def test_tables_survive_toml(tables):
    """Python's own reader is the judge."""
    assert tomllib.loads(toml_text(tables)) == tables


def test_none_is_left_out():
    assert tomllib.loads(toml_text({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


def test_the_best_settings_run_on_the_test_data(plan, tmp_path):
    """What a search writes is what it found, judged as the settings were before."""
    searched = plan()
    found = tune(searched, tmp_path, trials=3, command="bioncl tune x")
    best = load(tmp_path / "best.toml")
    assert best.data == searched.held.asked.data
    assert best.data.evaluate_on == "test"
    overrides = [*found.settings(found.best[0]).items()]
    tables = {**searched.held.asked.resolved, "settings": "custom"}
    expected = load(tables, overrides).resolved
    texts = ("title", "notes")
    assert {k: v for k, v in best.resolved.items() if k not in texts} == {
        k: v for k, v in expected.items() if k not in texts
    }
    assert bioncl.run(tmp_path / "best.toml").acc == bioncl.run(tables, overrides=overrides).acc


def test_the_best_settings_say_where_they_come_from(plan, tmp_path):
    found = tune(plan(), tmp_path, trials=2, command="bioncl tune x")
    text = (tmp_path / "best.toml").read_text()
    assert "# command:    bioncl tune x" in text
    assert f"accuracy {found.best[0].values['accuracy']:.6g}" in text
    assert "train.lr" in text.partition("[stream]")[0]
    notes = load(tmp_path / "best.toml").general.notes
    assert "no test data was read" in notes
    assert "2 trials of 2 seeds from 1000 on" in notes


def test_every_trial_has_its_row(plan, tmp_path, rows):
    found = tune(plan(), tmp_path, trials=3)
    table = rows(tmp_path)
    assert [int(row["trial"]) for row in table] == [0, 1, 2]
    for row, trial in zip(table, found.trials, strict=True):
        assert float(row["train.lr"]) == trial.params["train.lr"]
        assert float(row["accuracy, seed 1000"]) == trial.seeds["accuracy"][0]
        assert float(row["accuracy"]) == trial.values["accuracy"]


def test_the_summary_says_the_same_in_both_forms(plan, tmp_path):
    found = tune(plan(), tmp_path, trials=5)
    values = json.loads((tmp_path / "summary.json").read_text())
    assert values == json.loads(json.dumps(found.as_json()))
    assert values["best"][0]["settings"] == found.settings(found.best[0])
    text = (tmp_path / "summary.txt").read_text()
    assert "5 trials" in text
    assert all(key in text for key in found.plan.space)
    assert "importance" in text


@pytest.mark.parametrize(
    ("name", "expected"), [("accuracy", 0.5), ("worst-task", 0.25), ("stored-bytes", 30)]
)
def test_objectives_of_a_result(name, expected):
    values = {
        "acc": 0.5,
        "accuracy": [[1.0, 0.0], [0.75, 0.25]],
        "memory_bytes": {"stored_examples": 20, "method_state": 10},
    }
    assert OBJECTIVES[name].of(values) == expected
