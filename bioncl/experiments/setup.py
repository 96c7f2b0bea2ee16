"""From checked settings to the objects of a run: stream, learner, methods, trace."""

from __future__ import annotations

import copy
import dataclasses
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy
import torch

import bioncl
from bioncl.errors import UnsupportedError, describe
from bioncl.experiments.settings import RunConfig
from bioncl.learning.learner import Learner, NightLog, no_log
from bioncl.learning.method import Together
from bioncl.models.backbone import Backbone
from bioncl.nights.night import recorded_layers, sleep
from bioncl.nights.settings import NightSettings
from bioncl.progress import Progress, Silent
from bioncl.seeding import numpy_generator
from bioncl.streams.files import DataPlaces
from bioncl.streams.labelled.validation import Validation
from bioncl.streams.source import DataSource
from bioncl.streams.stream import Stream
from bioncl.traces.hdf5_writer import TraceFile
from bioncl.traces.recorder import SilentRecorder

FEW = 10
"""Inputs that a trial night sees."""


def make_stream(config: RunConfig, progress: Progress) -> Stream:
    """Load the data and build the stream."""
    data = config.data
    folder = Path(data.dir) if data.dir else None
    sealed = data.evaluate_on == "validation"
    places = DataPlaces(folder, data.download, progress, sealed=sealed)
    held_out = None
    if data.validation > 0 or data.evaluate_on == "validation":
        held_out = Validation(data.validation, data.validation_seed, data.evaluate_on)
    return config.stream.build(DataSource(places, held_out), config.general.seed)


def make_learner(config: RunConfig, stream: Stream, progress: Progress) -> Learner:
    """Make the learner with its untrained network."""
    device = config.general.device
    if device == "cuda" and not torch.cuda.is_available():
        hint = 'Set device = "cpu".'
        raise UnsupportedError(describe("No CUDA device is available", hint=hint))
    groups = [stream.task(i).outputs for i in range(len(stream))]

    def build() -> Backbone:
        return config.model.build(stream.input_shape, stream.outputs, groups, config.general.seed)

    return Learner(
        build,
        stream,
        config.training,
        seed=config.general.seed,
        device=device,
        progress=progress,
    )


def make_methods(config: RunConfig) -> Together:
    """Fresh copies of the methods."""
    return Together(copy.deepcopy(list(config.methods)))


def try_nights(methods: Together, learner: Learner) -> None:
    """Let a copy of the untrained network sleep for no steps, as each method would.

    So settings that do not fit the network, the inputs or the engine are refused at once, and not
    after hours of training.

    Raises:
        InputError: A night cannot be as it is set.
    """
    first = learner.stream.task(0).train
    few = first.select(torch.arange(min(len(first), FEW)))
    begun = copy.deepcopy(learner.model)
    begun.start_task(0)  # a growing head has no outputs before
    for night in nights_of(methods):
        for index in range(len(learner.stream)):
            night.steps_of(index)
        sleep(
            copy.deepcopy(begun),
            few,
            night,
            steps=0,
            generator=numpy_generator(learner.seed, "trial"),
            recorder=SilentRecorder(),
            progress=Silent(),
        )


def nights_of(methods: Together) -> list[NightSettings]:
    """How the methods that sleep do so: their fields from the table [sleep]."""
    return [
        getattr(method, part.name)
        for method in methods.methods
        for part in dataclasses.fields(method)  # type: ignore[arg-type]
        if part.metadata.get("table") == "sleep"
    ]


def make_night_log(config: RunConfig, learner: Learner, path: Path | None) -> NightLog:
    """Where the nights of a run are recorded."""
    if path is None or not config.trace.record or not config.sleeps:
        return no_log
    trace = TraceFile(
        path,
        recorded_layers(learner.model, learner.stream.input_shape),
        settings={"settings": config.name, **config.resolved},
        compressed=config.trace.compressed,
        keep_before=config.trace.weights_before,
    )
    learner.observed = config.trace.examples
    return lambda task, steps: trace.night(task, task=task, steps=steps)


def versions() -> dict[str, str]:
    """Versions of everything that shapes the numbers."""
    return {
        "bioncl": bioncl.__version__,
        "python": platform.python_version(),
        "torch": torch.__version__,
        "numpy": numpy.__version__,
        "h5py": h5py.__version__,
    }


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Run a block with this number of torch threads and a random state of its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.random.fork_rng():
            yield
    finally:
        torch.set_num_threads(before)
