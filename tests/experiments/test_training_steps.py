"""Training steps in result.json: those of the loop and those that methods make by themselves."""

import pytest

import bioncl

LOOP = 3 * 3 * 5
"""Tasks, epochs and batches of 20 of 100 images."""


@pytest.fixture
def steps(settings):
    """A function that runs methods and gives the steps."""

    def run(*methods, **tables):
        tables = settings("naive", **{"stream": {"train_per_task": 100}} | tables)
        result = bioncl.run(tables | {"methods": list(methods)})
        return result.values["training_steps"]

    return run


def test_the_loop_counts_every_batch(steps):
    assert steps({"name": "naive"}) == LOOP
    assert steps({"name": "rehearsal"}, train={"epochs": [3, 1, 2]}) == (3 + 1 + 2) * 5


def test_joint_trains_on_more_with_every_task(steps):
    assert steps({"name": "joint"}) == 3 * (5 + 10 + 15)


def test_phases_of_a_method_count(steps):
    """Retraining after pruning: two epochs after each task but the last, which is not pruned."""
    stream = {"stream": {"scenario": "task", "train_per_task": 100}, "model": {"head": "per-task"}}
    found = steps({"name": "packnet", "retrain_epochs": 2}, **stream)
    assert found == LOOP + 2 * 2 * 5


def test_steps_between_solutions_count(steps):
    """mc-sgd joins from the second task on."""
    stream = {"stream": {"scenario": "task", "train_per_task": 100}, "model": {"head": "per-task"}}
    found = steps({"name": "mc-sgd", "steps": 7, "points": 2}, **stream)
    assert found == LOOP + 2 * 7


def test_stored_examples_are_counted_as_they_are_held(settings):
    """Read ones too: joint reads all tasks but the last."""
    stream = {"train_per_task": 100}
    held = bioncl.run(settings("rehearsal", "gdumb", stream=stream)).values["stored_examples"]
    assert held == 200 + 300
    assert bioncl.run(settings("joint", stream=stream)).values["stored_examples"] == 200
    assert bioncl.run(settings("lwf", stream=stream)).values["stored_examples"] == 0
