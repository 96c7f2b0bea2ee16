"""Naive: the loop and nothing else."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from bioncl.learning.loop import batches, learn_stream
from bioncl.learning.method import Together
from bioncl.methods.naive import Naive


def test_it_is_plain_gradient_descent(toy_stream, toy_learner):
    """The loop equals SGD written out over the same batches."""
    learner, twin = (toy_learner(toy_stream(), lr=0.2, epochs=2) for _ in range(2))
    list(learn_stream(learner, Together([Naive()])))
    for task in twin.stream.tasks():
        twin.begin(task)
        for _ in range(2):
            for batch in batches(twin):
                twin.model.zero_grad()
                cross_entropy(twin.model(batch.x), batch.y).backward()
                with torch.no_grad():
                    for p in twin.parameters():
                        p.sub_(0.2 * p.grad)
    torch.testing.assert_close(learner.vector(), twin.vector())


def test_it_learns_each_task_and_forgets_the_one_before(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), lr=0.5, epochs=30)
    rows = [o.scores.tasks for o in learn_stream(learner, Together([Naive()]))]
    assert rows[0][0] > 0.9
    assert rows[1][1] > 0.9
    assert rows[1][0] < 0.3
    assert Together([Naive()]).memory_bytes() == {"stored_examples": 0, "method_state": 0}
