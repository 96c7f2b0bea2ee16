"""What a night did to one layer, measured: rates, replay, sparseness and weights.

Each function takes a `NightView` and a layer, and chooses what goes into which analysis. A silent
layer gives NaN, never a warning.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.controls import Control
from bioncl.analysis.correlation import ClassCorrelations, class_correlations
from bioncl.analysis.decoders import centroid_decoder
from bioncl.analysis.decoding import decode
from bioncl.analysis.night import NightView
from bioncl.analysis.order import OrderTest, Trend, order_test, trend
from bioncl.analysis.rates import mean_rates
from bioncl.analysis.replay import ReplayScores, replay_scores
from bioncl.analysis.selectivity import class_specific
from bioncl.analysis.sparseness import sparseness
from bioncl.analysis.statistics import coefficient_of_variation, fano_factor, intervals
from bioncl.analysis.synapse_groups import group_change
from bioncl.analysis.undefined import divide, mean_of_defined
from bioncl.analysis.weights import WeightChange, stable_rank, weight_change
from bioncl.analysis.windows import regular_windows

Templates = Literal["specific", "means"]


@dataclass(frozen=True, eq=False)
class RatesSummary:
    """How one layer fired.

    Attributes:
        neurons: Its neurons.
        spikes: All their spikes.
        mean_hz: Mean rate of its neurons.
        silent: Share of its neurons that never fired.
        mean_isi_ms: Mean over neurons of the mean interval between their spikes.
        mean_cv: Mean of `cv` over the neurons that have one.
        mean_fano: Mean of `fano` likewise.
        rates_hz: Rate of each neuron [neurons].
        cv: Variation of each neuron's intervals; NaN below three spikes [neurons].
        fano: Fano factor of each neuron's counts in windows; NaN if silent [neurons].
    """

    neurons: int
    spikes: int
    mean_hz: float
    silent: float
    mean_isi_ms: float
    mean_cv: float
    mean_fano: float
    rates_hz: NDArray[np.float64]
    cv: NDArray[np.float64]
    fano: NDArray[np.float64]


def rates_summary(view: NightView, layer: str, width: int = 100) -> RatesSummary:
    """How `layer` fired; Fano factors, of counts in windows of `width` steps, need two of those."""
    neurons, events = view.trace.sizes[layer], view.events(layer)
    counts = np.bincount(events[:, 1], minlength=neurons)
    rates = mean_rates(counts, view.stop - view.start, view.trace.step_ms)
    gaps = intervals(events, neurons)
    cv = coefficient_of_variation(gaps)
    windows = regular_windows(view.stop - view.start, width) + view.start
    fano = fano_factor(view.window_counts(layer, windows))
    return RatesSummary(
        neurons=neurons,
        spikes=int(counts.sum()),
        mean_hz=float(rates.mean()),
        silent=float((counts == 0).mean()),
        mean_isi_ms=float(mean_of_defined(gaps.mean()) * view.trace.step_ms),
        mean_cv=float(mean_of_defined(cv)),
        mean_fano=float(mean_of_defined(fano)),
        rates_hz=rates,
        cv=cv,
        fano=fano,
    )


@dataclass(frozen=True)
class ReplaySettings:
    """How replay is looked for.

    Attributes:
        window: Steps of a window.
        shuffles: For p-values.
        seed: Of the shuffles.
        control: What is shuffled; see `bioncl.analysis.controls`.
        templates: Whether counts are compared with "specific" class means (less their mean over
            classes, so that neurons active for everything do not count) or with plain "means".
    """

    window: int = 500
    shuffles: int = 1000
    seed: int = 0
    control: Control = "neurons"
    templates: Templates = "specific"


@dataclass(frozen=True, eq=False)
class OldAndNew:
    """Replay of earlier tasks' classes and of those of the night's own task.

    Attributes:
        new: Which classes came with the night's own task: bool [classes].
        old_score: Mean correlation of windows with old classes; NaN without any.
        new_score: The same for new ones.
        old_decoded: Share of windows decoded as an old class.
        new_decoded: Share of windows decoded as a new one.
        drift: Rank correlation of "decoded as new" with time.
    """

    new: NDArray[np.bool_]
    old_score: float
    new_score: float
    old_decoded: float
    new_decoded: float
    drift: Trend


@dataclass(frozen=True, eq=False)
class ReplaySummary:
    """What one layer replayed.

    Attributes:
        windows: First step and end of each: int64 [windows, 2].
        classes: Labels of the classes [classes].
        scores: Of each window with each class.
        best: Label of the class that each window is most like, −1 for none [windows].
        best_q: Chance that this is chance, adjusted for the number of windows [windows].
        decoded: `best` where best_q is at most 0.05, else −1: int64 [windows].
        mean_score: Mean correlation of each class over the windows that have one [classes].
        mean_z: The same of z [classes].
        share: Share of all windows decoded as each class [classes].
        order: Do the decoded classes follow an order?
        tasks: Old tasks against the new one; None where they cannot be told apart.
    """

    windows: NDArray[np.int64]
    classes: NDArray[np.int64]
    scores: ReplayScores
    best: NDArray[np.int64]
    best_q: NDArray[np.float64]
    decoded: NDArray[np.int64]
    mean_score: NDArray[np.float64]
    mean_z: NDArray[np.float64]
    share: NDArray[np.float64]
    order: OrderTest
    tasks: OldAndNew | None


def replay_summary(view: NightView, layer: str, how: ReplaySettings) -> ReplaySummary:
    """What `layer` replayed, window by window.

    Raises:
        InputError: No window fits into the night.
        TraceError: The file holds no awake activations.
    """
    classes, means, windows = view.classes, view.means(layer), view.windows(how.window)
    templates = class_specific(means) if how.templates == "specific" else means
    counts = view.window_counts(layer, windows)
    chance = how.shuffles, how.control, how.seed
    scores = replay_scores(counts, templates, *chance)
    found = decode(centroid_decoder(templates), counts, *chance)
    places, names = found.significant(), np.append(classes, -1)
    return ReplaySummary(
        windows=windows,
        classes=classes,
        scores=scores,
        best=names[found.labels],
        best_q=found.q,
        decoded=names[places],
        mean_score=mean_of_defined(scores.correlation, axis=0),
        mean_z=mean_of_defined(scores.z, axis=0),
        share=np.bincount(places[places >= 0], minlength=len(classes)) / len(windows),
        order=order_test(places, len(classes), how.shuffles, how.seed),
        tasks=_old_and_new(view, scores.correlation, places, how),
    )


def _old_and_new(
    view: NightView, scores: NDArray[np.float64], places: NDArray[np.int64], how: ReplaySettings
) -> OldAndNew | None:
    new = view.new_classes()
    if new is None:
        return None
    is_new = np.where(places >= 0, np.append(new, False)[places], np.nan)
    return OldAndNew(
        new=new,
        old_score=float(mean_of_defined(scores[:, ~new])),
        new_score=float(mean_of_defined(scores[:, new])),
        old_decoded=float((is_new == 0).mean()),
        new_decoded=float((is_new == 1).mean()),
        drift=trend(is_new, how.shuffles, how.seed),
    )


@dataclass(frozen=True, eq=False)
class CodeSummary:
    """One layer's awake code on one side of the night.

    Attributes:
        active: Mean share of the neurons that an example activates.
        treves_rolls: Mean over examples: 1/n sparse .. 1 dense.
        hoyer: Mean over examples: 0 dense .. 1 sparse.
        within: Mean correlation of two examples of the same class.
        between: Mean correlation of two examples of different classes.
        correlations: Of each class with each: float64 [classes, classes].
    """

    active: float
    treves_rolls: float
    hoyer: float
    within: float
    between: float
    correlations: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class SparsenessSummary:
    """One layer's awake code around the night.

    Attributes:
        classes: Labels of the classes [classes].
        before: Before the night.
        after: Afterwards.
    """

    classes: NDArray[np.int64]
    before: CodeSummary
    after: CodeSummary


def sparseness_summary(view: NightView, layer: str) -> SparsenessSummary:
    """How sparse, and how alike between classes, the awake code of `layer` was.

    Raises:
        TraceError: The file holds no awake activations, or the night was not finished.
    """
    classes, found = view.classes, view.examples(layer)
    before, after = (
        _code(activations, class_correlations(activations, found.labels, len(classes)))
        for activations in (found.before, found.after)
    )
    return SparsenessSummary(classes, before, after)


def _code(activations: NDArray, alike: ClassCorrelations) -> CodeSummary:
    measured = sparseness(activations, "neurons")
    return CodeSummary(
        active=float(mean_of_defined(measured.active)),
        treves_rolls=float(mean_of_defined(measured.treves_rolls)),
        hoyer=float(mean_of_defined(measured.hoyer)),
        within=alike.within,
        between=alike.between,
        correlations=alike.matrix,
    )


@dataclass(frozen=True, eq=False)
class RowChange:
    """Change of the incoming weights of some outputs.

    Attributes:
        classes: Labels of their classes.
        up: Synapses that grew.
        down: Synapses that shrank.
        mean: Mean change; NaN without synapses.
    """

    classes: NDArray[np.int64]
    up: int
    down: int
    mean: float


@dataclass(frozen=True, eq=False)
class WeightsSummary:
    """What happened to one layer's weights.

    Attributes:
        synapses: Their number.
        change: Counts and means; `relative` is NaN if the weights before are not known.
        stable_rank_before: NaN if the weights before are not known.
        stable_rank_after: Likewise.
        old_rows: Outputs of earlier tasks' classes; None for other layers, or if not known.
        new_rows: Outputs of the classes of the night's own task.
    """

    synapses: int
    change: WeightChange
    stable_rank_before: float
    stable_rank_after: float
    old_rows: RowChange | None
    new_rows: RowChange | None


def weights_summary(view: NightView, layer: str) -> WeightsSummary:
    """What the night did to the incoming weights of `layer`.

    Raises:
        TraceError: The file does not hold their change.
    """
    found = view.weights(layer)
    # counts and means of changes do not depend on where the weights started
    before = np.zeros_like(found.delta) if found.before is None else found.before
    after = before + found.delta
    known = found.before is not None
    is_output = layer == view.trace.layers[-1] and view.output_rows()
    old, new = _rows(view, found.delta) if is_output else (None, None)
    return WeightsSummary(
        synapses=found.delta.size,
        change=weight_change(before, after),
        stable_rank_before=stable_rank(before) if known else np.nan,
        stable_rank_after=stable_rank(after) if known else np.nan,
        old_rows=old,
        new_rows=new,
    )


def _rows(view: NightView, delta: NDArray) -> tuple[RowChange, RowChange] | tuple[None, None]:
    held = "awake/classes" in view.trace.array_names(view.night.index)
    new = view.new_classes() if held else None
    if new is None:
        return None, None
    groups = view.classes[~new], view.classes[new]
    post = np.array([np.isin(np.arange(len(delta)), group) for group in groups])
    every = np.ones((1, delta.shape[1]), bool)
    change = group_change(np.zeros_like(delta), delta, post, every)
    mean = divide(change.after, change.synapses)
    old, own = (
        RowChange(group, int(up), int(down), float(average))
        for group, up, down, average in zip(
            groups, change.up[:, 0], change.down[:, 0], mean[:, 0], strict=True
        )
    )
    return old, own
