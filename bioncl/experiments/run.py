"""One run: settings in, result out.

    settings ─► stream, learner, methods ─► learn task by task, a checkpoint after each ─► result

A run is a pure function of its settings and seed. With a folder it can be killed at any moment and
resumed from the last whole task, to the same accuracies bit for bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import bioncl
from bioncl.errors import CheckpointError, describe
from bioncl.experiments.components import jsonable
from bioncl.experiments.folder import RunFolder
from bioncl.experiments.result import SCHEMA, Progressed, RunResult, measures
from bioncl.experiments.settings import RunConfig, load
from bioncl.experiments.setup import (
    make_learner,
    make_methods,
    make_night_log,
    make_stream,
    torch_threads,
    try_nights,
    versions,
)
from bioncl.learning.learner import Learner
from bioncl.learning.loop import learn_stream
from bioncl.learning.method import Together
from bioncl.models.checkpoint import Checkpoint
from bioncl.progress import Progress, Silent
from bioncl.streams.stream import Examples


def run(
    settings: str | Path | Mapping[str, Any],
    *,
    seed: int | None = None,
    out: Path | str | None = None,
    resume: bool = False,
    device: str | None = None,
    data_dir: Path | str | None = None,
    overrides: Iterable[tuple[str, Any]] = (),
    progress: Progress | None = None,
) -> RunResult:
    """Run one experiment.

    Args:
        settings: Path of a TOML file, name of a shipped one (`bioncl run --list`), or tables.
        seed: Replaces the seed of the settings.
        out: Folder for result, checkpoints and trace; None writes nothing.
        resume: Go on with the run in `out`; a complete one is returned as it is.
        device: "cpu" or "cuda"; replaces that of the settings.
        data_dir: Folder to look for data in first.
        overrides: Pairs of a dotted key and a value, as `--set` takes them.
        progress: Where to report to; silent by default.

    Returns:
        The result, also written to `out/result.json`.

    Raises:
        InputError: Settings, data or the folder cannot be used.
        RunError: Training or a night diverged, or a file cannot be written.
    """
    named = {"seed": seed, "device": device, "data.dir": data_dir and str(data_dir)}
    extra = [(key, value) for key, value in named.items() if value is not None]
    config = load(settings, [*overrides, *extra])
    return execute(config, out, resume=resume, progress=progress or Silent())


def execute(
    config: RunConfig, out: Path | str | None, *, resume: bool, progress: Progress
) -> RunResult:
    """Run checked settings; see `run`."""
    folder = RunFolder(Path(out)) if out is not None else None
    with folder.locked() if folder else nullcontext():
        if folder:
            folder.check(config.resolved, resume)
            if folder.result.exists():
                return RunResult.read(folder.result)
        with torch_threads(config.training.threads):
            return _learn(config, folder, progress)


def _learn(config: RunConfig, folder: RunFolder | None, progress: Progress) -> RunResult:
    stream = make_stream(config, progress)
    learner, methods = make_learner(config, stream, progress), make_methods(config)
    methods.check(stream)
    learner.night_log = make_night_log(config, learner, folder.trace if folder else None)
    try_nights(methods, learner)
    found = None
    if folder:
        folder.claim(config.resolved)
        found = folder.latest()
    if found is None:
        done, progressed = 0, Progressed(learner.scores().tasks)
        learner.clock.take()
    else:
        done = found[0]
        progressed = restore(found[1], learner, methods, done)
        progress.note(f"resuming after task {done} of {len(stream)}")
    for outcome in learn_stream(learner, methods, done):
        progressed = progressed.plus(outcome)
        if folder:
            checkpoint = snapshot(config, learner, methods, progressed, outcome.index + 1)
            only_last = config.general.checkpoints == "last"
            folder.keep(outcome.index, checkpoint, only_last=only_last)
    result = RunResult(summary(config, learner, methods, progressed, folder))
    if folder:
        result.save(folder.result)
    return result


def snapshot(
    config: RunConfig, learner: Learner, methods: Together, progressed: Progressed, done: int
) -> Checkpoint:
    """Everything that going on after `done` tasks needs."""
    tensors = learner.state() | {f"method.{k}": v for k, v in methods.state().items()}
    header = {
        "name": config.name,
        "settings": dict(config.resolved),
        "tasks_done": done,
        "asleep": config.sleeps,
        "progress": progressed.tables(),
        "versions": versions(),
    }
    return Checkpoint(tensors, header)


def restore(checkpoint: Checkpoint, learner: Learner, methods: Together, done: int) -> Progressed:
    """Put learner and methods where `snapshot` found them.

    Raises:
        CheckpointError: It is of another network or of other methods.
    """
    try:
        learner.load_state(checkpoint.tensors, done)
        methods.load_state(checkpoint.part("method."))
        return Progressed.of(checkpoint.header["progress"])
    except (RuntimeError, KeyError) as error:
        reason = str(error).strip().splitlines()[-1].strip()
        what = f"The checkpoint does not fit the network or the methods ({reason})"
        hint = "Use the settings that it was made with."
        raise CheckpointError(describe(what, hint=hint)) from error


def summary(
    config: RunConfig,
    learner: Learner,
    methods: Together,
    progressed: Progressed,
    folder: RunFolder | None,
) -> dict[str, Any]:
    """The content of result.json."""
    stream = learner.stream
    values: dict[str, Any] = {
        "schema": SCHEMA,
        "bioncl": bioncl.__version__,
        "name": config.name,
        "settings": dict(config.resolved),
        "stream": stream.name,
        "scenario": stream.scenario,
        "tasks": [stream.task(i).name for i in range(len(stream))],
        "method": "+".join(config.method_names),
        "seed": config.general.seed,
        "device": config.general.device,
    }
    values |= measures(progressed, stream.scenario)
    values["seconds"] = dict(progressed.seconds)
    values["training_steps"] = progressed.steps
    values["memory_bytes"] = memory_bytes(learner, methods)
    values["stored_examples"] = stored_examples(learner, methods)
    values["versions"] = versions()
    if folder and folder.trace.exists():
        values["trace"] = folder.trace.name
    return {key: jsonable(value) for key, value in values.items()}


def memory_bytes(learner: Learner, methods: Together) -> dict[str, int]:
    """Bytes carried from task to task besides the model; old data that is read counts as stored."""
    sizes = methods.memory_bytes()
    sizes["stored_examples"] += sum(examples.nbytes for examples in _read(learner, methods))
    return sizes


def stored_examples(learner: Learner, methods: Together) -> int:
    """Examples carried from task to task; old data that is read counts as stored."""
    return methods.stored_examples() + sum(map(len, _read(learner, methods)))


def _read(learner: Learner, methods: Together) -> list[Examples]:
    """Old data that the methods read; of every task but the last."""
    if not methods.reads_past:
        return []
    old = [learner.stream.task(i) for i in range(len(learner.stream) - 1)]
    return [t.everything if methods.reads_left_out else t.train for t in old]
