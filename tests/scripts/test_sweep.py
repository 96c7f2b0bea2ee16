"""The sweep script: what it makes of points, and one small sweep as a user would call it."""

import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

SCRIPT = Path(__file__).parents[2] / "scripts" / "sweep.py"


@pytest.fixture(scope="module")
def sweep():
    spec = importlib.util.spec_from_file_location("sweep", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("text", ["mine", "mine:key", "mine:=1", ":key=1", "mine:key="])
def test_what_is_not_a_sweep_is_refused(sweep, text):
    with pytest.raises(click.UsageError, match="KEY"):
        sweep.parsed(text)


SMALL = (
    '[stream]\nname = "split"\ndata = "digits"\nscenario = "task"\n'
    'classes = [[0, 1], [2, 3]]\n[model]\nname = "mlp"\nhidden = [12]\nhead = "per-task"\n'
    '[train]\nepochs = 1\nbatch_size = 20\n[[methods]]\nname = "lwf"\n'
)


def test_values_that_diverge_are_left_out_and_named(sweep, tmp_path):
    """1e30 as a learning rate gives no number; if nothing else is tried, that is an error."""
    settings, record = tmp_path / "small.toml", tmp_path / "found.json"
    settings.write_text(SMALL)
    places = [
        "--seeds",
        "1",
        "--target",
        "0.5",
        "--out",
        str(tmp_path / "runs"),
        "--json",
        str(record),
    ]
    answer = CliRunner().invoke(sweep.main, [*places, f"{settings}:train.lr=0.1,1e30"])
    assert answer.exit_code == 0, answer.output
    assert "diverged: 1e30" in answer.output
    found = json.loads(record.read_text())["sweeps"][str(settings)]
    assert (list(found["points"]), found["diverged"]) == (["0.1"], ["1e30"])
    answer = CliRunner().invoke(sweep.main, [*places, f"{settings}:train.lr=1e30"])
    assert answer.exit_code == 1
    assert "diverged with every value of train.lr" in answer.output


def test_a_small_sweep_runs_writes_its_numbers_and_goes_on_where_it_was(tmp_path):
    """Two values, two seeds on digits; a second call reads the finished runs."""
    settings = tmp_path / "small.toml"
    settings.write_text(SMALL)
    command = [
        *(sys.executable, str(SCRIPT), "--seeds", "2", "--target", "0.5"),
        *("--out", str(tmp_path / "runs"), "--json", str(tmp_path / "found.json")),
        f"{settings}:methods.0.strength=0.5,2",
    ]
    first = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    found = json.loads((tmp_path / "found.json").read_text())["sweeps"][str(settings)]
    assert set(found["points"]) == {"0.5", "2"}
    results = sorted((tmp_path / "runs").rglob("result.json"))
    assert len(results) == 4
    rows = [json.loads(path.read_text())["accuracy"][-1] for path in results]
    assert sorted(rows) == sorted(row for rows in found["points"].values() for row in rows)
    changed = [path.stat().st_mtime_ns for path in results]
    again = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    assert again.stdout == first.stdout
    assert [path.stat().st_mtime_ns for path in results] == changed
