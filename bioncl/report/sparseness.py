"""Figure of the awake code around a night: how sparse it is, and how alike its classes are."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from bioncl.analysis.night_summaries import SparsenessSummary
from bioncl.report import style

_MEASURES = {
    "active": "active",
    "treves_rolls": "Treves–Rolls",
    "hoyer": "Hoyer",
    "within": "r within",
    "between": "r between",
}


def sparseness_figure(title: str, found: Mapping[str, SparsenessSummary]) -> Figure:
    """For each layer its measures before and after, and the correlations between classes.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    figure, axes = style.panels(len(found), 3, 0.8 + 1.9 * len(found))
    for (layer, summary), row in zip(found.items(), axes, strict=True):
        _draw_measures(row[0], summary)
        row[0].set_title(layer)
        for panel, when in zip(row[1:], ("before", "after"), strict=True):
            image = _draw_matrix(panel, summary.classes, getattr(summary, when).correlations)
            panel.set_title(f"correlations {when}")
        bar = figure.colorbar(image, ax=row[2], pad=0.03, aspect=15)
        bar.outline.set_visible(False)
    style.head(figure, title, axes[0, 0])
    return figure


def _draw_measures(panel: Axes, found: SparsenessSummary) -> None:
    rows = np.arange(len(_MEASURES))[::-1]
    before, after = (
        np.array([getattr(code, name) for name in _MEASURES])
        for code in (found.before, found.after)
    )
    panel.hlines(rows, before, after, color=style.FAINT, lw=1)
    panel.plot(before, rows, "o", ms=4, mfc="white", mec=style.AWAKE, label="before sleep")
    panel.plot(after, rows, "o", ms=3.5, color=style.ASLEEP, label="after sleep")
    panel.set_yticks(rows, list(_MEASURES.values()))
    panel.set_ylim(-0.5, len(rows) - 0.5)
    lowest = min([0.0, *before[np.isfinite(before)], *after[np.isfinite(after)]])
    panel.set_xlim(lowest - 0.03, 1.03)


def _draw_matrix(
    panel: Axes, classes: NDArray[np.int64], correlations: NDArray[np.float64]
) -> AxesImage:
    image = panel.imshow(
        np.ma.masked_invalid(correlations), vmin=-1, vmax=1, cmap=style.DIVERGING, aspect="equal"
    )
    ticks = style.few_ticks(len(classes), 6)
    names = [str(classes[tick]) for tick in ticks]
    panel.set_xticks(ticks, names)
    panel.set_yticks(ticks, names)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return image
