"""`bioncl.sleep`: one night of any torch network, in one call.

    report = bioncl.sleep(model, inputs)

The network is traced, gets a spiking twin, is driven by noise shaped by `inputs`, a local rule
changes the weights of its layers, and they go back into the network. See
`bioncl.spiking.graph.tracing` for what networks may consist of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from bioncl.errors import InputError, describe
from bioncl.nights import graph_night
from bioncl.nights.graph_night import Extent, GraphNightReport
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import RULES, Gated, Rule
from bioncl.progress import Progress, Silent
from bioncl.seeding import numpy_generator
from bioncl.spiking.convert import GAINS, Fixed, Gains
from bioncl.spiking.drive import DRIVES, ClassMeans, Drive, MaskedMean, Mean
from bioncl.spiking.graph.learning import Shared
from bioncl.streams.stream import Examples
from bioncl.traces.hdf5_writer import TraceFile
from bioncl.traces.recorder import Recorder, SilentRecorder

Precision = Literal["float32", "float64"]

INC, DEC = 2e-5, 6e-6
"""Step sizes of a rule that is given by name."""

WINDOW = 11
"""Side of the published drive's window, for images that are large enough."""


def sleep(  # noqa: PLR0913  (one argument for each part of a night)
    model: nn.Module,
    inputs: Tensor,
    *,
    labels: Tensor | None = None,
    steps: int = 15_000,
    rule: str | Rule = "gated",
    rate: float = 240.0,
    thresholds: float | Sequence[float] = 0.5,
    gains: str | float | list[float] | tuple[float, ...] | Gains = "percentile",
    drive: str | Drive | None = None,
    decay: float = 0.999,
    shared: Shared = "mean",
    leave_out: Sequence[str] = (),
    frozen: Sequence[str] = (),
    engine: str = "event",
    precision: Precision = "float32",
    seed: int = 0,
    trace: Path | str | None = None,
    progress: Progress | None = None,
) -> GraphNightReport:
    """Let `model` sleep through one night; its weights change in place.

    Biases, BatchNorm, training mode and device stay as they are. The twin is computed on the CPU.

    Args:
        model: Any network of supported layers; see `bioncl.spiking.graph.tracing.trace`.
        inputs: What it saw awake [n, *shape]: shapes the noise, and gains are measured on it.
            Values outside of 0 to 1 are mapped there and back.
        labels: Class of each input, int64 [n]; only the drive "class-means" asks for them.
        steps: Length of the night.
        rule: A plasticity rule, or the name of one that has `inc` and `dec` ("gated", "sigmoid",
            "constant"), which are then 2e-5 and 6e-6.
        rate: Firing rate in Hz of an input that is 1; a step lasts 1 ms, and an input x fires with
            probability min(1, 2·0.001·rate·x).
        thresholds: Membrane potential at which neurons fire, one a population or one for all.
        gains: How gains are found ("percentile", "diehl", or "published" for chains), an object
            from `bioncl.spiking.convert`, or numbers, one a population or one for all.
        drive: What drives the network, a name from `bioncl.spiking.drive` or an object. By default
            "masked-mean" for images of at least 11×11 pixels, else "mean".
        decay: What is left of a membrane potential after one step.
        shared: "mean" or "sum", see `bioncl.spiking.graph.learning`.
        leave_out: Modules that the twin leaves out; they must keep their input's shape.
        frozen: Layers, or modules that hold some, that keep their weights.
        engine: Who computes chains of linear layers; see `bioncl engines`.
        precision: Arithmetic of the night, "float32" or "float64".
        seed: Fixes the noise.
        trace: File for the spikes of all populations and the weights before and after, or None.
        progress: Where to report to.

    Raises:
        InputError: Something handed in cannot be used; the model was not changed.
        UnsupportedError: A layer is not supported; the message names it.
        DivergedError: Weights became non-finite; the model was not changed.
    """
    seen = _examples(inputs, labels)
    if labels is None and (drive == "class-means" or isinstance(drive, ClassMeans)):
        raise InputError(describe("Labels", expected="one an input, for class means", got="none"))
    _check("Steps", steps, 0)
    _check("Rate", rate, 0)
    _check("Decay", decay, 0, 1)
    _check_choice("Precision", precision, get_args(Precision))
    _check_choice("Shared weights", shared, get_args(Shared))
    settings = NightSettings(
        steps=steps,
        rate=rate,
        thresholds=_numbers("Thresholds", thresholds),
        rule=_rule(rule),
        drive=_drive(drive, tuple(inputs.shape[1:])),
        gains=_gains(gains),
        decay=decay,
        engine=engine,
        precision=precision,
    )
    extent = Extent(tuple(leave_out), tuple(frozen), shared)
    with _night(trace, model, seen, settings, extent) as recorder:
        return graph_night.sleep(
            model,
            seen,
            settings,
            steps=steps,
            generator=numpy_generator(seed, "night", 0),
            recorder=recorder,
            progress=progress or Silent(),
            extent=extent,
        )


