"""How much of its time each method spends outside its mathematics; `learning.py` runs this.

A profiler watches every registered method learn split MNIST, 2,000 images a task, one pass in steps
of 128, class-incremental or else with the task told. Evaluation has a row of its own.

    maths    inside torch's arithmetic kernels, the night's engine (with its noise), GEM's solver
             and REMIND's quantiser
    moving   inside kernels that copy, gather, join or fill
    rest     Python, the bookkeeping of autograd and optimiser, and the profiler's own cost

Whatever is not `maths` counts as outside, though part of it no plain loop could do without: `plain
loop` says how much. The profiler slows Python down more than kernels, so the share of maths as it
sees it is too small; its seconds of maths over the seconds that the same job takes unwatched are
too large a share (`at most`), since they hold the profiler's cost inside kernels. The truth lies
between. Figures are medians over rounds; a round that warms up goes before.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pkgutil import resolve_name
from typing import Any
from unittest.mock import patch

import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.profiler import ProfilerActivity, profile, record_function

from bioncl.errors import BionclError, InputError
from bioncl.learning.learner import Learner
from bioncl.learning.loop import sleep_after, train_task
from bioncl.learning.method import Together
from bioncl.learning.training import Training
from bioncl.methods import METHODS
from bioncl.models.heads import HeadKind
from bioncl.models.mlp import MLP
from bioncl.streams.source import DataSource
from bioncl.streams.split import Split
from bioncl.streams.stream import Scenario, Stream

LR, BATCH, IMAGES, SEED = 0.01, 128, 2000, 0
TRIED: tuple[tuple[Scenario, HeadKind], ...] = (
    ("class", "single"),
    ("task", "per-task"),
    ("task", "masked"),
)
MARK = "other mathematics"
COMPILED = (
    "bioncl.learning.quantiser.k_means",
    "bioncl.learning.quantiser.smallest",
    "bioncl.methods.gem.dual",
    "bioncl.spiking.engines.event.Event.run",
)
"""Mathematics that is not torch's: functions by where they are."""

VIEWS = {
    *("_local_scalar_dense", "_reshape_alias", "_unsafe_view", "as_strided", "chunk", "detach"),
    *("detach_", "empty", "empty_like", "empty_strided", "expand", "flatten", "item", "lift_fresh"),
    *("narrow", "new_empty", "permute", "reshape", "resize_", "resolve_conj", "resolve_neg"),
    *("result_type", "select", "set_", "slice", "split", "split_with_sizes", "squeeze", "t", "to"),
    *("transpose", "unbind", "unflatten", "unsqueeze", "view", "view_as", "is_nonzero"),
}
"""Operations that compute nothing; they count as the rest."""

MOVING = {
    *("_foreach_copy_", "_index_put_impl_", "_to_copy", "cat", "clone", "contiguous", "copy_"),
    *("fill_", "full", "full_like", "gather", "index", "index_copy_", "index_fill_", "index_put_"),
    *("index_select", "masked_fill", "masked_fill_", "new_full", "new_zeros", "ones", "ones_like"),
    *("repeat", "scatter_", "stack", "where", "zero_", "zeros", "zeros_like"),
}
"""Operations that bring numbers from here to there."""

SMALLER = {"mc-sgd": {"steps": 20}, "remind": {"parts": 20}}
"""Settings that differ from a method's own: fewer steps for the profiler to hold, a code that
divides the width of the network."""

Shares = dict[str, float]
Job = Callable[[], Callable[[], object]]
"""Prepares something to learn, and gives what is to be watched."""


def shares(hidden: tuple[int, ...], rounds: int) -> dict[str, Shares | str]:
    """The shares of every method, by name; or why it was not watched."""
    jobs: dict[str, Job] = {"plain loop": partial(plain, hidden)}
    jobs |= {name: partial(learning, name, hidden) for name in METHODS.names()}
    jobs |= {"evaluation": partial(evaluating, hidden)}
    found: dict[str, Shares | str] = {}
    for name, prepare in jobs.items():
        try:
            prepare()()
        except (BionclError, ImportError) as error:
            found[name] = str(error)
            continue
        runs = [watched(prepare) for _ in range(rounds)]
        found[name] = {part: statistics.median(run[part] for run in runs) for part in runs[0]}
    return found


