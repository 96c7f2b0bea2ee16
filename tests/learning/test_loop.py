"""The loop: order of moments, batches, what is random, what is reported."""

from __future__ import annotations

import pytest
import torch

from bioncl.errors import DivergedError, UnsupportedError
from bioncl.learning.loop import batches, learn_stream
from bioncl.learning.method import Method, Together
from bioncl.methods.naive import Naive
from bioncl.models.mlp import MLP


class Spy(Method):
    """Notes every moment."""

    def __init__(self, log, name=""):
        self.log, self.name = log, name

    def note(self, moment, learner):
        self.log.append(f"{self.name}{moment} {learner.task.index}.{learner.epoch}")

    def before_task(self, learner, task):
        self.note("before_task", learner)

    def extra_loss(self, learner, batch):
        self.note("extra_loss", learner)
        assert all(p.grad is None for p in learner.parameters())

    def adjust_gradient(self, learner, batch):
        self.note("adjust_gradient", learner)
        assert learner.gradient().any()
        self.before_step = learner.vector()

    def after_step(self, learner, batch):
        self.note("after_step", learner)
        assert not torch.equal(learner.vector(), self.before_step)

    def after_task(self, learner, task):
        self.note("after_task", learner)
        assert not learner.model.training


class SleepingSpy(Spy):
    """Comes last after a task."""

    sleeps = True


class Drawing(Method):
    """Draws from the generator that methods have."""

    def extra_loss(self, learner, batch):
        torch.rand(7, generator=learner.generator)


def orders(learner, methods):
    """The inputs of every batch of a run, in order."""
    seen = []

    class Watch(Method):
        def after_step(self, learner, batch):
            seen.append(batch.x.clone())

    list(learn_stream(learner, Together([*methods, Watch()])))
    return seen


def test_moments_come_in_the_documented_order(toy_stream, toy_learner):
    """Two tasks of three batches, two epochs each; a sleeper's after_task is the very last."""
    log = []
    learner = toy_learner(toy_stream(), epochs=2)
    list(learn_stream(learner, Together([SleepingSpy(log, "z-"), Spy(log, "a-")])))
    wanted = []
    for task in range(2):
        wanted += [f"{who}before_task {task}.0" for who in ("z-", "a-")]
        for epoch in range(2):
            for _ in range(3):
                for moment in ("extra_loss", "adjust_gradient", "after_step"):
                    wanted += [f"{who}{moment} {task}.{epoch}" for who in ("z-", "a-")]
        wanted += [f"a-after_task {task}.1", f"z-after_task {task}.1"]
    assert log == wanted


def test_same_seed_same_run_and_other_seed_another(toy_stream, toy_learner):
    def run(seed):
        learner = toy_learner(toy_stream(), seed=seed, model=MLP(hidden=(8,), dropout=0.3))
        scores = [outcome.scores for outcome in learn_stream(learner, Together([Naive()]))]
        return scores, learner.vector()

    torch.manual_seed(5)
    first, again, other = run(0), run(0), run(1)
    assert first[0] == again[0]
    assert torch.equal(first[1], again[1])
    assert not torch.equal(first[1], other[1])


def test_each_epoch_shows_every_example_once_in_a_new_order(toy_stream, toy_learner):
    stream = toy_stream(tasks=1)
    learner = toy_learner(stream, batch_size=10)
    learner.begin(stream.task(0))
    epochs = [list(batches(learner)) for _ in range(2)]
    assert [len(batch) for batch in epochs[0]] == [10, 10, 4]
    wanted = sorted(map(tuple, stream.task(0).train.x.flatten(1).tolist()))
    shown = [torch.cat([batch.x for batch in epoch]).flatten(1) for epoch in epochs]
    for rows in shown:
        assert sorted(map(tuple, rows.tolist())) == wanted
    assert not torch.equal(*shown)


def test_labels_and_tasks_stay_with_their_inputs(toy_stream, toy_learner):
    stream = toy_stream(tasks=1)
    learner = toy_learner(stream)
    learner.begin(stream.task(0))
    learner.data_tasks = torch.arange(len(learner.data))
    where = {tuple(x): i for i, x in enumerate(learner.data.x.flatten(1).tolist())}
    for batch in batches(learner):
        places = [where[tuple(x)] for x in batch.x.flatten(1).tolist()]
        assert batch.task.tolist() == places
        assert batch.y.tolist() == learner.data.y[places].tolist()


def test_methods_that_draw_do_not_change_the_batches(toy_stream, toy_learner):
    """Runs with one seed and different methods are paired: they see the same batches."""
    alone = orders(toy_learner(toy_stream(), epochs=3), [])
    beside = orders(toy_learner(toy_stream(), epochs=3), [Drawing()])
    assert len(alone) == 18
    assert all(torch.equal(a, b) for a, b in zip(alone, beside, strict=True))