def _examples(inputs: Tensor, labels: Tensor | None) -> Examples:
    if not isinstance(inputs, Tensor) or inputs.dim() < 2 or not len(inputs):
        got = tuple(inputs.shape) if isinstance(inputs, Tensor) else type(inputs).__name__
        raise InputError(describe("Inputs", expected="a tensor [n, *shape], n ≥ 1", got=got))
    x = inputs.detach().to("cpu", torch.float32)
    if not bool(x.isfinite().all()):
        raise InputError(describe("Inputs", expected="finite numbers", got="NaN or infinity"))
    y = torch.zeros(len(x), dtype=torch.int64) if labels is None else labels.detach().cpu()
    if y.shape != (len(x),):
        raise InputError(describe("Labels", expected=f"[{len(x)}]", got=tuple(y.shape)))
    return Examples(x, y)


def _rule(rule: str | Rule) -> Rule:
    if not isinstance(rule, str):
        return rule
    kind = RULES.load(rule)
    if not {"inc", "dec"} <= set(getattr(kind, "__dataclass_fields__", ())):
        what, got = "Rule by name", f"'{rule}'"
        hint = f"Hand in an object, such as {Gated(INC, DEC)}."
        raise InputError(describe(what, expected="one with inc and dec", got=got, hint=hint))
    found: Rule = kind(INC, DEC)
    return found


def _gains(gains: str | float | list[float] | tuple[float, ...] | Gains) -> Gains:
    if gains == "fixed":
        hint = "Hand in the numbers themselves."
        raise InputError(describe("Gains 'fixed' by name", hint=hint))
    if isinstance(gains, str):
        named: Gains = GAINS.load(gains)()
        return named
    if isinstance(gains, float | int | list | tuple):
        return Fixed(_numbers("Gains", gains))
    return gains


def _drive(drive: str | Drive | None, shape: tuple[int, ...]) -> Drive:
    if isinstance(drive, str):
        named: Drive = DRIVES.load(drive)()
        return named
    if drive is not None:
        return drive
    return MaskedMean(WINDOW) if len(shape) == 3 and min(shape[1:]) >= WINDOW else Mean()


def _numbers(what: str, values: float | Sequence[float]) -> tuple[float, ...]:
    found = tuple(values) if isinstance(values, Sequence) else (values,)
    for value in found:
        _check(what, value, -math.inf)
    return found


def _check(what: str, value: float, lowest: float, highest: float = math.inf) -> None:
    """Refuse what is no finite number from `lowest` to `highest`."""
    number = isinstance(value, int | float) and math.isfinite(value)
    if not number or not lowest <= value <= highest:
        expected = f"a number from {lowest:g}" + ("" if highest == math.inf else f" to {highest:g}")
        raise InputError(describe(what, expected=expected, got=value))


def _check_choice(what: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise InputError(describe(what, expected=" or ".join(known), got=value))


def _night(
    path: Path | str | None,
    model: nn.Module,
    seen: Examples,
    settings: NightSettings,
    extent: Extent,
) -> AbstractContextManager[Recorder]:
    """Where the night is recorded."""
    if path is None:
        return nullcontext(SilentRecorder())
    layers = graph_night.recorded_layers(model, seen.x.shape[1:], extent.leave_out)
    told = {"sleep": asdict(settings), **asdict(extent)}
    file = TraceFile(path, layers, settings=told, keep_before=True)
    return file.night(0, task=0, steps=int(settings.steps))  # type: ignore[arg-type]
