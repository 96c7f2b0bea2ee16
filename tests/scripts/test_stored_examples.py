"""The curves of stored examples: tables and picture from given runs, and what is run for them."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from bioncl.experiments import shipped

SCRIPTS = Path(__file__).parents[2] / "scripts"


@pytest.fixture
def script(monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPTS))
    spec = importlib.util.spec_from_file_location("stored_examples", SCRIPTS / "stored_examples.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    yield module
    sys.modules.pop("seeds", None)


def test_a_table_pairs_the_gain_seed_by_seed(script):
    curves = {
        "awake": {"1": [10.0, 20.0], "5": [50.0, 52.0]},
        "asleep": {"1": [30.0, 40.0], "5": [48.0, 54.0]},
    }
    assert script.table("share", curves).splitlines()[2:] == [
        "| 1 | 15.0 ± 7.1 | 35.0 ± 7.1 | 20.0 ± 0.0 |",
        "| 5 | 51.0 ± 1.4 | 51.0 ± 4.2 | 0.0 ± 2.8 |",
    ]


def test_every_curve_is_run_on_settings_that_ship_and_all_is_written(script, monkeypatch, tmp_path):
    asked = []

    def accuracies(name, seeds, out, sets):
        assert name in shipped.names()
        asked.append((name, tuple(sets)))
        return [float(len(asked)) + seed for seed in range(seeds)]

    monkeypatch.setattr(script, "accuracies", accuracies)
    record, figure = tmp_path / "found.json", tmp_path / "found.png"
    arguments = ["--seeds", "2", "--json", str(record), "--figure", str(figure)]
    answer = CliRunner().invoke(script.main, arguments, catch_exceptions=False)
    assert answer.exit_code == 0
    assert len(asked) == len(set(asked)) == 18
    assert ("tadros2022-mnist-icarl-100-src", ("trace.record=false", "train.epochs=4")) in asked
    found = json.loads(record.read_text())
    assert found["% of old data"]["awake"]["0.5"] == [1.0, 2.0]
    assert found["epochs of iCaRL"]["asleep"]["10"] == [18.0, 19.0]
    assert figure.read_bytes().startswith(b"\x89PNG")
