"""Methods joined together: order, state by place, bytes, refusals."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import UnsupportedError
from bioncl.learning.method import Method, Together, defines


class Keeper(Method):
    """Carries two tensors, one of them an example."""

    def __init__(self, start=0.0):
        self.values = torch.full((3,), start)
        self.loaded = None

    def extra_loss(self, learner, batch):
        return torch.zeros(())

    def state(self):
        return {"examples.x": self.values, "note": torch.zeros(2, dtype=torch.int64)}

    def load_state(self, state):
        self.loaded = state


class Reader(Method):
    """Reads old data, and is for known tasks only."""

    scenarios = ("task", "domain")

    @property
    def reads_past(self):
        return True


def test_nested_methods_are_unpacked_in_order():
    methods = [Keeper(), Reader(), Keeper(), Reader()]
    nested = Together([methods[0], Together([methods[1], Together([methods[2]])]), methods[3]])
    assert nested.methods == methods
    assert nested.having("extra_loss") == [methods[0], methods[2]]


def test_state_goes_back_to_the_method_it_came_from():
    """Also with ten methods and more, where places begin alike (1 and 10)."""
    methods = [Keeper(float(place)) for place in range(12)]
    state = Together(methods).state()
    assert len(state) == 24
    Together(methods).load_state(state)
    for place, method in enumerate(methods):
        assert set(method.loaded) == {"examples.x", "note"}
        assert torch.equal(method.loaded["examples.x"], torch.full((3,), float(place)))


def test_bytes_are_those_of_the_state_examples_apart():
    sizes = Together([Keeper(), Reader(), Keeper()]).memory_bytes()
    assert sizes == {"stored_examples": 2 * 3 * 4, "method_state": 2 * 2 * 8}


def test_reading_the_past_is_declared_for_all():
    assert Together([Keeper(), Reader()]).reads_past
    assert not Together([Keeper()]).reads_past


def test_one_method_that_does_not_suit_is_enough(toy_stream):
    joined = Together([Keeper(), Reader()])
    joined.check(toy_stream("task"))
    joined.check(toy_stream("domain"))
    message = "Reader does not suit the class-incremental scenario: expected task or domain"
    with pytest.raises(UnsupportedError, match=message):
        joined.check(toy_stream("class"))


def test_defines_tells_moments_that_do_something():
    assert defines(Keeper(), "extra_loss")
    assert not defines(Keeper(), "after_task")
