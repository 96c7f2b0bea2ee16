"""The number of steps foretold is the number that the loop takes."""

from __future__ import annotations

import pytest

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Method, Together
from bioncl.learning.planned import planned_steps


@pytest.mark.parametrize(("size", "epochs"), [(8, 1), (7, 3), (100, (2, 5)), (24, 0)])
def test_steps_are_counted_right(toy_stream, toy_learner, size, epochs):
    counted, foretold = {0: 0, 1: 0}, {}

    class Count(Method):
        def before_task(self, learner, task):
            foretold[task.index] = planned_steps(learner)

        def after_step(self, learner, batch):
            counted[learner.task.index] += 1

    learner = toy_learner(toy_stream(), batch_size=size, epochs=epochs)
    list(learn_stream(learner, Together([Count()])))
    assert counted == foretold
