"""`bioncl train`: one awake task, from and to a checkpoint."""

import json

import pytest

from bioncl.models.checkpoint import load


def test_a_task_is_learnt_and_written(command, settings_file, tmp_path):
    out = tmp_path / "below" / "day"
    code, output, errors = command("train", settings_file("src"), "--task", 1, "--out", out)
    assert code == 0
    header = load(out).header
    assert (header["tasks_done"], header["asleep"], header["name"]) == (1, False, "small")
    row = header["progress"]["asleep"][0]
    assert output.splitlines() == [
        f"accuracy {100 * header['progress']['all'][0]:.1f} %   each task "
        + "  ".join(f"{100 * a:.1f}" for a in row),
        f"checkpoint {out}",
    ]
    assert "epochs: 3/3" in errors


def test_json_tells_the_same(command, settings_file, tmp_path):
    words = ["train", settings_file(), "--task", 1, "--out", tmp_path / "day", "--json"]
    code, output, errors = command(*words)
    values = json.loads(output)
    assert (code, errors) == (0, "")
    progress = load(tmp_path / "day").header["progress"]
    assert values == {
        "accuracy": progress["asleep"][0],
        "accuracy_all": progress["all"][0],
        "checkpoint": str(tmp_path / "day"),
    }


@pytest.mark.parametrize("methods", [("naive",), ("rehearsal",)])
def test_tasks_one_by_one_are_a_run(command, settings_file, tmp_path, methods):
    """Accuracies bit for bit, methods that remember included."""
    path = settings_file(*methods)
    words = ["run", path, "--out", tmp_path / "run", "--no-figures", "--json", "--seed", 2]
    whole = json.loads(command(*words)[1])
    rows, start = [], []
    for task in (1, 2, 3):
        out = tmp_path / f"day{task}"
        words = ["train", path, "--task", task, *start, "--out", out, "--seed", 2, "--json"]
        rows.append(json.loads(command(*words)[1])["accuracy"])
        start = ["--from", out]
    assert rows == whole["accuracy"]
    assert rows[2] != rows[0]


def test_a_checkpoint_may_replace_the_one_it_goes_on_from(command, settings_file, tmp_path):
    path, out = settings_file(), tmp_path / "c"
    assert command("train", path, "--task", 1, "--out", out)[0] == 0
    assert command("train", path, "--task", 2, "--from", out, "--out", out)[0] == 0
    assert load(out).header["tasks_done"] == 2


def test_help_shows_day_and_night_in_turn(command):
    output = command("train", "--help")[1]
    assert "bioncl sleep day1 --out night1" in output