def test_starting_later_shows_the_batches_of_the_whole_run(toy_stream, toy_learner):
    """A task's randomness does not depend on the tasks before it, so runs can be resumed."""
    whole = orders(toy_learner(toy_stream(tasks=3)), [])
    learner, seen = toy_learner(toy_stream(tasks=3)), []

    class Watch(Method):
        def after_step(self, learner, batch):
            seen.append(batch.x.clone())

    list(learn_stream(learner, Together([Watch()]), first=1))
    assert all(torch.equal(a, b) for a, b in zip(whole[3:], seen, strict=True))


def test_methods_that_define_no_moment_are_not_called(toy_stream, toy_learner):
    assert [Together([Naive()]).having(m) for m in ("extra_loss", "after_step")] == [[], []]


def test_losses_add_up(toy_stream, toy_learner):
    """The step follows the gradient of loss + both extra terms."""

    class Pull(Method):
        def __init__(self, weight):
            self.weight = weight

        def extra_loss(self, learner, batch):
            return self.weight * sum(p.sum() for p in learner.parameters())

    stream = toy_stream(tasks=1, train=8)
    learner, plain = (toy_learner(stream, lr=0.1) for _ in range(2))
    list(learn_stream(learner, Together([Pull(2.0), Pull(0.5)])))
    list(learn_stream(plain, Together([Naive()])))
    torch.testing.assert_close(learner.vector(), plain.vector() - 0.1 * 2.5)


def test_outcomes_tell_scores_and_times(toy_stream, toy_learner):
    """A sleeper's outcome has the scores before it; the times of what was done are not zero."""

    class Forget(Method):
        sleeps = True

        def after_task(self, learner, task):
            with torch.no_grad():
                learner.model.head.linear.weight.zero_()
                learner.model.head.linear.bias.zero_()
            learner.changed()

    learner = toy_learner(toy_stream(), lr=0.5, epochs=20)
    found = list(learn_stream(learner, Together([Forget()])))
    assert [outcome.index for outcome in found] == [0, 1]
    assert found[0].awake.tasks[0] > 0.9
    assert found[0].scores.tasks == (0.5, 0.0)  # all silent: class 0
    assert all(outcome.seconds[k] > 0 for outcome in found for k in ("train", "sleep", "eval"))


def test_no_sleeper_no_awake_scores(toy_stream, toy_learner):
    assert next(learn_stream(toy_learner(toy_stream()), Together([Naive()]))).awake is None


def test_zero_epochs_leave_the_network_alone(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), epochs=0)
    before = learner.vector()
    list(learn_stream(learner, Together([Naive()])))
    assert torch.equal(learner.vector(), before)


def test_a_training_that_blows_up_is_stopped(toy_stream, toy_learner):
    learner = toy_learner(toy_stream(), lr=1e30, epochs=3)
    with pytest.raises(DivergedError, match="task 1 diverged in epoch"):
        list(learn_stream(learner, Together([Naive()])))


def test_methods_that_do_not_suit_are_refused_before_anything_is_learnt(toy_stream, toy_learner):
    class TaskOnly(Method):
        scenarios = ("task",)

        def before_task(self, learner, task):
            raise AssertionError

    with pytest.raises(UnsupportedError, match="class-incremental"):
        next(learn_stream(toy_learner(toy_stream("class")), Together([Naive(), TaskOnly()])))


class Around(Method):
    """Notes when the gradient is taken, and takes it `times` times."""

    def __init__(self, log, name, times=1):
        self.log, self.name, self.times = log, name, times

    def around_gradient(self, learner, batch, find):
        self.log.append(f"{self.name}>")
        losses = [find() for _ in range(self.times)]
        self.log.append(f"<{self.name}")
        return losses[0]


def test_methods_stand_around_the_gradient_and_the_first_is_innermost(toy_stream, toy_learner):
    log = []
    methods = [Around(log, "a", times=2), Spy(log), Around(log, "b")]
    learner = toy_learner(toy_stream(tasks=1), batch_size=24)
    list(learn_stream(learner, Together(methods)))
    inside = ["b>", "a>", "extra_loss 0.0", "extra_loss 0.0", "<a", "<b"]
    around = ["before_task 0.0", "adjust_gradient 0.0", "after_step 0.0", "after_task 0.0"]
    assert log == [around[0], *inside, *around[1:]]


def test_a_gradient_taken_twice_replaces_the_first(toy_stream, toy_learner):
    """So the run is the same as with one."""

    def learnt(times):
        learner = toy_learner(toy_stream())
        list(learn_stream(learner, Together([Around([], "a", times)])))
        return learner.vector()

    assert torch.equal(learnt(1), learnt(3))
