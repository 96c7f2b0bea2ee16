"""What tests of several methods share: learning with a stop on the way."""

from __future__ import annotations

import copy

import pytest

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together


@pytest.fixture
def learnt():
    """A function that learns a stream, stopping after some tasks and going on from the states."""

    def learn(make_learner, method, stops=()):
        learner, scores = make_learner(), []
        template, methods = method, Together([copy.deepcopy(method)])
        for outcome in learn_stream(learner, methods):
            scores.append(outcome.scores.tasks)
            if len(scores) in stops:
                break
        if len(scores) < len(learner.stream):
            model, carried = copy.deepcopy((learner.state(), methods.state()))
            learner, methods = make_learner(), Together([copy.deepcopy(template)])
            learner.load_state(model, len(scores))
            methods.load_state(carried)
            scores += [o.scores.tasks for o in learn_stream(learner, methods, len(scores))]
        return learner, methods, scores

    return learn
