"""SRC: when it sleeps, how long, what it sees, what it reports."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch

from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.methods.naive import Naive
from bioncl.methods.src import SRC
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Gated
from bioncl.spiking.drive import Mean
from bioncl.streams.stream import joined
from bioncl.traces.recorder import SilentRecorder


def src(**settings):
    night = {"steps": 300, "thresholds": (0.5,), "rule": Gated(0.05, 0.01), "drive": Mean()}
    return SRC(sleep=NightSettings(**(night | settings)))


@pytest.mark.parametrize("sees", ["all", "current", "first"])
def test_sees_chooses_whose_inputs_shape_the_night(toy_stream, toy_learner, sees):
    stream = toy_stream(tasks=3)
    learner, method = toy_learner(stream), src(sees=sees)
    learner.may_read_past = True
    wanted = {
        "all": lambda k: joined([stream.task(i).train for i in range(k + 1)]),
        "current": lambda k: stream.task(k).train,
        "first": lambda k: stream.task(0).train,
    }[sees]
    for index in range(3):
        learner.begin(stream.task(index))
        found = method.seen(learner, learner.task)
        assert torch.equal(found.x, wanted(index).x)
        assert torch.equal(found.y, wanted(index).y)


@pytest.mark.parametrize(("sees", "reads"), [("all", True), ("first", True), ("current", False)])
def test_old_data_is_declared_where_it_is_read(toy_stream, toy_learner, sees, reads):
    """And the run without the permission works where it is not."""
    method = src(sees=sees, steps=2)
    assert method.reads_past is reads
    list(learn_stream(toy_learner(toy_stream()), Together([method])))
    assert len(method.reports) == 2


def test_a_night_after_each_task_longer_each_time(toy_stream, toy_learner):
    method = src(steps=20, steps_added=5)
    list(learn_stream(toy_learner(toy_stream(tasks=3)), Together([method])))
    assert [report.steps for report in method.reports] == [20, 25, 30]


def test_only_after_the_last_task(toy_stream, toy_learner):
    """Until then all is as without sleep, bit for bit."""
    method = src(steps=300, when="last")
    learner, plain = (toy_learner(toy_stream(tasks=3), lr=0.3, epochs=5) for _ in range(2))
    found = list(learn_stream(learner, Together([method])))
    awake = list(learn_stream(plain, Together([Naive()])))
    assert len(method.reports) == 1
    assert [o.scores for o in found[:2]] == [o.scores for o in awake[:2]]
    assert found[2].awake == awake[2].scores
    assert not torch.equal(learner.vector(), plain.vector())


def test_nights_of_a_run_differ_and_come_again_with_the_seed(toy_stream, toy_learner):
    def nights(seed):
        method = src(steps=200)
        list(learn_stream(toy_learner(toy_stream(), seed=seed, lr=0.3), Together([method])))
        return [report.spikes for report in method.reports]

    first = nights(0)
    assert first == nights(0)
    assert first != nights(1)
    assert first[0][0] > 0
    assert first[0] != first[1]


def test_each_night_has_noise_of_its_own(toy_stream, toy_learner):
    """Though the same inputs drive it and nothing was learnt in between."""
    method = src(sees="first", rule=Gated(0.0, 0.0))
    list(learn_stream(toy_learner(toy_stream(), epochs=0), Together([method])))
    assert method.reports[0].spikes != method.reports[1].spikes


def test_the_log_gets_the_accuracies_of_the_outcome(toy_stream, toy_learner):
    facts, asked = {}, []

    class Facts(SilentRecorder):
        def facts(self, values):
            facts.update(values)

    @contextmanager
    def log(task, steps):
        asked.append((task, steps))
        yield Facts()

    learner = toy_learner(toy_stream(), lr=0.3, epochs=5)
    learner.night_log = log
    outcome = list(learn_stream(learner, Together([src()])))[-1]
    assert asked == [(0, 300), (1, 300)]
    assert facts["task"] == 1
    assert facts["accuracy_before"] == outcome.awake.tasks
    assert facts["accuracy_after"] == outcome.scores.tasks
    assert facts["accuracy_all_before"] == outcome.awake.all
    assert facts["accuracy_all_after"] == outcome.scores.all


def test_velocity_lives_on_through_the_night(toy_stream, toy_learner):
    """As published: sleep leaves the optimiser's state alone."""
    options = {"momentum": 0.5, "keep_optimizer": True, "lr": 0.1}
    slept, awake = (toy_learner(toy_stream(), **options) for _ in range(2))
    next(learn_stream(slept, Together([src()])))
    next(learn_stream(awake, Together([Naive()])))
    assert not torch.equal(slept.vector(), awake.vector())
    kept = [{k: v for k, v in x.state().items() if k[:9] == "optimizer"} for x in (slept, awake)]
    assert kept[0]
    assert all(torch.equal(kept[1][name], value) for name, value in kept[0].items())


def test_before_each_task_and_nights_of_no_steps_left_out(toy_stream, toy_learner):
    """What a task trains on is what the night before it left: without training, it stays so."""
    method = src(steps=(300, 0, 300), when="before-task", sees="current")
    learner, plain = (toy_learner(toy_stream(tasks=3), epochs=0) for _ in range(2))
    changed = [not torch.equal(learner.vector(), plain.vector())]
    for outcome in learn_stream(learner, Together([method])):
        assert outcome.awake == outcome.scores  # nothing sleeps after the task
        changed.append(not torch.equal(learner.vector(), plain.vector()))
    assert [report.steps for report in method.reports] == [300, 300]
    assert changed == [False, True, True, True]
