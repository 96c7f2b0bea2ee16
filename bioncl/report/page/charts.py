"""Charts: outlines of histograms and courses, bars, pairs of before and after, and coloured cells.

Each function takes numbers and gives an SVG panel (see `panel`). Values that are NaN are left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from bioncl.report.page import pictures, scales
from bioncl.report.page.panel import Panel
from bioncl.report.page.text import number

BEFORE_AFTER = (("awake", "before sleep"), ("asleep", "after sleep"))
_NUMBERS_UP_TO = 12


def histogram(
    title: str,
    edges: NDArray,
    series: Mapping[str, NDArray],
    labels: tuple[str, str],
    key: tuple[tuple[str, str], ...] = (),
) -> Markup:
    """Counts in bins: filled if it is one series, outlines if there are more.

    Args:
        title: Of the panel.
        edges: Of the bins [bins + 1].
        series: Counts [bins] by class of the style sheet.
        labels: Of the values, and of what is counted.
        key: See `Panel`.
    """
    top = max(float(counts.max(initial=0)) for counts in series.values())
    x = scales.linear(float(edges[0]), float(edges[-1]), labels[0])
    panel = Panel(title, x, scales.counts(top, labels[1]), key=key)
    filled = " filled" if len(series) == 1 else ""
    return panel.svg(_stairs(panel, edges, of, f"{c}{filled}") for c, of in series.items())


def course(title: str, edges: NDArray, values: NDArray, labels: tuple[str, str]) -> Markup:
    """Values of bins of time as an outline from 0 up.

    Args:
        title: Of the panel.
        edges: First step of each bin, then the end of the last [bins + 1].
        values: Not negative [bins].
        labels: Of the time, and of the values.
    """
    x = scales.linear(float(edges[0]), float(edges[-1]), labels[0])
    y = scales.linear(0.0, 1.05 * float(values.max(initial=0.0)) or 1.0, labels[1])
    panel = Panel(title, x, y)
    return panel.svg([_stairs(panel, edges, values, "asleep")])


def bars(
    title: str, names: Sequence[str], values: NDArray, kinds: Sequence[str], labels: tuple[str, str]
) -> Markup:
    """A bar for each name, in the colour of its kind.

    Args:
        title: Of the panel.
        names: Of the bars.
        values: Their heights, not negative [bars].
        kinds: Their classes in the style sheet.
        labels: Of the names, and of the values.
    """
    y = scales.linear(0.0, 1.05 * float(values.max(initial=0)) or 1.0, labels[1])
    key = tuple((kind, kind) for kind in ("old", "new") if kind in kinds)
    panel = Panel(title, scales.places(names, labels[0]), y, key=key)
    lefts, rights = (panel.across(np.arange(len(names)) + side) for side in (-0.35, 0.35))
    rows = zip(names, values.tolist(), kinds, lefts, rights, panel.up(values), strict=True)
    return panel.svg(
        Markup('<path class="bar {}" d="M{} {}V{}H{}V{}z"><title>{}: {}</title></path>').format(
            kind, left, panel.bottom, top, right, panel.bottom, name, f"{value:,}"
        )
        for name, value, kind, left, right, top in rows
    )


def pairs(
    title: str,
    names: Sequence[str],
    before: NDArray,
    after: NDArray,
    labels: tuple[str, str],
    limits: tuple[float, float],
) -> Markup:
    """For each name a ring before and a dot after, and a line between them.

    Args:
        title: Of the panel.
        names: Of the pairs.
        before: Values before [pairs].
        after: Values after [pairs].
        labels: Of the names, and of the values.
        limits: The axis of values reaches from the first, or lower, to the second.
    """
    low = float(np.nanmin([limits[0], *before, *after]))
    room = 0.04 * (limits[1] - low)
    y = scales.linear(low - room, limits[1] + room, labels[1])
    panel = Panel(title, scales.places(names, labels[0]), y, key=BEFORE_AFTER)
    return panel.svg(_pair_marks(panel, names, before, after))


def _pair_marks(
    panel: Panel, names: Sequence[str], before: NDArray, after: NDArray
) -> Iterable[Markup]:
    for place, (name, first, last) in enumerate(zip(names, before, after, strict=True)):
        x = panel.across(place)
        if np.isfinite(first) and np.isfinite(last):
            yield Markup('<path class="link" d="M{} {}V{}"/>').format(
                x, panel.up(first), panel.up(last)
            )
        for kind, value in (("ring awake", first), ("dot asleep", last)):
            if np.isfinite(value):
                yield Markup(
                    '<circle class="{}" cx="{}" cy="{}" r="4"><title>{}: {}</title></circle>'
                ).format(kind, x, panel.up(value), name, number(float(value)))


def matrix(
    title: str,
    names: Sequence[str],
    values: NDArray,
    labels: tuple[str, str],
    form: str,
    top: float | None = None,
) -> Markup:
    """A table of values as coloured cells, with numbers in them if they are few; 0 stays empty.

    Opacity grows with the magnitude; negative values have a colour of their own.

    Args:
        title: Of the panel.
        names: Of the columns, and of the rows if there are as many.
        values: [rows, columns].
        labels: Of rows, and of columns.
        form: Of the numbers.
        top: Magnitude of the full colour; by default the largest one.
    """
    rows, columns = values.shape
    down = [*names, *(str(i) for i in range(len(names), rows))][:rows]
    across = [*names, *(str(i) for i in range(len(names), columns))][:columns]
    y = scales.places(down[::-1], labels[0])
    panel = Panel(title, scales.places(across, labels[1]), y, height=300, grid=False)
    strength = scaled(values, top)
    marks = [image(panel, strength)]
    if max(rows, columns) <= _NUMBERS_UP_TO:
        marks += _cell_texts(panel, values, strength, form)
    return panel.svg(marks)


def image(panel: Panel, strength: NDArray) -> Markup:
    """Cells −1..1 [rows, columns] over the whole panel, the first row on top."""
    top = float(panel.up(panel.y.high))
    return Markup(
        '<image class="cells" x="{}" y="{}" width="{}" height="{}" '
        'preserveAspectRatio="none" href="{}"/>'
    ).format(
        f"{panel.left:g}",
        top,
        f"{panel.right - panel.left:g}",
        f"{panel.bottom - top:g}",
        pictures.cells(strength),
    )


def scaled(values: NDArray, top: float | None = None) -> NDArray[np.float64]:
    """Values over `top`, or over their largest magnitude; all 0 stays 0, NaN stays NaN."""
    given = np.asarray(values, np.float64)
    return given / (top or np.nanmax(np.abs(given), initial=0.0) or 1.0)


def _cell_texts(panel: Panel, values: NDArray, strength: NDArray, form: str) -> Iterable[Markup]:
    xs, ys = panel.across(np.arange(values.shape[1])), panel.up(np.arange(values.shape[0]))[::-1]
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value) and value != 0:
            kind = "over" if abs(strength[row, column]) > 0.5 else "cell"
            yield Markup('<text class="{}" x="{}" y="{}">{}</text>').format(
                kind, xs[column], ys[row], number(value, form)
            )


def _stairs(panel: Panel, edges: NDArray, values: NDArray, kind: str) -> Markup:
    """An outline of bins, closed at the bottom so that it can be filled."""
    xs, ys = panel.across(edges), panel.up(values)
    steps = "".join(f"V{y}H{x}" for x, y in zip(xs[1:], ys, strict=True))
    path = f"M{xs[0]} {panel.bottom:g}{steps}V{panel.bottom:g}"
    return Markup('<path class="stairs {}" d="{}"/>').format(kind, path)
