"""`bioncl sleep`: one night of a checkpoint."""

import json

import pytest

from bioncl import open_trace
from bioncl.models.checkpoint import load


@pytest.fixture
def day(command, settings_file, tmp_path):
    """A function that makes a checkpoint after the first, awake task."""

    def make(*methods):
        path = tmp_path / "day"
        words = ["train", settings_file(*methods), "--task", 1, "--out", path]
        assert command(*words)[0] == 0
        return path

    return make


def test_a_night_is_written_and_told(command, day, tmp_path):
    out, trace = tmp_path / "night", tmp_path / "night.h5"
    code, output, errors = command("sleep", day("src"), "--out", out, "--trace", trace)
    assert code == 0
    lines = output.splitlines()
    assert lines[0].split() == ["task", "0", "task", "1", "task", "2", "all"]
    assert lines[1].startswith("awake ")
    assert lines[2].startswith("after the night ")
    assert lines[3:] == [f"checkpoint {out}", f"trace      {trace}"]
    assert "night: steps: 300/300" in errors
    with open_trace(trace) as opened:
        assert [(night.task, night.steps) for night in opened.nights] == [(0, 300)]
    assert load(out).header["asleep"]


def test_the_checkpoint_before_the_night_is_left_alone(command, day, tmp_path):
    before = day("src")
    content = before.read_bytes()
    assert command("sleep", before, "--out", tmp_path / "night")[0] == 0
    assert before.read_bytes() == content
    old, new = load(before).tensors, load(tmp_path / "night").tensors
    assert any(not old[name].equal(new[name]) for name in old)


def test_without_a_trace_none_is_written(command, day, tmp_path):
    start = day("src")
    before = set(tmp_path.iterdir())
    assert command("sleep", start, "--out", tmp_path / "night")[0] == 0
    assert set(tmp_path.iterdir()) - before == {tmp_path / "night"}


def test_options_shape_the_night(command, day, tmp_path):
    words = ["--steps", 40, "--engine", "dense", "--rule", "constant", "--set", "sleep.decay=0.5"]
    code, _, errors = command("sleep", day("src"), "--out", tmp_path / "n", *words)
    assert code == 0, errors
    night = load(tmp_path / "n").header["settings"]["sleep"]
    assert (night["steps"], night["engine"], night["decay"]) == (40, "dense", 0.5)
    assert night["rule"] == {"name": "constant", "inc": 0.01, "dec": 0.01}
    assert "40/40" in errors


def test_a_network_trained_without_sleep_may_sleep(command, day, tmp_path):
    words = ["--steps", 50, "--set", 'sleep.drive={ name = "mean" }', "--json"]
    code, output, errors = command("sleep", day("naive"), "--out", tmp_path / "n", *words)
    assert (code, errors) == (0, "")
    values = json.loads(output)
    assert set(values) == {
        "accuracy_awake", "accuracy", "accuracy_all_awake", "accuracy_all", "checkpoint"
    }  # fmt: skip
    assert len(values["accuracy"]) == 3


def test_the_same_night_twice_is_the_same(command, day, tmp_path):
    start = day("src")
    for name in ("a", "b"):
        command("sleep", start, "--out", tmp_path / name)
    one, other = load(tmp_path / "a").tensors, load(tmp_path / "b").tensors
    assert all(one[name].equal(other[name]) for name in one)


def test_engines_agree_on_the_night(command, day, tmp_path):
    start = day("src")
    for name in ("dense", "event"):
        command("sleep", start, "--out", tmp_path / name, "--engine", name)
    one, other = load(tmp_path / "dense").tensors, load(tmp_path / "event").tensors
    assert all(one[name].equal(other[name]) for name in one)
