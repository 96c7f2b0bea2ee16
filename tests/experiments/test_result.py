"""Results: growing task by task, and read back as they were written."""

import json
import pickle

import pytest

from bioncl.errors import InputError
from bioncl.experiments.result import Progressed, RunResult, measures
from bioncl.learning.evaluation import Scores
from bioncl.learning.loop import TaskOutcome

FIRST = TaskOutcome(0, Scores((0.9, 0.1), 0.5), Scores((1.0, 0.0), 0.6), {"train": 1.0, "eval": 2})
SECOND = TaskOutcome(1, Scores((0.6, 0.8), 0.7), Scores((0.2, 0.9), 0.4), {"train": 3.0, "eval": 1})
BOTH = Progressed((0.3, 0.4)).plus(FIRST).plus(SECOND)


def test_measures_by_hand():
    """bwt = 0.6 - 0.9, fwt = 0.1 - 0.4, forgetting = 0.9 - 0.6."""
    found = measures(BOTH, "class")
    assert found["accuracy"] == ((0.9, 0.1), (0.6, 0.8))
    assert found["accuracy_awake"] == ((1.0, 0.0), (0.2, 0.9))
    assert found["acc"] == 0.7
    assert found["bwt"] == pytest.approx(-0.3)
    assert found["fwt"] == pytest.approx(-0.3)
    assert found["forgetting"] == pytest.approx(0.3)


@pytest.mark.parametrize(("scenario", "acc"), [("class", 0.7), ("domain", 0.7), ("task", 0.7)])
def test_acc_is_on_all_data_or_the_mean_over_tasks(scenario, acc):
    uneven = Progressed((0.0, 0.0)).plus(FIRST).plus(
        TaskOutcome(1, Scores((0.6, 0.8), 0.62), None, {})
    )  # fmt: skip
    expected = 0.62 if scenario != "task" else acc
    assert measures(uneven, scenario)["acc"] == pytest.approx(expected)


def test_times_add_up():
    assert BOTH.seconds == {"train": 4.0, "eval": 3}


def test_nothing_awake_without_sleep():
    plain = Progressed((0.0,)).plus(TaskOutcome(0, Scores((1.0,), 1.0), None, {}))
    assert "accuracy_awake" not in measures(plain, "class")


def test_progress_survives_json():
    assert Progressed.of(json.loads(json.dumps(BOTH.tables()))) == BOTH


def test_a_result_survives_its_file_and_a_pickle(tmp_path):
    result = RunResult({"schema": 1, "acc": 0.1 + 0.2, "accuracy": [[1 / 3]]})
    result.save(tmp_path / "result.json")
    assert RunResult.read(tmp_path / "result.json") == result
    assert pickle.loads(pickle.dumps(result)) == result
    assert json.loads(result.to_json()) == result.values
    assert (result.acc, result.accuracy) == (0.1 + 0.2, [[1 / 3]])


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema": "x"}', None])
def test_what_is_not_a_result_is_refused(tmp_path, content):
    path = tmp_path / "result.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"result\.json is not a result"):
        RunResult.read(path)


def test_a_newer_schema_is_refused(tmp_path):
    (tmp_path / "r.json").write_text('{"schema": 2}')
    with pytest.raises(InputError, match="newer bioncl: expected schema 1, got 2"):
        RunResult.read(tmp_path / "r.json")
