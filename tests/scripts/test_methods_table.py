"""The table of all methods: every row of every scenario can be planned, and stands in its place."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from bioncl.methods import METHODS

SCRIPT = Path(__file__).parents[2] / "scripts" / "methods_table.py"


@pytest.fixture(scope="module")
def script():
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("methods_table", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_method_is_left_out(script):
    shown = {row for scenario in script.SCENARIOS for row in script.rows(scenario)}
    assert set(METHODS.names()) <= shown


@pytest.mark.parametrize("scenario", ["task", "domain", "class"])
def test_the_first_and_last_of_each_grid_are_valid_settings(script, scenario):
    for row in script.rows(scenario):
        options = list(script.options(row))
        for option in (options[0], options[-1]):
            one = script.planned(scenario, row, option, [0], held_out=True)
            tables = one.jobs[0].tables
            assert [table["name"] for table in tables["methods"]] == row.split(" + ")
            assert tables["stream"]["scenario"] == scenario
            assert tables["train"]["lr"] == option["train.lr"]
            assert tables["data"]["evaluate_on"] == "validation"


def test_scenarios_that_a_method_is_not_for_stay_empty(script):
    text = script.markdown({"task": {}, "domain": {}, "class": {"naive": None}})
    assert text.splitlines()[-1] == "| naive | – | – | – | – | – | – | – | – | – |"
