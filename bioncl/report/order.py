"""Figure of the order of replay: the sequence of classes, and which follows which."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.night_replay import OrderSummary
from bioncl.report import style


def order_figure(title: str, found: Mapping[str, OrderSummary]) -> Figure:
    """For each layer, left what was decoded when, right transitions against chance.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    figure = Figure(figsize=(style.WIDTH, 0.8 + 2.0 * len(found)), layout="constrained")
    axes = figure.subplots(len(found), 2, squeeze=False, width_ratios=[2.0, 1.0])
    for (layer, summary), (left, right) in zip(found.items(), axes, strict=True):
        _draw_sequence(left, summary)
        decoded = int((summary.decoded >= 0).sum())
        left.set_title(f"{layer}: {decoded:,} of {len(summary.decoded):,} windows decoded")
        _draw_transitions(right, summary)
    axes[-1, 0].set_xlabel("step of the night")
    axes[-1, 1].set_xlabel("next class")
    style.head(figure, title)
    return figure


def _draw_sequence(panel: Axes, found: OrderSummary) -> None:
    """A bar from the first to the last step of each window, in the row of its class."""
    sure = found.decoded >= 0
    rows = np.searchsorted(found.classes, found.decoded[sure])
    panel.hlines(rows, *found.windows[sure].T, color=style.ASLEEP, lw=4)
    panel.set_xlim(found.windows[0, 0], found.windows[-1, 1])
    panel.set_ylim(-0.6, len(found.classes) - 0.4)
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    ticks = style.few_ticks(len(found.classes), 10)
    panel.set_yticks(ticks, [str(found.classes[tick]) for tick in ticks])
    panel.grid(axis="y", color="#E0E0E0", lw=0.5)
    panel.set_axisbelow(True)
    panel.set_ylabel("class")


def _draw_transitions(panel: Axes, found: OrderSummary) -> None:
    """Observed less expected transitions; a cell's number is how many were observed."""
    excess = found.test.transitions - np.nan_to_num(found.test.expected)
    top = max(float(np.abs(excess).max(initial=0.0)), 1.0)
    panel.imshow(excess, cmap=style.DIVERGING, vmin=-top, vmax=top, interpolation="nearest")
    many = np.where(found.test.transitions > 0, found.test.transitions, np.nan)
    strong = np.abs(excess) > 0.6 * top
    style.write_cells(panel, many, strong, limit=12)
    bar = panel.figure.colorbar(panel.images[0], ax=panel, pad=0.03, aspect=15)
    bar.set_label("more than by chance")
    bar.outline.set_visible(False)
    ticks = style.few_ticks(len(found.classes), 10)
    names = [str(found.classes[tick]) for tick in ticks]
    panel.set_xticks(ticks, names)
    panel.set_yticks(ticks, names)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    panel.set_title("which class follows which")
