"""The demonstration's table: numbers of the result files in their places."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "demo_table.py"


@pytest.fixture
def runs(tmp_path):
    """Four runs of two tasks; the one with sleep has a trace and a figure."""
    names = ("mnist-5k-naive", "mnist-5k", "mnist-5k-rehearsal", "mnist-5k-joint")
    for number, name in enumerate(names):
        result = {
            "accuracy": [[1.0], [0.25, 0.1 * number]],
            "acc": 0.5 + 0.1 * number,
            "seconds": {"train": 1.0, "sleep": 2.0 * number, "eval": 0.25},
            "memory_bytes": {"stored_examples": 1000 * number, "method_state": 0},
        }
        if name == "mnist-5k":
            result["trace"] = "trace.h5"
        folder = tmp_path / name
        folder.mkdir()
        (folder / "result.json").write_text(json.dumps(result))
    (tmp_path / "mnist-5k" / "raster.png").touch()
    return tmp_path


def test_each_run_has_its_line(runs):
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(runs)], capture_output=True, text=True, check=True
    )
    lines = done.stdout.splitlines()
    assert [line.split("  ")[0] for line in lines[1:5]] == [
        "without sleep",
        "with sleep",
        "rehearsal",
        "joint",
    ]
    assert lines[2].split()[2:] == ["60.0", "25.0", "10.0", "3.2", "1,000"]
    assert len({len(line) for line in lines[:5]}) == 1
    assert f"with sleep: {runs / 'mnist-5k' / 'trace.h5'}" in lines
    assert f"with sleep: {runs / 'mnist-5k' / 'raster.png'}" in lines
