"""Scores against answers known beforehand."""

from __future__ import annotations

import pytest
import torch

from bioncl.learning import evaluation
from bioncl.learning.evaluation import evaluate
from bioncl.models.mlp import MLP
from bioncl.streams.stream import Examples, Stream, Task

CPU = torch.device("cpu")


def told_stream(labels, scenario="class", outputs=4):
    """Tasks whose test inputs are one-hot: output k is right where the input says k."""

    def build(index):
        says, is_ = labels[index]
        test = Examples(torch.eye(outputs)[torch.tensor(says)], torch.tensor(is_))
        group = (2 * index, 2 * index + 1)
        return Task(index, group, Examples(test.x[:0], test.y[:0]), test, "")

    return Stream("told", scenario, outputs, (outputs,), len(labels), build)


def echo(outputs=4, head="single"):
    """A network whose largest output is the place of the one in the input."""
    model = MLP(hidden=(), head=head, bias=False).build((outputs,), outputs, [(0, 1), (2, 3)], 0)
    for index in range(2):
        model.start_task(index)
    model.write_stack([torch.eye(outputs)])
    return model


def test_counts_what_is_right():
    stream = told_stream([([0, 1, 1, 0], [0, 1, 0, 1]), ([2, 3, 2, 0], [2, 3, 2, 3])])
    assert evaluate(echo(), stream, CPU).tasks == (0.5, 0.75)


def test_all_is_over_examples_not_over_tasks():
    """Three of four and one of one: 4/5, not the mean of 0.75 and 1."""
    stream = told_stream([([0, 1, 1, 0], [0, 1, 1, 1]), ([2], [2])])
    assert evaluate(echo(), stream, CPU).all == pytest.approx(4 / 5)


def test_all_is_the_mean_over_tasks_where_the_task_is_told():
    stream = told_stream([([0, 1, 1, 0], [0, 1, 1, 1]), ([2], [2])], "task")
    assert evaluate(echo(head="masked"), stream, CPU).all == pytest.approx((0.75 + 1) / 2)


@pytest.mark.parametrize("head", ["masked", "per-task"])
def test_the_task_is_told_only_in_its_scenario(head):
    """Inputs that point to the other task's outputs are rescued by knowing the task."""
    model = echo(head=head)
    model.write_stack([torch.eye(4) + 0.5 * torch.eye(4).roll(2, 0)])  # second choice: two further
    labels = [([2, 3], [0, 1]), ([0, 1], [2, 3])]
    assert evaluate(model, told_stream(labels, "class"), CPU).tasks == (0.0, 0.0)
    assert evaluate(model, told_stream(labels, "task"), CPU).tasks == (1.0, 1.0)
    assert model(torch.eye(4)).min() >= 0  # no output is left blocked


def test_the_last_example_is_scored(monkeypatch):
    """Also where the last part of the data is one example; GEM's code leaves it out."""
    monkeypatch.setattr(evaluation, "EVALUATION_BATCH", 3)
    for count in range(1, 8):
        says = [0] * count
        wrong_last = told_stream([(says, [0] * (count - 1) + [1])])
        assert evaluate(echo(), wrong_last, CPU).tasks == (pytest.approx((count - 1) / count),)


def test_empty_test_data_scores_zero():
    stream = told_stream([([0], [0]), ([], [])])
    build = stream.build

    def with_empty(index):
        task = build(0)
        test = task.test if index == 0 else Examples(task.test.x[:0], task.test.y[:0])
        return Task(index, task.outputs, task.train, test, "")

    stream = Stream("told", "class", 4, (4,), 2, with_empty)
    found = evaluate(echo(), stream, CPU)
    assert (found.tasks, found.all) == ((1.0, 0.0), 1.0)


def test_a_method_may_read_out_by_itself():
    stream = told_stream([([0, 1], [0, 1]), ([2, 3], [2, 3])])
    found = evaluate(echo(), stream, CPU, lambda model, x: (model(x).argmax(1) + 1) % 4)
    assert (found.tasks, found.all) == ((0.0, 0.0), 0.0)


@pytest.mark.parametrize("training", [True, False])
def test_dropout_is_off_and_the_mode_comes_back(training):
    model = MLP(hidden=(50,), dropout=0.9).build((4,), 4, [(0, 1), (2, 3)], 0).train(training)
    stream = told_stream([([0, 1] * 50, [0, 1] * 50)])
    torch.manual_seed(0)
    state = torch.get_rng_state()
    evaluate(model, stream, CPU)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training is training
