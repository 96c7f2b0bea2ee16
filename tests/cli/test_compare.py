"""`bioncl compare`: what is read, printed and written, and how it ends."""

import errno
import json
import sys

import pytest

from bioncl import atomic
from bioncl.cli.compare_arguments import expanded, shortened, split_values
from bioncl.cli.compare_table import HEAD
from bioncl.experiments import run as run_module


@pytest.fixture
def words(settings_file, tmp_path):
    """The words of a short comparison in this process: naive, and rehearsal with two memories."""
    naive = settings_file(name="naive.toml")
    memory = settings_file("rehearsal", name="memory.toml")
    out = ["--out", tmp_path / "out", "--workers", 0, "--seeds", 2]
    return ["compare", naive, f"{memory}:methods.0.memory=10,40", *out]


def test_a_comparison_prints_a_line_for_each_and_writes_everything(command, words, tmp_path):
    code, output, progress = command(*words)
    out = tmp_path / "out"
    lines = output.splitlines()
    assert code == 0
    assert lines[0] == "split-digits · class-incremental · against naive"
    assert lines[1].split()[:2] == ["SETTINGS", "ACC"]
    assert [line.split("  ")[0] for line in lines[2:5]] == [
        "naive",
        "memory memory=10",
        "memory memory=40",
    ]
    assert all(line.endswith("2/2") for line in lines[2:5])
    assert lines[5] == f"results  {out / 'results.csv'}"
    assert lines[6] == f"report   {out / 'report.html'}"
    assert "runs: 6/6" in progress
    assert {"comparison.json", "results.csv", "summary.csv", "report.html", "runs"} <= {
        path.name for path in out.iterdir()
    }
    assert "bioncl compare" in (out / "report.html").read_text()


def test_json_is_all_that_is_printed(command, words):
    code, output, _ = command(*words, "--json", "--baseline", "memory memory=40")
    found = json.loads(output)
    assert code == 0
    assert found["failed"] == 0
    assert [one["settings"] for one in found["summary"]] == [
        "naive",
        "memory memory=10",
        "memory memory=40",
    ]
    assert [one["baseline"] for one in found["summary"]] == ["memory memory=40"] * 3
    assert found["summary"][2]["difference"] is None


def test_a_failed_run_is_told_and_the_rest_is_compared(command, words, settings_file, tmp_path):
    wild = settings_file(name="wild.toml", train={"lr": 1e30})
    code, output, errors = command(*words, wild)
    assert code == 1
    assert "2 of 8 runs failed" in errors.splitlines()[-1]
    assert "wild, seed 0, failed: Training of task 1 diverged" in errors
    lines = output.splitlines()
    assert lines[5].split() == ["wild", *["–"] * (len(HEAD) - 2), "0/2"]
    assert "diverged" in (tmp_path / "out" / "report.html").read_text()


def test_options_reach_every_run(command, words, tmp_path):
    code, *_ = command(*words, "--set", "train.epochs=1", "--data-dir", tmp_path)
    assert code == 0
    for path in (tmp_path / "out").glob("runs/*/settings.json"):
        settings = json.loads(path.read_text())
        assert settings["train"]["epochs"] == 1
        assert settings["data"]["dir"] == str(tmp_path)
    commands = (tmp_path / "out" / "comparison.json").read_text()
    assert "--set train.epochs=1 --data-dir" in commands


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["no-such-settings"], "No settings 'no-such-settings'"),
        (["mnist-5k:sleep.stepps=3"], "unknown key"),
        (["mnist-5k:sleep.steps="], "KEY=VALUE,VALUE"),
        (["--baseline", "x"], "baseline 'x' is not compared"),
        (["--workers", 2, "--scheduler", "tcp://x:1"], "Give one"),
        (["--seeds", 0], "--seeds"),
    ],
)
def test_bad_input_stops_before_anything_runs(command, words, tmp_path, more, message):
    code, output, errors = command(*words, *more)
    assert (code, output) == (2, "")
    assert message in errors
    assert not (tmp_path / "out").exists()


def test_an_interrupt_tells_the_command_that_goes_on(command, words, monkeypatch, tmp_path):
    """Ctrl-C in the second run; the same command then does what is left."""
    original, calls = run_module.summary, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return original(*given)

    monkeypatch.setattr(run_module, "summary", interrupted)
    code, output, errors = command(*words)
    assert (code, output) == (130, "")
    hint = "Interrupted. Finished runs are saved; go on with: bioncl compare "
    assert errors.splitlines()[-1].startswith(hint)
    assert len(list((tmp_path / "out").glob("runs/*/result.json"))) == 1
    code, _, _ = command(*words)
    assert code == 0
    assert len(calls) == 2 + 5


def test_on_a_terminal_the_table_has_lines(command, words, monkeypatch, capfd):
    command(*words)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    _, output, _ = command(*words, "--quiet")
    assert "━" in output
    assert "memory memory=10" in output


def test_a_full_disk_is_told(command, words, monkeypatch, tmp_path):
    """The runs are there, the table is not, and no half of it."""
    original = atomic.commit

    def full(part, path):
        if path.name == "results.csv":
            raise OSError(errno.ENOSPC, "No space left on device")
        original(part, path)

    monkeypatch.setattr(atomic, "commit", full)
    code, _, errors = command(*words)
    assert code == 1
    assert "results.csv (No space left on device)" in errors
    assert len(list((tmp_path / "out").glob("runs/*/result.json"))) == 6
    assert not list((tmp_path / "out").glob("results.csv*"))


@pytest.mark.parametrize(
    ("argument", "found"),
    [
        ("mnist-5k", [("mnist-5k", ())]),
        ("dir/my.toml", [("dir/my.toml", ())]),
        ("C:/my.toml", [("C:/my.toml", ())]),
        ("a:m.0.memory=1,2", [("a", ("m.0.memory=1",)), ("a", ("m.0.memory=2",))]),
        ("a:x=[1, 2],3", [("a", ("x=[1, 2]",)), ("a", ("x=3",))]),
        (
            "a:x=1,2:y=b,c",
            [("a", (f"x={x}", f"y={y}")) for x in (1, 2) for y in ("b", "c")],
        ),
    ],
)
def test_variations_are_all_combinations(argument, found):
    assert expanded(argument) == found


def test_values_are_split_outside_of_brackets_and_quotes():
    text = """1,[2,{a="]",b=3}],'4,5',"6,'7" """
    assert list(split_values(text)) == ["1", '[2,{a="]",b=3}]', "'4,5'", '"6,\'7" ']


def test_labels_have_the_last_part_of_a_key():
    assert shortened(("methods.0.memory=10", "x=a.b=c")) == "memory=10 x=a.b=c"
