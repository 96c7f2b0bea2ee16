"""A phase of training of a method's own."""

from __future__ import annotations

import copy

import pytest
import torch

from bioncl.errors import DivergedError
from bioncl.learning.loop import train_task
from bioncl.learning.method import Together
from bioncl.learning.phase import phase_optimizer, train_phase


def nothing():
    pass


def ready(toy_stream, toy_learner, **training):
    learner = toy_learner(toy_stream(), **training)
    learner.begin(learner.stream.task(0))
    return learner


def test_a_phase_does_what_the_loop_does(toy_stream, toy_learner):
    learner = ready(toy_stream, toy_learner, momentum=0.5)
    train_phase(
        learner, phase_optimizer(learner), 3, "phase", adjust_gradient=nothing, after_step=nothing
    )
    looped = toy_learner(toy_stream(), momentum=0.5, epochs=3)
    train_task(looped, Together([]), looped.stream.task(0))
    assert torch.equal(learner.vector(), looped.vector())
    assert not learner.model.training


def test_the_moments_stand_around_the_step(toy_stream, toy_learner):
    """24 examples in batches of 8: three steps; what is done to the gradient counts."""
    learner, seen = ready(toy_stream, toy_learner), []
    start = learner.vector()

    def adjust():
        seen.append("adjust")
        learner.set_gradient(torch.zeros_like(start))

    def after():
        seen.append("after")

    train_phase(
        learner, phase_optimizer(learner), 1, "phase", adjust_gradient=adjust, after_step=after
    )
    assert seen == ["adjust", "after"] * 3
    assert torch.equal(learner.vector(), start)


def test_the_learning_rate_is_a_factor_on_that_of_the_task(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), lr=0.4, lr_decay=0.5, lr_min=0.3, momentum=0.9)
    learner.begin(learner.stream.task(1))
    group = phase_optimizer(learner, 0.1).param_groups[0]
    assert group["lr"] == pytest.approx(0.03)
    assert group["momentum"] == 0.9


def test_blowing_up_is_told(toy_stream, toy_learner):
    learner = ready(toy_stream, toy_learner, lr=1e30)
    optimizer = copy.copy(phase_optimizer(learner))
    with pytest.raises(DivergedError):
        train_phase(learner, optimizer, 3, "phase", adjust_gradient=nothing, after_step=nothing)
