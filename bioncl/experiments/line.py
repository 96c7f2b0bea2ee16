"""Loss and accuracy on the line from the awake to the asleep weights of a recorded night.

A trace holds the settings of its run and the weights around each night; the data does not stand in
it and is loaded anew. The network is rebuilt from the settings, gets the recorded weights and
biases, and is scored on the test data of the tasks learnt by then.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bioncl.analysis.landscape import Line, along_line, barrier
from bioncl.analysis.night import NightView
from bioncl.analysis.night_weights import around_night
from bioncl.errors import SettingsError, TraceError, UnsupportedError, describe
from bioncl.experiments.settings import RunConfig, load
from bioncl.experiments.setup import torch_threads
from bioncl.experiments.single import prepare
from bioncl.learning import objective
from bioncl.learning.evaluation import EVALUATION_BATCH
from bioncl.learning.learner import Learner
from bioncl.models.backbone import Backbone
from bioncl.models.heads import BlockHead, Head, SingleHead
from bioncl.progress import Progress
from bioncl.streams.stream import Batch, Examples

Overrides = Iterable[tuple[str, Any]]


@dataclass(frozen=True, eq=False)
class NightLine:
    """What was found at (1 − α) · awake + α · asleep.

    Attributes:
        line: Loss and accuracy over the test data of all tasks so far, for each α.
        barrier: Largest loss above the straight line between the ends; 0: linearly connected.
        tasks: Names of the tasks so far; the last is the one before the night.
        task_loss: Of each task [points, tasks].
        task_accuracy: Likewise, 0..1.
        recorded: Accuracy on these tasks that the trace holds for the two ends, [2, tasks]; None
            if it holds none.
    """

    line: Line
    barrier: float
    tasks: list[str]
    task_loss: NDArray[np.float64]
    task_accuracy: NDArray[np.float64]
    recorded: NDArray[np.float64] | None


def night_line(view: NightView, points: int, overrides: Overrides, progress: Progress) -> NightLine:
    """Walk from awake to asleep; see above.

    Args:
        view: A finished night of a run.
        points: How many, both ends included; 2 or more.
        overrides: Settings to change, such as ("data.dir", …).
        progress: Gets one unit a point.

    Raises:
        DataError: The data of the run is not there.
        SettingsError: The trace's settings are not those of a run.
        TraceError: The trace does not hold the weights before the night, or not all of a network.
        UnsupportedError: A method of the run decides by what it stored, which no trace holds.
    """
    ends = [around_night(view, name) for name in view.weight_names()]
    awake, asleep = [before for before, _ in ends], [after for _, after in ends]
    config = recorded_config(view, overrides)
    with torch_threads(config.training.threads):
        learner, _ = prepare(config, progress)
        _begin(learner, view, [w.shape for w in awake])
        tests = [learner.stream.test(index) for index in range(view.night.task + 1)]
        rows: list[tuple[list[float], list[float]]] = []
        with progress.start("points of the line", points) as bar:

            def evaluate(weights: list[NDArray]) -> tuple[float, float]:
                learner.model.write_stack([torch.from_numpy(w) for w in weights])
                rows.append(_scores(learner, tests))
                bar.advance()
                sizes = [len(test) for test in tests]
                loss, accuracy = (np.average(row, weights=sizes) for row in rows[-1])
                return float(loss), float(accuracy)

            alphas = np.linspace(0, 1, points).tolist()
            line = along_line(evaluate, awake, asleep, alphas)
        tasks = [learner.stream.task(index).name for index in range(len(tests))]
    loss, accuracy = (np.array(values) for values in zip(*rows, strict=True))
    return NightLine(line, barrier(line), tasks, loss, accuracy, _recorded(view, len(tests)))


def recorded_config(view: NightView, overrides: Overrides) -> RunConfig:
    """The settings of the run that wrote the trace.

    Raises:
        SettingsError: They are not those of a run.
    """
    path, settings = view.trace.path, view.trace.settings
    hint = "Only traces of `bioncl run` and `bioncl sleep --trace` hold the settings of a run."
    if "stream" not in settings or "model" not in settings:
        what = f"{path} does not hold the settings that stream and network are made from"
        raise SettingsError(describe(what, hint=hint))
    try:
        return load({"settings": path.name, **settings}, [("device", "cpu"), *overrides])
    except SettingsError as error:
        raise SettingsError(f"The settings in {path}: {error}") from error


def _begin(learner: Learner, view: NightView, shapes: list[tuple[int, ...]]) -> None:
    """Bring a new network to the night: its tasks and its biases."""
    if learner.read_out is not None:
        what = (
            "A method of this run decides by examples that it stored, which a trace does not hold"
        )
        raise UnsupportedError(describe(what))
    if not 0 <= view.night.task < len(learner.stream):
        what, expected = f"Task of {view.name}", f"below {len(learner.stream)}"
        raise TraceError(describe(what, expected=expected, got=view.night.task))
    for index in range(view.night.task + 1):
        learner.begin(learner.stream.task(index))
    model = learner.model
    model.eval()
    stack = model.stack()
    known = sum(t.numel() for layer in stack for t in (layer.weight, layer.bias) if t is not None)
    if known != sum(p.numel() for p in model.parameters()):
        what = "This network has parameters besides weights and biases, which a trace does not hold"
        raise UnsupportedError(describe(what))
    shaped = {layer.name: tuple(layer.weight.shape) for layer in stack}
    found = dict(zip(view.weight_names(), shapes, strict=True))
    if found != shaped:
        raise TraceError(describe(f"Weights of {view.name}", expected=shaped, got=found))
    if stack[0].bias is not None:
        write_biases(model, [_bias(view, layer.name) for layer in stack])


def _bias(view: NightView, name: str) -> Tensor:
    path = f"biases/{name}"
    if path not in view.trace.array_names(view.night.index):
        hint = "Nights of networks with convolutions or branches do not hold them."
        raise TraceError(describe(f"{view.name} holds no biases of {name}", hint=hint))
    return torch.from_numpy(view.trace.array(path, view.night.index))


@torch.no_grad()
def write_biases(model: Backbone, biases: Sequence[Tensor]) -> None:
    """Copy one bias [post] a layer into the chain that `Backbone.stack` shows."""
    for layer, bias in zip(model.stack()[:-1], biases[:-1], strict=True):
        if layer.bias is not None:
            layer.bias.copy_(bias)
    parts = _head_biases(model.head)
    for part, own in zip(parts, biases[-1].split([len(p) for p in parts]), strict=True):
        part.copy_(own)


def _head_biases(head: Head) -> list[Tensor]:
    """The live biases of an output layer."""
    if isinstance(head, SingleHead):
        return [head.linear.bias]
    return [block.bias for block in head.linears()] if isinstance(head, BlockHead) else []


@torch.inference_mode()
def _scores(learner: Learner, tests: Sequence[Examples]) -> tuple[list[float], list[float]]:
    """Loss and accuracy on each task's test data."""
    model, loss, accuracy = learner.model, [], []
    told = learner.stream.scenario == "task"
    for index, test in enumerate(tests):
        model.use_task(index if told else None)
        lost, right = 0.0, 0
        for x, y in zip(
            test.x.split(EVALUATION_BATCH), test.y.split(EVALUATION_BATCH), strict=True
        ):
            batch = Batch(x.to(learner.device), y.to(learner.device), index)
            logits = model(batch.x)
            lost += float(_loss(learner, logits, batch)) * len(y)
            right += int((objective.decide(model.output, logits) == batch.y).sum())
        loss.append(lost / max(len(test), 1))
        accuracy.append(right / max(len(test), 1))
    model.use_task(None)
    return loss, accuracy


def _loss(learner: Learner, logits: Tensor, batch: Batch) -> Tensor:
    if learner.criterion is not None:
        return learner.criterion(logits, batch)
    return objective.loss(learner.model.output, logits, batch.y)


def _recorded(view: NightView, tasks: int) -> NDArray[np.float64] | None:
    found = [view.night.facts.get(f"accuracy_{when}") for when in ("before", "after")]
    if not all(isinstance(one, list) and len(one) >= tasks for one in found):
        return None
    return np.array([one[:tasks] for one in found if one], np.float64)
