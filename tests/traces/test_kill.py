"""A killed run leaves every whole night, and the unfinished one up to its last whole block."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import bioncl


@pytest.mark.skipif(sys.platform == "win32", reason="needs fork and SIGKILL")
@pytest.mark.parametrize("kills", [10, pytest.param(100, marks=pytest.mark.slow)])
def test_what_a_kill_leaves_can_be_read(tmp_path: Path, kills: int) -> None:
    """Writers that do nothing but write blocks are killed; all that is left is compared."""
    driver = Path(__file__).with_name("killed_writer.py")
    arguments = [sys.executable, str(driver), str(tmp_path), str(kills)]
    here = {**os.environ, "PYTHONPATH": str(Path(bioncl.__file__).parents[1])}
    done = subprocess.run(
        arguments, env=here, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["parts"] > kills // 2
    assert found["opened"] == found["parts"], found["refused"]
    assert found["nights_after_all"] == found["nights_expected"]
    assert not found["part_left"]
