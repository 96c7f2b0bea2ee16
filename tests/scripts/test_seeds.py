"""The seeds script: a folder for each name and seed, and finished runs read again."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from click.testing import CliRunner

SCRIPT = Path(__file__).parents[2] / "scripts" / "seeds.py"
SMALL = """
[stream]
name = "split"
data = "digits"
classes = [[0, 1], [2, 3]]
[model]
name = "mlp"
hidden = [12]
[train]
epochs = 1
[[methods]]
name = "naive"
"""


@pytest.fixture(scope="module")
def seeds():
    spec = importlib.util.spec_from_file_location("seeds", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_names_that_end_in_a_number_keep_apart_and_a_second_call_reads(seeds, tmp_path):
    """night-0.5 and night-0.1 are two settings, and neither is night-0."""
    for share in ("0.5", "0.1"):
        (tmp_path / f"night-{share}.toml").write_text(SMALL)
    files = [str(tmp_path / f"night-{share}.toml") for share in ("0.5", "0.1")]
    out = tmp_path / "runs"
    command = ["--seeds", "2", "--out", str(out), "--set", "trace.record=false", *files]
    first = CliRunner().invoke(seeds.main, command, catch_exceptions=False)
    folders = {path.name for path in out.iterdir()}
    assert folders == {"night-0.5-trace.record=false", "night-0.1-trace.record=false"}
    times = {path: path.stat().st_mtime_ns for path in out.rglob("result.json")}
    assert len(times) == 4
    again = CliRunner().invoke(seeds.main, command, catch_exceptions=False)
    assert again.output == first.output
    assert " ± " in first.output
    assert times == {path: path.stat().st_mtime_ns for path in out.rglob("result.json")}
