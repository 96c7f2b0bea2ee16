"""Figure of the path of the weights through training and sleep."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioncl.analysis.night_weights import TrajectorySummary
from bioncl.report import style


def trajectory_figure(title: str, found: Mapping[str, TrajectorySummary]) -> Figure:
    """The first two components of each layer, and of all weights, one panel each.

    Args:
        title: Heading of the figure.
        found: Paths by layer, at least one.
    """
    columns = min(len(found), 2)
    rows = -(-len(found) // columns)
    figure, axes = style.panels(rows, columns, 0.8 + 2.6 * rows)
    for (name, one), panel in zip(found.items(), axes.flat, strict=False):
        _draw(panel, one)
        panel.set_title("all weights" if name == "all" else name)
    style.hide(axes.flat[len(found) :])
    style.head(figure, title, axes[0, 0])
    return figure


def _draw(panel: Axes, found: TrajectorySummary) -> None:
    places = np.zeros((len(found.nights), 2))
    known = found.path.coordinates[:, :2]
    places[:, : known.shape[1]] = known
    for first in range(len(places) - 1):
        slept = bool(found.asleep[first + 1])
        label = {0: "sleep", 1: "training"}.get(first)
        colour = style.ASLEEP if slept else style.AWAKE
        panel.plot(*places[first : first + 2].T, color=colour, lw=1.2, label=label)
    panel.plot(*places[~found.asleep].T, "o", ms=4, mfc="white", mec=style.AWAKE)
    panel.plot(*places[found.asleep].T, "o", ms=4, color=style.ASLEEP)
    for night, place in zip(found.nights[::2], places[::2], strict=True):
        panel.annotate(
            str(night), place, xytext=(4, 3), textcoords="offset points", fontsize="small"
        )
    shares = [*found.path.explained[:2], np.nan, np.nan][:2]
    texts = ["" if np.isnan(share) else f" ({share:.0%} of the variance)" for share in shares]
    panel.set(xlabel=f"component 0{texts[0]}", ylabel=f"component 1{texts[1]}")
    panel.margins(0.1)
