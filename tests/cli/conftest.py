"""A recorded run of two tasks, and what the trace commands print about it."""

import json

import pytest
from click.testing import CliRunner

import bioncl
from bioncl.cli.main import cli

STEPS = 300
SETTINGS = {
    "stream": {"name": "split", "data": "digits", "classes": [[0, 1], [2, 3]]},
    "model": {"name": "mlp", "hidden": [20, 16]},
    "train": {"epochs": 2, "batch_size": 20, "lr": 0.2},
    "methods": [{"name": "src"}],
    "sleep": {
        "steps": STEPS,
        "sees": "current",
        "threads": 1,
        "thresholds": [0.5],
        "drive": {"name": "mean"},
        "rule": {"name": "gated", "inc": 0.01, "dec": 0.01},
    },
}


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """The trace of a run of two tasks, a night after each."""
    out = tmp_path_factory.mktemp("run")
    bioncl.run(SETTINGS, out=out)
    return out / "trace.h5"


@pytest.fixture(scope="session")
def trace(path):
    """The same, open."""
    with bioncl.open_trace(path) as opened:
        yield opened


@pytest.fixture
def shown():
    """What `bioncl trace WORDS` prints; standard output of --json must be nothing but JSON."""

    def show(*words):
        arguments = ["trace", *map(str, words)]
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        assert result.exit_code == 0, result.stderr
        assert result.stderr == ""
        return json.loads(result.stdout) if "--json" in words else result.stdout

    return show
