"""The parts of a run one by one: learn one task, sleep one night, score a checkpoint.

run  =  train task 1 ─► sleep ─► train task 2 ─► sleep ─► …     (the same numbers, bit for bit)
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bioncl.errors import CheckpointError, SettingsError, describe
from bioncl.experiments.folder import differences
from bioncl.experiments.result import Progressed
from bioncl.experiments.run import restore, snapshot
from bioncl.experiments.settings import RunConfig, load
from bioncl.experiments.setup import (
    make_learner,
    make_methods,
    make_night_log,
    make_stream,
    torch_threads,
    try_nights,
)
from bioncl.learning.evaluation import Scores
from bioncl.learning.learner import Learner
from bioncl.learning.loop import TaskOutcome, learn_task, sleep_after, train_task
from bioncl.learning.method import Together
from bioncl.models.checkpoint import Checkpoint
from bioncl.models.checkpoint import load as load_checkpoint
from bioncl.models.checkpoint import save as save_checkpoint
from bioncl.plasticity import RULES
from bioncl.progress import Progress

Overrides = Iterable[tuple[str, Any]]


def train(
    config: RunConfig, number: int, start: Path | None, out: Path, progress: Progress
) -> Scores:
    """Learn task `number` (from 1), awake, and write a checkpoint to `out`.

    Args:
        config: What is run.
        number: The task, from 1.
        start: Checkpoint after the task before; None for the first task.
        out: Where the new checkpoint goes.
        progress: Where to report to.

    Returns:
        Accuracies after the task.

    Raises:
        SettingsError: There is no such task.
        CheckpointError: `start` is missing, or is not of the task before with the same settings.
    """
    with torch_threads(config.training.threads):
        learner, methods = prepare(config, progress)
        if not 1 <= number <= len(learner.stream):
            expected = f"1 to {len(learner.stream)}"
            raise SettingsError(describe("--task", expected=expected, got=number))
        try_nights(methods, learner)
        progressed = _go_on(config, learner, methods, number - 1, start)
        return _stay_awake(config, learner, methods, progressed, number, out)


def train_up_to(config: RunConfig, number: int, out: Path, progress: Progress) -> Scores:
    """Learn the tasks up to `number` (from 1), with the nights before it; see `train`.

    The checkpoint is the one that `train` and `sleep` in turn would leave, but for its times.
    """
    with torch_threads(config.training.threads):
        learner, methods = prepare(config, progress)
        try_nights(methods, learner)
        progressed = _go_on(config, learner, methods, 0, None)
        for index in range(number - 1):
            progressed = progressed.plus(learn_task(learner, methods, learner.stream.task(index)))
        return _stay_awake(config, learner, methods, progressed, number, out)


def sleep(
    start: Path, out: Path, trace: Path | None, overrides: Overrides, progress: Progress
) -> tuple[Scores, Scores]:
    """Let the checkpoint `start` sleep for one night; write the result to `out`.

    Args:
        start: An awake checkpoint.
        out: Where the checkpoint with the new weights goes.
        trace: Where the night's spikes go, or None.
        overrides: Settings to change, as `--set` takes them.
        progress: Where to report to.

    Returns:
        Accuracies before and after the night.

    Raises:
        SettingsError: An override is wrong, or there is no night after this task.
        CheckpointError: `start` is missing, damaged or foreign.
    """
    checkpoint = load_checkpoint(start)
    config = sleeping(checkpoint, overrides)
    with torch_threads(config.training.threads):
        learner, methods, progressed = evening(checkpoint, config, progress)
        learner.night_log = make_night_log(config, learner, trace)
        task = learner.task
        awake = sleep_after(learner, methods, task) or learner.scores()
        outcome = TaskOutcome(task.index, learner.scores(), awake, learner.clock.take())
        progressed = _woken(progressed).plus(outcome)
        save_checkpoint(out, snapshot(config, learner, methods, progressed, task.index + 1))
        return awake, outcome.scores


def evening(
    checkpoint: Checkpoint, config: RunConfig, progress: Progress
) -> tuple[Learner, Together, Progressed]:
    """Learner, methods and accuracies as they were before the night after the last task.

    Raises:
        SettingsError: There is no such night.
        CheckpointError: The checkpoint does not fit the settings.
    """
    done = int(checkpoint.header["tasks_done"])
    learner, methods = prepare(config, progress)
    progressed = restore(checkpoint, learner, methods, done)
    check_night(config, done, len(learner.stream))
    learner.changed()
    learner.begin(learner.stream.task(done - 1))
    return learner, methods, progressed


def check_night(config: RunConfig, number: int, tasks: int) -> None:
    """Refuse settings without a night after task `number` (from 1) of `tasks`.

    Raises:
        SettingsError: There is none.
    """
    when = config.resolved["sleep"]["when"]
    if when == "before-task" or (when == "last" and number < tasks):
        what = f'No night after task {number} of {tasks}: sleep.when is "{when}"'
        hint = "Add --set sleep.when=each-task to sleep all the same."
        raise SettingsError(describe(what, hint=hint))


def score(path: Path, overrides: Overrides, progress: Progress) -> tuple[RunConfig, Learner]:
    """Load a checkpoint for evaluation; ask the learner for its `scores()`."""
    checkpoint = load_checkpoint(path)
    config = recorded(checkpoint, overrides)
    with torch_threads(config.training.threads):
        learner, methods = prepare(config, progress)
        restore(checkpoint, learner, methods, int(checkpoint.header["tasks_done"]))
        learner.changed()
        learner.scores()
    return config, learner


def prepare(config: RunConfig, progress: Progress) -> tuple[Learner, Together]:
    """The objects of a run, before its first task."""
    stream = make_stream(config, progress)
    learner, methods = make_learner(config, stream, progress), make_methods(config)
    methods.check(stream)
    methods.attach(learner)
    learner.may_read_past = methods.reads_past
    return learner, methods


def recorded(checkpoint: Checkpoint, overrides: Overrides) -> RunConfig:
    """The settings that stand in a checkpoint."""
    try:
        tables = {**checkpoint.header["settings"], "settings": checkpoint.header["name"]}
    except KeyError as error:
        raise CheckpointError(describe(f"The checkpoint has no {error}")) from error
    return load(tables, overrides)


def sleeping(checkpoint: Checkpoint, overrides: Overrides) -> RunConfig:
    """The settings that stand in a checkpoint, with sleep joined if they have none.

    Another rule (`sleep.rule.name`) keeps the numbers of the old one that it has too.
    """
    config = recorded(checkpoint, [])
    if not config.sleeps:
        methods = [*config.resolved["methods"], {"name": "src"}]
        config = recorded(checkpoint, [("methods", methods)])
    night = dict(config.resolved["sleep"])
    overrides = list(overrides)
    for name in [value for key, value in overrides if key == "sleep.rule.name"]:
        if name in RULES.names():
            known = {"name", *(part.name for part in dataclasses.fields(RULES.load(name)))}
            kept = {key: value for key, value in night["rule"].items() if key in known}
            night["rule"] = kept | {"name": name}
    given = [("methods", config.resolved["methods"]), ("sleep", night)]
    return recorded(checkpoint, [*given, *overrides])


def _go_on(
    config: RunConfig, learner: Learner, methods: Together, done: int, start: Path | None
) -> Progressed:
    """Bring learner and methods to where `done` tasks are learnt."""
    if start is None:
        if done:
            hint = "Give the checkpoint of the task before with --from."
            raise SettingsError(describe(f"Task {done + 1} goes on from task {done}", hint=hint))
        progressed = Progressed(learner.scores().tasks)
        learner.clock.take()
        return progressed
    checkpoint = load_checkpoint(start)
    found = int(checkpoint.header.get("tasks_done", -1))
    if found != done:
        what = f"Checkpoint {start}: tasks learnt"
        raise CheckpointError(describe(what, expected=done, got=found))
    differing = sorted(differences(checkpoint.header["settings"], config.resolved))
    if differing:
        hint = "Give the settings that it was made with."
        what = f"Checkpoint {start} was made with other settings ({', '.join(differing)})"
        raise CheckpointError(describe(what, hint=hint))
    return restore(checkpoint, learner, methods, done)


def _stay_awake(
    config: RunConfig,
    learner: Learner,
    methods: Together,
    progressed: Progressed,
    number: int,
    out: Path,
) -> Scores:
    """Learn task `number`, which follows those in `progressed`, and write a checkpoint to `out`."""
    task = learner.stream.task(number - 1)
    with learner.clock.measure("train"):
        train_task(learner, methods, task)
    scores = learner.scores()
    times, steps = learner.clock.take(), learner.take_steps()
    outcome = TaskOutcome(task.index, scores, None, times, steps)
    made = snapshot(config, learner, methods, progressed.plus(outcome), number)
    save_checkpoint(out, Checkpoint(made.tensors, {**made.header, "asleep": False}))
    return scores


def _woken(progressed: Progressed) -> Progressed:
    """Without the row of the last task, which the night will write anew."""
    tables = progressed.tables()
    asleep, everything = tables["asleep"][:-1], tables["all"][:-1]
    awake, all_awake = tables["awake"][: len(asleep)], tables["all_awake"][: len(asleep)]
    return Progressed.of(
        tables | {"asleep": asleep, "all": everything, "awake": awake, "all_awake": all_awake}
    )
