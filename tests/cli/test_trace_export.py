"""`bioncl trace export`: a file, what it holds, and clear words when it cannot be written."""

import csv
import json

import click
import numpy as np
import pytest
from click.testing import CliRunner

from bioncl.cli.errors import run_command
from bioncl.cli.trace_export import export
from bioncl.traces import Spikes
from bioncl.traces.exports import EXPORTS
from bioncl.traces.hdf5_writer import TraceFile


@pytest.fixture
def path(tmp_path):
    """Two nights of four steps; neuron k fires at step k of the input, nobody behind it."""
    file = TraceFile(tmp_path / "night.h5", [("input", 4), ("hidden", 3)], settings={})
    for index in range(2):
        with file.night(index, task=index, steps=4) as recorder:
            recorder.spikes(0, 0, Spikes.from_raster(np.eye(4, dtype=bool)))
            recorder.spikes(1, 0, Spikes.from_raster(np.zeros((4, 3), bool)))
    return tmp_path / "night.h5"


def test_what_was_asked_for_is_written(path, tmp_path):
    """One layer, one night, steps 1 and 2."""
    out = tmp_path / "out.csv"
    options = ["--night", "1", "--layer", "input", "--from", "1", "--to-step", "3", "--json"]
    arguments = [str(path), "--to", "csv", "--out", str(out), *options]
    result = CliRunner().invoke(export, arguments, catch_exceptions=False)
    assert json.loads(result.stdout) == {
        "file": str(out),
        "format": "csv",
        "layers": ["input"],
        "nights": [1],
        "spikes": 2,
    }
    with out.open(newline="") as file:
        assert list(csv.reader(file))[1:] == [["1", "input", "1", "1"], ["1", "input", "2", "2"]]


def test_without_json_a_line_says_what_was_written(path, tmp_path):
    arguments = [str(path), "--to", "sonata", "--out", str(tmp_path / "out.h5")]
    result = CliRunner().invoke(export, arguments, catch_exceptions=False)
    assert result.stdout == f"{tmp_path / 'out.h5'}: 8 spikes of input, hidden\n"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--to", "svc"], "Did you mean 'csv'"),
        (["--to", "csv", "--night", "5"], "expected 0, 1, got 5"),
        (["--to", "csv", "--layer", "output"], "has no layer 'output'"),
        (["--to", "csv", "--from", "8"], "expected a window within 0 to 8"),
        (["--to", "csv", "--from", "-1"], "-1"),
        ([], "--to"),
    ],
)
def test_wrong_options_end_with_2_and_write_nothing(path, tmp_path, capsys, options, message):
    assert run_command(export, [str(path), "--out", str(tmp_path / "out"), *options]) == 2
    assert message in capsys.readouterr().err
    assert [file.name for file in tmp_path.iterdir()] == ["night.h5"]


def test_help_tells_of_every_format():
    """The names stand in the help text, which may not import the table."""
    text = export.get_help(click.Context(export))
    lines = [
        line.split()[0] for line in text.splitlines() if line.startswith("  ") and line.strip()
    ]
    assert [name for name in lines if name in EXPORTS.names()] == EXPORTS.names()