def show(hidden: tuple[int, ...], found: dict[str, Shares | str]) -> None:
    """Print the shares, the most of them outside first."""
    print(f"shares of time, {'-'.join(map(str, (784, *hidden, 10)))}, in per cent")
    print(f"  {'':18}{'maths':>8}{'at most':>8}{'moving':>8}{'rest':>8}")
    refused = {name: why for name, why in found.items() if isinstance(why, str)}
    rows = {name: row for name, row in found.items() if not isinstance(row, str)}
    for name, row in sorted(rows.items(), key=lambda item: item[1]["maths"]):
        parts = "".join(
            f"{100 * row[part]:8.1f}" for part in ("maths", "at most", "moving", "rest")
        )
        sure, hope = row["at most"] < 0.5, row["maths"] < 0.5
        told = "   over half is outside" if sure else "   perhaps over half" if hope else ""
        print(f"  {name:18}{parts}{told}")
    for name, why in refused.items():
        print(f"  {name:18}not watched: {why}")


# -- what is watched -----------------------------------------------------------------------------


def learning(name: str, hidden: tuple[int, ...]) -> Callable[[], object]:
    """A method that learns all tasks, nights included."""
    learner, methods = learnable(name, hidden)
    learner.may_read_past = methods.reads_past
    tasks = list(learner.stream.tasks())

    def learn() -> None:
        for task in tasks:
            train_task(learner, methods, task)
            sleep_after(learner, methods, task)

    return learn


def learnable(name: str, hidden: tuple[int, ...]) -> tuple[Learner, Together]:
    """A learner and the method called `name`, on the first of some scenarios that suits it.

    Raises:
        InputError: None does.
    """
    refusal = InputError("no scenario was tried")
    for scenario, head in TRIED:
        learner = fresh(small(Split(scenario=scenario)), hidden, head)
        methods = Together([METHODS.load(name)(**SMALLER.get(name, {}))])
        try:
            methods.check(learner.stream)
            methods.attach(learner)
        except InputError as error:
            refusal = error
            continue
        return learner, methods
    raise refusal


def small(split: Split) -> Stream:
    """The first images of each task, ready in memory: reading data is no part of learning."""
    stream = split.build(DataSource(), SEED)
    tasks = [replace(task, train=task.train.first(IMAGES)) for task in stream.tasks()]
    return replace(stream, build=tasks.__getitem__)


def fresh(stream: Stream, hidden: tuple[int, ...], head: HeadKind = "single") -> Learner:
    """A learner with an untrained network."""
    groups = [task.outputs for task in stream.tasks()]
    build = partial(MLP(hidden, head=head).build, stream.input_shape, stream.outputs, groups, SEED)
    return Learner(build, stream, Training(lr=LR, batch_size=BATCH), seed=SEED)


def evaluating(hidden: tuple[int, ...]) -> Callable[[], object]:
    """The scores of an untrained network on whole test data."""
    return fresh(small(Split()), hidden).scores


def plain(hidden: tuple[int, ...]) -> Callable[[], object]:
    """Naive training without bioncl."""
    stream = small(Split())
    linear = [m for m in fresh(stream, hidden).model.modules() if isinstance(m, nn.Linear)]
    between = [part for layer in linear[:-1] for part in (layer, nn.ReLU())]
    model = nn.Sequential(nn.Flatten(), *between, linear[-1])
    optimizer = torch.optim.SGD(model.parameters(), lr=LR)
    tasks = list(stream.tasks())

    def learn() -> None:
        for task in tasks:
            for chosen in torch.randperm(len(task.train)).split(BATCH):
                optimizer.zero_grad()
                cross_entropy(model(task.train.x[chosen]), task.train.y[chosen]).backward()
                optimizer.step()

    return learn


# -- the watch -----------------------------------------------------------------------------------


def watched(prepare: Job) -> Shares:
    """Shares of the wall time of a job, and its seconds watched and unwatched."""
    run = prepare()
    start = time.perf_counter()
    run()
    bare = time.perf_counter() - start
    run = prepare()
    with ExitStack() as marks:
        for path in COMPILED:
            marks.enter_context(patch(path, marked(resolve_name(path))))
        with profile(activities=[ProfilerActivity.CPU]) as profiler:
            start = time.perf_counter()
            run()
            seconds = time.perf_counter() - start
    found = dict.fromkeys(("maths", "moving"), 0.0)
    for event in profiler.key_averages():
        if part := part_of(event.key):
            found[part] += event.self_cpu_time_total / 1e6 / seconds
    rest, most = 1 - sum(found.values()), min(1.0, found["maths"] * seconds / bare)
    return {**found, "rest": rest, "at most": most, "seconds": seconds, "bare": bare}


def part_of(key: str) -> str:
    """Where the time of what the profiler calls `key` belongs; empty for the rest."""
    if key == MARK:
        return "maths"
    space, _, name = key.partition("::")
    if space != "aten" or name in VIEWS:
        return ""
    return "moving" if name in MOVING else "maths"


def marked(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, whose time the profiler knows."""

    def run(*args: Any, **keywords: Any) -> Any:
        with record_function(MARK):
            return function(*args, **keywords)

    return run
