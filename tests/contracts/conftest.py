"""What the tests of refused input and of full disks share."""

from __future__ import annotations

import pytest


def contents(folder):
    """All files of a folder with their bytes."""
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def refused(command, tmp_path):
    """A function that calls a command which must fail and change nothing; returns the message."""

    def call(*words, code=2):
        before = contents(tmp_path)
        got, output, errors = command(*words)
        messages = [line for line in errors.splitlines() if "error: " in line.lower()]
        assert got == code, errors
        assert output == ""
        assert len(messages) == 1, errors
        assert "Traceback" not in errors
        assert "unexpected error" not in errors
        assert contents(tmp_path) == before
        return errors

    return call


@pytest.fixture
def checkpoint(command, settings_file, tmp_path):
    """A checkpoint after the first task."""
    path = tmp_path / "day.safetensors"
    code, _, errors = command("train", settings_file("src"), "--task", 1, "--out", path)
    assert code == 0, errors
    return path
