"""`bioncl tune`: what is printed, what is refused, and how a search goes on."""

from __future__ import annotations

import json

import pytest

pytest.importorskip("optuna", reason="needs the extra tune: pip install 'bioncl[tune]'")

SPACE = '"train.lr" = { low = 0.05, high = 0.5, log = true }\n"sleep.steps" = { choices = [0, 9] }'


@pytest.fixture
def words(settings_file, tmp_path):
    """The words of a short search in this process."""
    (tmp_path / "space.toml").write_text(SPACE)
    path = settings_file("src", train={"epochs": 1})
    fast = ["--trials", 2, "--seeds", 1, "--workers", 0]
    return ["tune", path, "--space", tmp_path / "space.toml", "--out", tmp_path / "out", *fast]


def test_a_search_tells_what_it_found_and_how_to_test_it(command, words, tmp_path):
    code, output, _ = command(*words)
    assert code == 0
    assert output.startswith("small · tpe · 2 trials (2 complete)\n")
    assert "held-out training data" in output
    assert f"settings {tmp_path / 'out' / 'best.toml'}" in output.splitlines()
    test = next(line for line in output.splitlines() if line.startswith("test "))
    code, output, _ = command(
        *test.split()[2:], "--out", tmp_path / "run", "--no-figures", "--json"
    )
    assert code == 0
    assert json.loads(output)["settings"]["data"]["evaluate_on"] == "test"


def test_json_prints_one_object(command, words, tmp_path):
    code, output, told = command(*words, "--json")
    values = json.loads(output)
    assert code == 0
    assert told == ""
    assert values["trials"] == {"complete": 2}
    assert values["file"] == str(tmp_path / "out" / "best.toml")
    assert values["plan"]["settings"]["data"]["evaluate_on"] == "validation"


def test_the_same_call_goes_on(command, words):
    first = command(*words, "--json")[1]
    assert command(*words, "--json")[1] == first
    more = json.loads(command(*words, "--trials", 3, "--json")[1])
    assert more["trials"] == {"complete": 3}


def test_the_table_in_the_settings_is_enough(command, settings_file, tmp_path):
    path = settings_file("src", train={"epochs": 1})
    path.write_text(f"{path.read_text()}\n[tune]\n{SPACE}\n")
    out = ["--out", tmp_path / "out", "--trials", 1, "--seeds", 1, "--workers", 0]
    assert command("tune", path, *out)[0] == 0
    assert command("run", path, "--out", tmp_path / "run", "--no-figures")[0] == 0


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--set", "data.evaluate_on=test"], "best.toml runs on the test"),
        (["--space", "nowhere.toml"], "No search space 'nowhere.toml'"),
        (["--sampler", "cmaes"], "two ranges or more"),
        (["--scheduler", "tcp://127.0.0.1:1"], "Give one"),
        (["--set", "sleep.stpes=3"], "sleep.stpes"),
    ],
)
def test_wrong_input_is_refused_before_anything_runs(command, words, tmp_path, more, told):
    code, output, errors = command(*words, *more)
    assert (code, output) == (2, "")
    assert told in errors
    assert not (tmp_path / "out").exists()


@pytest.fixture
def night(words, tmp_path):
    """The words of a short search of the night after task 2."""
    space = '"sleep.rate" = { low = 50.0, high = 300.0 }\n"sleep.steps" = { choices = [9, 99] }'
    (tmp_path / "space.toml").write_text(space)
    return [*words[:-2], "--night", 2, "--together", 2]


def test_one_night_is_searched_and_its_settings_run(command, night, tmp_path):
    code, output, _ = command(*night)
    assert code == 0
    assert output.startswith("small, the night after task 2 · tpe · 2 trials (2 complete)\n")
    assert "accuracy on the tasks learnt so far" in output
    assert (tmp_path / "out" / "awake" / "seed-1000.safetensors").exists()
    best = tmp_path / "out" / "best.toml"
    assert command("run", best, "--out", tmp_path / "run", "--no-figures")[0] == 0
    first = command(*night, "--json")[1]
    assert json.loads(first)["plan"]["night"] == 2
    assert command(*night, "--json")[1] == first


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--workers", 2], "One night is searched in this process"),
        (["--scheduler", "tcp://127.0.0.1:1"], "One night is searched in this process"),
        (["--objective", "stored-bytes"], "does not change 'stored-bytes'"),
        (["--night", 9], "expected 1 to 3, got 9"),
        (["--set", "sleep.when=last"], "No night after task 2 of 3"),
        (["--space", "short-night"], "cannot vary train.lr, train.lr_decay"),
        (["--set", "data.evaluate_on=test"], "best.toml runs on the test"),
    ],
)
def test_a_night_that_cannot_be_searched_is_refused(command, night, tmp_path, more, told):
    code, output, errors = command(*night, *more)
    assert (code, output) == (2, "")
    assert told in errors
    assert not (tmp_path / "out").exists()


def test_together_is_for_one_night(command, words, tmp_path):
    code, _, errors = command(*words, "--together", 8)
    assert code == 2
    assert "--night" in errors
    assert not (tmp_path / "out").exists()


def test_an_interrupted_search_says_how_to_go_on(command, words, monkeypatch):
    from bioncl.experiments.tuning import search

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(search, "run_trial", stopped)
    code, _, errors = command(*words)
    assert code == 130
    assert "go on with: bioncl tune" in errors
    assert "--trials 2" in errors
