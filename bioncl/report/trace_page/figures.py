"""Panels of the page about a trace, made from its numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bioncl.analysis.night_outputs import ClassesSummary, ConfusionSummary
from bioncl.analysis.night_summaries import CodeSummary, ReplaySummary, SparsenessSummary
from bioncl.analysis.weights import WeightHistograms
from bioncl.report.page import charts, pictures, scales
from bioncl.report.page.panel import Panel
from bioncl.report.trace_page.numbers import Firing

_STEP = "step of the night"
_MEASURES = {
    "active": "active",
    "treves_rolls": "Treves–Rolls",
    "hoyer": "Hoyer",
    "within": "r within",
    "between": "r between",
}
_RATE_BINS = 40


def firing_panels(found: Firing) -> list[Markup]:
    """Rates of the neurons, and the layer's mean rate over the night."""
    rates = found.summary.rates_hz
    edges = np.linspace(0, max(float(rates.max(initial=0.0)), 1e-3), _RATE_BINS + 1)
    counts, _ = np.histogram(rates, edges)
    return [
        charts.course("mean rate over the night", found.edges, found.hz, (_STEP, "Hz")),
        charts.histogram(
            "rates of the neurons", edges, {"asleep": counts}, ("rate of a neuron (Hz)", "neurons")
        ),
    ]


def output_panel(found: ClassesSummary) -> Markup:
    """Output spikes of each class."""
    names, kinds = [str(label) for label in found.classes], [str(age) for age in found.ages]
    kinds = [kind if kind in {"old", "new"} else "unseen" for kind in kinds]
    return charts.bars(
        "output spikes of each class", names, found.spikes, kinds, ("class", "spikes")
    )


def replay_panel(found: ReplaySummary) -> Markup:
    """Likeness of each window to each class, with what the window decodes as."""
    rows = len(found.classes)
    names = [str(label) for label in found.classes]
    x = scales.linear(float(found.windows[0, 0]), float(found.windows[-1, 1]), _STEP, 8)
    panel = Panel(
        "likeness to each class (r), and the class it decodes as",
        x,
        scales.places(names, "class", 20),
        width=720,
        height=90 + 20 * min(max(rows, 4), 20),
        key=(("above", "r > 0"), ("below", "r < 0")),
        grid=False,
    )
    cells = charts.image(panel, charts.scaled(found.scores.correlation.T[::-1]))
    return panel.svg([cells, *_decoded_marks(panel, found)])


def _decoded_marks(panel: Panel, found: ReplaySummary) -> Iterable[Markup]:
    """A dot where a window is decoded, a ring at the most likely class of one that is not."""
    xs = panel.across(found.windows.mean(axis=1))
    ys = panel.up(np.searchsorted(found.classes, found.best))
    for kind, chosen in (
        ("guess", (found.best >= 0) & (found.decoded < 0)),
        ("decoded", found.decoded >= 0),
    ):
        path = "".join(f"M{x} {y}h0" for x, y in zip(xs[chosen], ys[chosen], strict=True))
        yield Markup('<path class="{}" d="{}"/>').format(kind, path)


def order_panel(found: ReplaySummary) -> Markup:
    """How often a class is decoded after another."""
    names = [str(label) for label in found.classes]
    labels = "from class", "to class"
    return charts.matrix(
        "transitions between decoded classes", names, found.order.transitions, labels, "d"
    )


def code_panels(found: SparsenessSummary) -> list[Markup]:
    """Measures of the awake code, and correlations between classes before and after."""
    before, after = (_measures(code) for code in (found.before, found.after))
    names = [str(label) for label in found.classes]
    measures = charts.pairs(
        "awake code", list(_MEASURES.values()), before, after, ("", ""), (0.0, 1.0)
    )
    matrices = [
        charts.matrix(
            f"r between classes, {when} sleep",
            names,
            code.correlations,
            ("class", "class"),
            ".2f",
            1.0,
        )
        for when, code in (("before", found.before), ("after", found.after))
    ]
    return [measures, *matrices]


def _measures(code: CodeSummary) -> NDArray[np.float64]:
    return np.array([getattr(code, name) for name in _MEASURES])


def weight_panels(found: WeightHistograms, *, known: bool) -> list[Markup]:
    """Histograms of the changes and, if they are `known`, of the weights before and after."""
    changes = charts.histogram(
        "changes of weights", found.change_edges, {"asleep": found.change}, ("change", "synapses")
    )
    series = {"awake": found.before, "asleep": found.after}
    labels = "weight", "synapses"
    if not known:
        return [changes]
    return [charts.histogram("weights", found.edges, series, labels, charts.BEFORE_AFTER), changes]


def accuracy_panel(
    title: str, names: Sequence[str], before: Sequence[object], after: Sequence[object], what: str
) -> Markup:
    """Accuracies in per cent before and after sleep; None is left out."""
    sides = [100 * np.array(side, np.float64) for side in (before, after)]
    return charts.pairs(title, names, sides[0], sides[1], (what, "%"), (0.0, 100.0))


def confusion_panels(found: ConfusionSummary) -> list[Markup]:
    """Decisions on test data before and after."""
    names = [str(label) for label in range(len(found.before))]
    labels, top = ("class", "taken for"), float(max(found.before.max(), found.after.max()))
    return [
        charts.matrix(f"decisions {when} sleep", names, table, labels, "d", top)
        for when, table in (("before", found.before), ("after", found.after))
    ]


def input_pictures(values: NDArray) -> list[str] | None:
    """Rows [pictures, inputs] as data URIs on one scale; None if inputs are no square picture.

    784 inputs are 28 × 28 in grey, 3,072 are 32 × 32 in red, green and blue planes.
    """
    inputs = values.shape[1]
    top = float(np.nanmax(np.abs(values), initial=0.0)) or 1.0
    if (side := round(inputs**0.5)) ** 2 == inputs:
        return [pictures.cells(row.reshape(side, side) / top) for row in values]
    if 3 * (side := round((inputs / 3) ** 0.5)) ** 2 == inputs:
        planes = values.reshape(-1, 3, side, side) / top
        return [pictures.colours(planes_of.transpose(1, 2, 0)) for planes_of in planes]
    return None
