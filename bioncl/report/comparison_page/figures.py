"""Panels of the page about a comparison. Accuracies are in per cent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bioncl.experiments.comparison.measures import BUDGETS
from bioncl.experiments.comparison.series import Series
from bioncl.experiments.comparison.statistics import Estimate
from bioncl.experiments.comparison.summary import Problem, Row
from bioncl.report.comparison_page.marks import colour, mark
from bioncl.report.page import charts, scales
from bioncl.report.page.panel import Panel
from bioncl.report.page.scales import Scale
from bioncl.report.page.text import percent

LOGARITHMIC = 30.0
"""Budgets whose largest is so many times the smallest stand on a logarithmic axis."""
_LABELS = {
    "stored_examples": "stored examples",
    "bytes": "bytes carried along",
    "training_steps": "training steps",
    "seconds": "seconds of learning",
}


def budget_panels(rows: Sequence[Row], marks: Mapping[str, str]) -> list[Markup]:
    """Final accuracy against what it cost: a panel for each budget, a mark for each contender."""
    done = [row for row in rows if row.values]
    return [_scatter(done, name, marks) for name in BUDGETS] if done else []


def _scatter(rows: Sequence[Row], name: str, marks: Mapping[str, str]) -> Markup:
    costs = [row.estimates[name].mean for row in rows]
    label = _LABELS[name]
    panel = Panel(f"accuracy against {label}", budget_scale(costs, label), _accuracy_scale(rows))
    pieces: list[Markup] = []
    for row, cost in zip(rows, costs, strict=True):
        x = _across(panel, cost)
        pieces += _estimate(panel, x, row.estimates["acc"], marks[row.label], row.label)
    return panel.svg(pieces)


def _estimate(panel: Panel, x: float, acc: Estimate, kind: str, label: str) -> Iterator[Markup]:
    """A mark at the mean, and a whisker over the interval."""
    if acc.low is not None and acc.high is not None:
        low, high = panel.up([100 * acc.low, 100 * acc.high])
        yield Markup('<path class="whisker {}" d="M{} {}V{}"/>').format(
            colour(kind), f"{x:g}", low, high
        )
    told = f"{label}: {percent(acc.mean)} %"
    yield mark(kind, x, float(panel.up(100 * acc.mean)), told)


def stored_panel(found: Sequence[Series], marks: Mapping[str, str]) -> Markup:
    """Final accuracy over stored examples: a line a series, dashed without sleep.

    Args:
        found: Series, each with a result.
        marks: By name of the series.
    """
    rows = [row for one in found for row in one.rows]
    x = budget_scale([row.estimates["stored_examples"].mean for row in rows], "stored examples")
    title = "accuracy over stored examples (dashed: without sleep)"
    panel = Panel(title, x, _accuracy_scale(rows), width=720, height=320)
    pieces: list[Markup] = []
    for one in found:
        xs = np.array([_across(panel, row.estimates["stored_examples"].mean) for row in one.rows])
        ys = panel.up([100 * row.estimates["acc"].mean for row in one.rows])
        pieces.append(_line(xs, ys, marks[one.name], one.name, dashed=not one.sleeps))
        for row, place in zip(one.rows, xs, strict=True):
            acc = row.estimates["acc"]
            pieces += _estimate(panel, float(place), acc, marks[one.name], row.label)
    return panel.svg(pieces)


def _line(xs: NDArray, ys: NDArray, kind: str, told: str, *, dashed: bool = False) -> Markup:
    path = "L".join(f"{x} {y}" for x, y in zip(xs, ys, strict=True))
    style = " dashed" if dashed else ""
    return Markup('<path class="curve {}{}" d="M{}"><title>{}</title></path>').format(
        colour(kind), style, path, told
    )


def course_panels(problem: Problem, marks: Mapping[str, str]) -> list[Markup]:
    """Forgetting curves: accuracy after each task on those seen so far, and on the first."""
    rows = [(row, row.matrix) for row in problem.rows]
    known = [(row, matrix) for row, matrix in rows if matrix is not None]
    if not known or len(problem.tasks) < 2:
        return []
    seen = [(row, [float(m[i, : i + 1].mean()) for i in range(len(m))]) for row, m in known]
    first = [(row, [float(value) for value in m[:, 0]]) for row, m in known]
    return [
        _courses("mean accuracy on the tasks seen so far", seen, marks),
        _courses("accuracy on the first task", first, marks),
    ]


def _courses(
    title: str, found: Sequence[tuple[Row, Sequence[float]]], marks: Mapping[str, str]
) -> Markup:
    names = [str(place + 1) for place in range(len(found[0][1]))]
    x, y = scales.places(names, "after task"), scales.linear(0.0, 100.0, "%")
    panel = Panel(title, x, y, height=240)
    pieces = []
    for row, values in found:
        xs, ys = panel.across(np.arange(len(values))), panel.up(100 * np.asarray(values))
        pieces.append(_line(xs, ys, marks[row.label], row.label))
        for place_x, place_y, value in zip(xs, ys, values, strict=True):
            told = f"{row.label}: {percent(value)} %"
            pieces.append(mark(marks[row.label], float(place_x), float(place_y), told, 3.0))
    return panel.svg(pieces)


def matrix_panels(rows: Sequence[Row]) -> list[Markup]:
    """Accuracy on each task after each task, means over the seeds, on one scale."""
    return [
        charts.matrix(
            row.label,
            [str(place + 1) for place in range(len(matrix))],
            100 * matrix,
            ("after task", "accuracy on task, %"),
            ".0f",
            100.0,
        )
        for row in rows
        if (matrix := row.matrix) is not None
    ]


def _accuracy_scale(rows: Sequence[Row]) -> Scale:
    """From a little below the lowest accuracy to a little above the highest."""
    found = [row.estimates["acc"] for row in rows]
    low = min(acc.mean if acc.low is None else acc.low for acc in found)
    high = max(acc.mean if acc.high is None else acc.high for acc in found)
    room = 0.06 * (high - low) + 0.005
    return scales.linear(100 * max(0.0, low - room), 100 * min(1.0, high + room), "accuracy, %")


def budget_scale(costs: Sequence[float], label: str) -> Scale:
    """A scale for costs, logarithmic if they differ by much; 0 stands at its start then."""
    lowest, most = min(costs), max(costs)
    least = min((cost for cost in costs if cost > 0), default=0.0)
    if not most:
        return scales.linear(0.0, 1.0, label)
    if most < LOGARITHMIC * least:
        room = 0.05 * (most - lowest or most)
        return scales.linear(lowest - room, most + room, label)
    low, high = least / (1.5 if lowest else 5.0), most * 1.5
    powers = range(math.ceil(math.log10(least / 1.5)), math.floor(math.log10(high)) + 1)
    step = -(-len(powers) // 5)
    ticks = [(10.0**power, _power(power)) for power in powers[::step]]
    zero = [] if lowest else [(low, "0")]
    return Scale(low, high, label, [*zero, *ticks], logarithmic=True)


def _across(panel: Panel, cost: float) -> float:
    """Place of a cost; 0 stands at the start of a logarithmic axis."""
    return float(panel.across(max(cost, panel.x.low)))


def _power(power: int) -> str:
    """A power of ten as it is said, also below 1."""
    return scales.power_text(power) if power >= 0 else f"{10.0**power:g}"
