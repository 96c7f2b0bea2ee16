"""Figure of decisions on the test data before and after a night."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bioncl.analysis.night_outputs import ConfusionSummary
from bioncl.analysis.undefined import divide
from bioncl.report import style

_NUMBERS_UP_TO = 12


def confusion_figure(title: str, found: ConfusionSummary) -> Figure:
    """Share of the examples of each class (row) that is taken for each class (column).

    Args:
        title: Heading of the figure.
        found: Of at least one class.
    """
    figure, axes = style.panels(1, 2, 3.6)
    pairs = (("before", found.before, found.all_before), ("after", found.after, found.all_after))
    for panel, (when, matrix, right) in zip(axes[0], pairs, strict=True):
        _draw(panel, 100 * divide(matrix, matrix.sum(axis=1, keepdims=True)))
        panel.set_title(f"{when} the night: {100 * right:.1f} % right")
        panel.set_xlabel("taken for")
    axes[0, 0].set_ylabel("class")
    bar = figure.colorbar(axes[0, 1].images[0], ax=axes, shrink=0.8, pad=0.02, aspect=30)
    bar.set_label("share of the class (%)")
    bar.outline.set_visible(False)
    style.head(figure, title)
    return figure


def _draw(panel: Axes, shares: NDArray[np.float64]) -> None:
    shown = np.ma.masked_invalid(shares)
    panel.imshow(
        shown, vmin=0, vmax=100, cmap=style.SEQUENTIAL, aspect="auto", interpolation="nearest"
    )
    style.write_cells(panel, shares, shares < 55, limit=_NUMBERS_UP_TO)
    ticks = style.few_ticks(len(shares), 10)
    panel.set_xticks(ticks)
    panel.set_yticks(ticks)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
