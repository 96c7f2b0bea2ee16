"""The benchmarks start: their imports hold, and what they cannot measure here they say."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).parents[2] / "benchmarks"
EACH = """
import runpy, sys
for script in sys.argv[1:]:
    sys.argv = [script, "--help"]
    try:
        runpy.run_path(script, run_name="__main__")
    except SystemExit as end:
        assert end.code == 0, script
"""
"""One process for all of them: importing torch is most of the work."""


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], cwd=FOLDER, capture_output=True, text=True)


def startable(path: Path) -> bool:
    text = path.read_text()
    return "__main__" in text and ("import optuna" not in text or find_spec("optuna") is not None)


def test_every_script_explains_itself():
    scripts = [path.name for path in FOLDER.glob("*.py") if startable(path)]
    assert {"gpu.py", "learning.py", "night.py", "trace.py"} <= set(scripts)
    done = run("-c", f"import sys; sys.path.insert(0, '')\n{EACH}", *scripts)
    assert done.returncode == 0, done.stderr
    for script in scripts:
        assert f"usage: {script}" in done.stdout


@pytest.mark.skipif(torch.cuda.is_available(), reason="a GPU is here, and would be measured")
def test_without_a_gpu_nothing_is_measured(tmp_path):
    done = run("gpu.py", "--out", str(tmp_path / "gpu.json"))
    assert done.returncode == 2
    assert done.stderr.startswith("Nothing measured: ")
    assert not (tmp_path / "gpu.json").exists()
