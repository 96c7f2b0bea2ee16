"""What the output layer says about a night: spikes of each class, decisions before and after."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bioncl.analysis.confusion import class_accuracies
from bioncl.analysis.fitting import check_positive
from bioncl.analysis.night import NightView
from bioncl.analysis.rates import mean_rates
from bioncl.analysis.undefined import divide
from bioncl.analysis.windows import counts_by_class


@dataclass(frozen=True, eq=False)
class ClassesSummary:
    """Output spikes of each class.

    Attributes:
        classes: Labels: int64 [classes].
        ages: "old", "new" or "–" for each; see `NightView.ages`.
        spikes: int64 [classes].
        share: Of all output spikes [classes]; NaN without any.
        rates_hz: Mean rate of the class's outputs [classes].
        windows: First step and end of each: int64 [windows, 2]; the last may be shorter.
        counts: Spikes in each window: int64 [windows, classes].
    """

    classes: NDArray[np.int64]
    ages: NDArray[np.str_]
    spikes: NDArray[np.int64]
    share: NDArray[np.float64]
    rates_hz: NDArray[np.float64]
    windows: NDArray[np.int64]
    counts: NDArray[np.int64]


def classes_summary(view: NightView, width: int = 500) -> ClassesSummary:
    """Output spikes of each class, in all and in windows of `width` steps.

    Raises:
        InputError: A width below 1.
        TraceError: It is not known which output stands for which class.
    """
    check_positive(width, "a window's width")
    owner = view.class_of_output()
    classes = np.unique(owner)
    edges = np.unique([*range(view.start, view.stop, width), view.stop])
    windows = np.stack([edges[:-1], edges[1:]], axis=1)
    counts = view.window_counts(view.trace.layers[-1], windows)
    by_class = counts_by_class(counts, np.searchsorted(classes, owner), len(classes))
    spikes = by_class.sum(axis=0)
    rates = mean_rates(spikes, view.stop - view.start, view.trace.step_ms)
    return ClassesSummary(
        classes=classes,
        ages=view.ages(classes),
        spikes=spikes,
        share=divide(spikes, spikes.sum()),
        rates_hz=divide(rates, np.bincount(np.searchsorted(classes, owner))),
        windows=windows,
        counts=by_class,
    )


@dataclass(frozen=True, eq=False)
class ConfusionSummary:
    """Decisions on the test data around a night.

    Attributes:
        ages: "old", "new" or "–" for each label.
        before: Examples of each label (row) taken for each class (column): int64 [labels, classes].
        after: The same after the night.
        accuracy_before: Of each label [labels]; NaN without examples.
        accuracy_after: Likewise.
        wrong_before: The class that each label was most often wrongly taken for, −1 for none.
        wrong_after: Likewise.
        all_before: Share of all examples decided rightly.
        all_after: Likewise.
    """

    ages: NDArray[np.str_]
    before: NDArray[np.int64]
    after: NDArray[np.int64]
    accuracy_before: NDArray[np.float64]
    accuracy_after: NDArray[np.float64]
    wrong_before: NDArray[np.int64]
    wrong_after: NDArray[np.int64]
    all_before: float
    all_after: float


def confusion_summary(view: NightView) -> ConfusionSummary:
    """Decisions on the test data of all tasks before and after the night.

    Raises:
        TraceError: The file holds none, or the night was not finished.
    """
    before, after = view.confusion()
    return ConfusionSummary(
        ages=view.ages(np.arange(len(before))),
        before=before,
        after=after,
        accuracy_before=class_accuracies(before),
        accuracy_after=class_accuracies(after),
        wrong_before=_most_wrong(before),
        wrong_after=_most_wrong(after),
        all_before=float(divide(np.trace(before), before.sum())),
        all_after=float(divide(np.trace(after), after.sum())),
    )


def _most_wrong(matrix: NDArray[np.int64]) -> NDArray[np.int64]:
    wrong = matrix * ~np.eye(len(matrix), dtype=bool)
    return np.where(wrong.any(axis=1), wrong.argmax(axis=1), -1)
