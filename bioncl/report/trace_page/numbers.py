"""All numbers of the page about a trace, night by night and layer by layer.

What a file does not hold is a `Missing` that says why: a page is made of whatever is there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.night import NightView
from bioncl.analysis.night_outputs import (
    ClassesSummary,
    ConfusionSummary,
    classes_summary,
    confusion_summary,
)
from bioncl.analysis.night_replay import OrderSummary, order_summary
from bioncl.analysis.night_summaries import (
    RatesSummary,
    ReplaySettings,
    ReplaySummary,
    SparsenessSummary,
    WeightsSummary,
    rates_summary,
    replay_summary,
    sparseness_summary,
    weights_summary,
)
from bioncl.analysis.rates import bin_edges, population_rate
from bioncl.analysis.weights import WeightHistograms, weight_histograms
from bioncl.errors import InputError
from bioncl.report.page.blocks import Missing

_RATE_BINS = 100
_LONG_WINDOW = 500
T = TypeVar("T")


@dataclass(frozen=True)
class PageSettings:
    """How a page looks for replay.

    Attributes:
        window: Steps of a window; None for 500, or a tenth of a night below 5,000 steps.
        shuffles: For p-values.
        seed: Of the shuffles.
    """

    window: int | None = None
    shuffles: int = 1000
    seed: int = 0

    def for_night(self, steps: int) -> ReplaySettings:
        """The same for a night of `steps` recorded steps."""
        window = self.window or min(_LONG_WINDOW, max(steps // 10, 1))
        return ReplaySettings(window, self.shuffles, self.seed)


@dataclass(frozen=True, eq=False)
class Firing:
    """How a layer fired.

    Attributes:
        summary: Rates, silence, regularity.
        edges: Of bins of time, in steps of the night: int64 [bins + 1].
        hz: Mean rate of its neurons in each bin [bins].
    """

    summary: RatesSummary
    edges: NDArray[np.int64]
    hz: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class LayerNumbers:
    """One layer in one night.

    Attributes:
        firing: How it fired.
        replay: What it replayed.
        order: In which order.
        code: Its awake code before and after.
        weights: What happened to its incoming weights.
        histograms: Of these weights and their changes; those of the weights themselves are without
            meaning where the weights before are not known (NaN `stable_rank_before`).
    """

    firing: Firing | Missing
    replay: ReplaySummary | Missing
    order: OrderSummary | Missing
    code: SparsenessSummary | Missing
    weights: WeightsSummary | Missing
    histograms: WeightHistograms | Missing


@dataclass(frozen=True, eq=False)
class NightNumbers:
    """One night.

    Attributes:
        index: Of the night.
        task: After which it was slept.
        steps: How many it was to last.
        recorded: How many the file holds.
        complete: Whether it was written to its end.
        facts: What was noted about it.
        how: How replay was looked for.
        drive: How the input fired.
        classes: Labels of the classes seen so far.
        mean_inputs: Mean awake input of each class [classes, inputs].
        input_counts: Spikes of each input: int64 [inputs].
        layers: All layers but the input, by name.
        outputs: Output spikes of each class.
        confusion: Decisions before and after.
    """

    index: int
    task: int
    steps: int
    recorded: int
    complete: bool
    facts: dict[str, object]
    how: ReplaySettings
    drive: Firing | Missing
    classes: NDArray[np.int64] | Missing
    mean_inputs: NDArray | Missing
    input_counts: NDArray[np.int64]
    layers: dict[str, LayerNumbers]
    outputs: ClassesSummary | Missing
    confusion: ConfusionSummary | Missing


def measure(view: NightView, how: PageSettings, advance: Callable[[], None]) -> NightNumbers:
    """Measure a whole night; `advance` is called after each layer.

    Raises:
        TraceError: The file is damaged.
    """
    night, names = view.night, view.trace.layers
    replay = how.for_night(night.recorded)
    layers = {}
    for name in names[1:]:
        layers[name] = _layer(view, name, replay)
        advance()
    found = NightNumbers(
        index=night.index,
        task=night.task,
        steps=night.steps,
        recorded=night.recorded,
        complete=night.complete,
        facts=night.facts,
        how=replay,
        drive=_slept(view, lambda: _firing(view, names[0])),
        classes=_held(view, lambda: view.classes),
        mean_inputs=_held(view, lambda: view.means(names[0])),
        input_counts=view.trace.counts(names[0], night.index),
        layers=layers,
        outputs=_slept(view, lambda: classes_summary(view, replay.window)),
        confusion=_ended(view, lambda: confusion_summary(view)),
    )
    advance()
    return found


def _layer(view: NightView, name: str, how: ReplaySettings) -> LayerNumbers:
    replay = _slept(view, lambda: replay_summary(view, name, how))
    return LayerNumbers(
        firing=_slept(view, lambda: _firing(view, name)),
        replay=replay,
        order=replay if isinstance(replay, Missing) else order_summary(replay),
        code=_ended(view, lambda: sparseness_summary(view, name)),
        weights=_ended(view, lambda: weights_summary(view, name)),
        histograms=_ended(view, lambda: _histograms(view, name)),
    )


def _slept(view: NightView, found: Callable[[], T]) -> T | Missing:
    """`found`, if any step of the night was recorded."""
    if not view.night.recorded:
        return Missing("No step of this night was recorded.")
    return _held(view, found)


def _ended(view: NightView, found: Callable[[], T]) -> T | Missing:
    """`found`, which is written at the end of a night, if that was reached."""
    held = _held(view, found)
    if isinstance(held, Missing) and not view.night.complete:
        return Missing("This is written at the end of a night, which was not reached.")
    return held


def _held(view: NightView, found: Callable[[], T]) -> T | Missing:
    """`found`, or why it cannot be: pages are handed on, so without the place of the file."""
    try:
        return found()
    except InputError as error:
        text = str(error).replace(view.name, "This night").replace(str(view.trace.path), "The file")
        return Missing(text)


def _firing(view: NightView, layer: str) -> Firing:
    edges = bin_edges(view.start, view.stop, _RATE_BINS)
    hz = np.zeros(len(edges) - 1)
    for piece in view.trace.pieces(layer, view.night.index, view.start, view.stop):
        hz += population_rate(piece[:, 0], view.trace.sizes[layer], edges, view.trace.step_ms)
    return Firing(rates_summary(view, layer), edges, hz)


def _histograms(view: NightView, layer: str) -> WeightHistograms:
    found = view.weights(layer)
    before = np.zeros_like(found.delta) if found.before is None else found.before
    return weight_histograms(before, before + found.delta)
