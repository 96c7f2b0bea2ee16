"""What may vary: what a space file says, and every way in which it can be wrong."""

from __future__ import annotations

import pytest

from bioncl.errors import SettingsError
from bioncl.experiments import shipped
from bioncl.experiments.settings import load
from bioncl.experiments.tuning.plan import make_plan
from bioncl.experiments.tuning.space import (
    Choices,
    Range,
    names,
    read_space,
    settings_of,
    space_of,
    stored,
)
from bioncl.experiments.tuning.study import distribution

FITTING = {
    "short-night": ["short-night-mnist", "short-night-fashion", "agbld-mnist-1200", "mnist-5k"],
    "published-night": ["tadros2022-mnist", "tadros2022-fashion", "tadros2022-cifar10-features"],
    "any-night": ["tadros2022-mnist", "mnist-5k", "tadros2022-mnist-rehearsal-src-1"],
}


def test_dotted_keys_and_nested_tables_say_the_same():
    flat = {"sleep.rule.inc": {"low": 0.1, "high": 1}, "sleep.when": {"choices": ["a", "b"]}}
    nested = {"sleep": {"rule": {"inc": flat["sleep.rule.inc"]}, "when": flat["sleep.when"]}}
    assert space_of(flat, "x") == space_of(nested, "x")
    assert space_of(flat, "x")["sleep.rule.inc"] == Range(0.1, 1.0)


def test_a_file_holds_the_keys_itself_or_in_a_table(tmp_path):
    line = '"sleep.steps" = { low = 1, high = 9, int = true, log = true }\n'
    path = tmp_path / "space.toml"
    path.write_text(line)
    bare = read_space(path)
    path.write_text(f"[tune]\n{line}")
    assert read_space(path) == bare == {"sleep.steps": Range(1, 9, log=True, int=True)}


@pytest.mark.parametrize(
    ("tables", "told"),
    [
        ({}, "No key"),
        ({"data.evaluate_on": {"choices": ["test", "validation"]}}, "data.evaluate_on cannot"),
        ({"data": {"validation": {"low": 0, "high": 0.5}}}, "data.validation cannot"),
        ({"seed": {"low": 0, "high": 9, "int": True}}, "seed cannot"),
        ({"stream.test_per_task": {"low": 1, "high": 9, "int": True}}, "stream.test_per_task"),
        ({"sleep": {"low": 0, "high": 1}}, "sleep cannot"),
        ({"sleep.rate": 3}, "sleep.rate: expected { low"),
        ({"sleep.rate": {"low": 3, "high": 3}}, "low < high"),
        ({"sleep.rate": {"low": 3}}, r"sleep\.rate\.high: expected a finite number, got null"),
        ({"sleep.rate": {"low": 0, "high": 3, "log": True}}, "more than 0"),
        ({"sleep.rate": {"low": 0, "high": 3, "log": 1}}, "true or false"),
        ({"sleep.rate": {"low": 0, "high": float("inf")}}, "finite"),
        ({"sleep.steps": {"low": 0.5, "high": 3, "int": True}}, "whole"),
        ({"sleep.rate": {"low": 0, "hihg": 3}}, "Did you mean 'high'"),
        ({"sleep.when": {"choices": ["last"]}}, "two or more"),
        ({"sleep.when": {"choices": ["last", "last"]}}, "two or more"),
        ({"sleep.when": {"choices": "last"}}, "two or more"),
    ],
)
def test_a_wrong_space_is_refused_with_its_place(tables, told):
    with pytest.raises(SettingsError, match=told):
        space_of(tables, "x")


def test_every_fault_is_told_at_once():
    wrong = {"sleep.rate": {"low": 3, "high": 1}, "seed": {"low": 1, "high": 2}}
    with pytest.raises(SettingsError, match=r"(?s)sleep\.rate.*seed"):
        space_of(wrong, "x")


def test_an_unknown_space_is_refused_with_those_that_ship():
    with pytest.raises(SettingsError, match="Did you mean 'short-night'"):
        read_space("short-nigth")


def test_choices_survive_the_study():
    """Lists, tables and look-alikes come back as they were."""
    values = [[1.0], {"name": "mean"}, 1, True, 1.5, "1"]
    choices = Choices(tuple(values))
    assert [choices.setting(stored(value)) for value in values] == values
    types = [type(choices.setting(stored(value))) for value in values]
    assert types == [type(value) for value in values]
    assert settings_of({"a": choices}, {"a": '{"name": "mean"}'}) == {"a": {"name": "mean"}}


def test_what_stands_in_the_settings_is_found_in_a_dimension():
    whole = Range(1, 9, int=True)
    assert (whole.stored(3), whole.stored(10), whole.stored("3"), whole.stored(True)) == (
        3,
        None,
        None,
        None,
    )
    assert Choices(([1.0], [2.0])).stored([2.0]) == "[2.0]"
    assert Choices(([1.0], [2.0])).stored([3.0]) is None


def test_dimensions_in_the_words_of_optuna():
    """Draw with Optuna itself."""
    import optuna

    space = {
        "whole": Range(1, 3, int=True),
        "log": Range(1e-3, 1.0, log=True),
        "one": Choices(("a", [1])),
    }
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    asked = [
        study.ask({key: distribution(one) for key, one in space.items()}).params for _ in range(60)
    ]
    assert {params["whole"] for params in asked} == {1, 2, 3}
    assert {params["one"] for params in asked} == {"a", "[1]"}
    below = sum(params["log"] < 10**-1.5 for params in asked)
    assert 15 < below < 45  # the geometric middle halves them


@pytest.mark.parametrize(
    ("space", "name"), [(space, name) for space, fitting in FITTING.items() for name in fitting]
)
def test_spaces_that_ship_suit_their_settings(space, name):
    """Every end is accepted, and the settings as they are lie inside or are named here."""
    plan = make_plan(name, space)
    outside = {"agbld-mnist-1200"}  # its thresholds of 14 and more are beyond the range
    assert (plan.start() is not None) == (name not in outside)


def test_every_space_that_ships_is_tried():
    assert names() == sorted(FITTING)
    assert {name for fitting in FITTING.values() for name in fitting} <= set(shipped.names())


def test_runs_pass_over_the_table(settings):
    tables = settings("src")
    assert load({**tables, "tune": {"sleep.steps": {"low": 1, "high": 2}}}).resolved == (
        load(tables).resolved
    )
