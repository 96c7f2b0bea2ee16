"""`bioncl run`: what is printed, where everything goes, and how a run goes on."""

import json
import sys
from pathlib import Path

import pytest

from bioncl.cli.run import accuracy_rows, again
from bioncl.cli.settings_options import parse_sets, value_of
from bioncl.errors import InputError
from bioncl.experiments import run as module
from bioncl.experiments import shipped


@pytest.fixture
def words(settings_file, tmp_path):
    """The words of a short run that draws nothing."""
    return ["run", settings_file("src"), "--out", tmp_path / "run", "--no-figures"]


def test_a_run_tells_its_accuracies_and_where_everything_is(command, words, tmp_path):
    code, output, _ = command(*words)
    values = json.loads((tmp_path / "run" / "result.json").read_text())
    assert code == 0
    lines = output.splitlines()
    assert lines[0] == "small · split-digits · class-incremental · src · seed 0"
    assert lines[1].split() == ["task", "0", "task", "1", "task", "2", "all"]
    last = [f"{100 * a:.1f}" for a in (*values["accuracy"][-1], values["acc"])]
    assert lines[3].split()[-4:] == last
    assert lines[3].startswith("after the last night")
    assert f"accuracy {100 * values['acc']:.1f} %" in output
    assert f"result   {tmp_path / 'run' / 'result.json'}" in lines
    assert f"trace    {tmp_path / 'run' / 'trace.h5'}" in lines


def test_figures_are_drawn_unless_told_otherwise(command, words, tmp_path):
    code, output, _ = command(*words[:-1])
    drawn = {path.name for path in (tmp_path / "run" / "figures").iterdir()}
    assert code == 0
    assert "accuracy_matrix.png" in drawn
    assert "raster.png" in drawn
    assert all(name in output for name in drawn)


def test_a_report_is_written_when_asked_for(command, words, tmp_path):
    """The page of `bioncl trace report`, beside the trace that it is about."""
    code, output, _ = command(*words, "--report")
    page = tmp_path / "run" / "report.html"
    assert code == 0
    assert f"report   {page}" in output.splitlines()
    again_code, *_ = command("trace", "report", tmp_path / "run" / "trace.h5")
    assert again_code == 0
    assert page.read_text() == (tmp_path / "run" / "trace.html").read_text()


def test_a_run_without_nights_says_that_it_has_no_report(command, settings_file, tmp_path):
    out = tmp_path / "run"
    words = ["run", settings_file(), "--out", out, "--no-figures", "--report"]
    code, output, told = command(*words)
    assert code == 0
    assert "recorded no nights" in told
    assert "report" not in output
    assert not (out / "report.html").exists()


def test_the_default_folder_is_named_after_settings_and_seed(
    command, settings_file, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    path = settings_file()
    assert command("run", path, "--seed", 4, "--no-figures")[0] == 0
    assert (tmp_path / "runs" / "small-seed4" / "result.json").is_file()


def test_options_replace_settings(command, words):
    code, output, _ = command(
        *words, "--seed", 9, "--set", "train.epochs=[1, 2]", "--set", "title=a b", "--json"
    )
    settings = json.loads(output)["settings"]
    assert code == 0
    assert (settings["seed"], settings["train"]["epochs"], settings["title"]) == (9, [1, 2], "a b")


def test_resuming_a_complete_run_prints_it_again(command, words):
    first = command(*words)
    second = command(*words, "--resume")
    assert second == (0, first[1], "")


def test_list_shows_every_shipped_name_with_its_title(command):
    code, output, errors = command("run", "--list")
    assert (code, errors) == (0, "")
    for item in shipped.catalogue():
        assert any(
            line.startswith(f"{item.name} ") and line.endswith(item.title)
            for line in output.splitlines()
        )
    listed = json.loads(command("run", "--list", "--json")[1])["settings"]
    assert [item["name"] for item in listed] == shipped.names()
    assert set(listed[0]) == {"name", "title", "paper"}


def test_an_interrupt_saves_tells_and_goes_on(command, words, monkeypatch, tmp_path):
    """Ctrl-C while the second checkpoint is about to be made."""
    snapshot, calls = module.snapshot, []

    def interrupted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return snapshot(*given)

    monkeypatch.setattr(module, "snapshot", interrupted)
    code, output, errors = command(*words)
    assert (code, output) == (130, "")
    hint = errors.splitlines()[-1]
    assert hint.startswith("Interrupted. Finished tasks are saved; go on with: bioncl run ")
    assert hint.endswith(" --resume")
    assert [path.name for path in (tmp_path / "run" / "checkpoints").iterdir()] == [
        "task-01.safetensors"
    ]
    code, _, errors = command(*words, "--resume")
    assert code == 0
    assert "resuming after task 1 of 3" in errors


@pytest.mark.parametrize(
    ("typed", "command_again"),
    [
        (["run", "a b", "--seed", "1"], "bioncl run 'a b' --seed 1 --out 'my runs/x' --resume"),
        (["run", "s", "--resume", "--out", "o"], "bioncl run s --out o --resume"),
        (["run", "s", "--out=o", "--set", "a=[1]"], "bioncl run s --out=o --set 'a=[1]' --resume"),
    ],
)
def test_the_command_that_goes_on_is_the_one_typed(monkeypatch, typed, command_again):
    monkeypatch.setattr(sys, "argv", ["bioncl", *typed])
    assert again(Path("my runs/x")) == command_again


def test_without_sleep_there_is_one_row():
    values = {"tasks": ["a", "b"], "accuracy": [[1.0, 0.0], [0.25, 0.5]], "acc": 0.375}
    assert accuracy_rows(values) == [
        ("", "task 0", "task 1", "all"),
        ("after the last task", "25.0", "50.0", "37.5"),
    ]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0.05", 0.05),
        ("3", 3),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('{ name = "mean" }', {"name": "mean"}),
        ('"3"', "3"),
        ("mnist", "mnist"),
        ("a = b", "a = b"),
        ("", ""),
        ("1e-3", 1e-3),
    ],
)
def test_set_values_are_toml_or_else_text(text, value):
    assert value_of(text) == value
    assert type(value_of(text)) is type(value)


def test_set_splits_at_the_first_equals_sign():
    assert parse_sets(("a.b = 1", "c=d=e")) == [("a.b", 1), ("c", "d=e")]


def test_help_has_examples(command):
    output = command("run", "--help")[1]
    assert "bioncl run mnist-5k --seed 3" in output
    assert "--resume" in output


def test_the_names_in_the_help_exist():
    assert "mnist-5k" in shipped.names()
    with pytest.raises(InputError):
        shipped.read("mnist-5")
