"""Figure of reactivation: sleep spikes of the neurons that were most active for each class."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioncl.analysis.night_replay import ReactivationSummary
from bioncl.report import style

_SURE = 0.05


def reactivation_figure(title: str, found: Mapping[str, ReactivationSummary]) -> Figure:
    """For each layer and class, mean spikes of the class's top neurons and of all others.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    figure, axes = style.panels(len(found), 1, 0.9 + 1.7 * len(found))
    for (layer, summary), panel in zip(found.items(), axes[:, 0], strict=True):
        _draw(panel, summary)
        panel.set_title(f"{layer}: the {summary.top} neurons most active for each class")
    axes[-1, 0].set_xlabel("class")
    style.head(figure, title, axes[0, 0])
    return figure


def _draw(panel: Axes, found: ReactivationSummary) -> None:
    places = np.arange(len(found.classes))
    top, sure = found.by_class.top, found.by_class.p <= _SURE
    panel.vlines(places, found.by_class.others, top, color=style.FAINT, lw=1)
    panel.plot(places, found.by_class.others, "_", ms=9, color=style.INK, label="all others")
    panel.plot(places, top, "o", ms=5, mfc="white", mec=style.ASLEEP, label="top")
    panel.plot(places[sure], top[sure], "o", ms=5, color=style.ASLEEP, label=f"top, p ≤ {_SURE:g}")
    panel.errorbar(
        places + 0.18,
        found.by_example.mean,
        found.by_example.deviation,
        fmt="D",
        ms=3,
        lw=0.8,
        color=style.AWAKE,
        label="top of each example",
    )
    names = [
        f"{label}\n{age}" if age in style.AGES else str(label)
        for label, age in zip(found.classes, found.ages.tolist(), strict=True)
    ]
    panel.set_xticks(places, names)
    panel.set_xlim(-0.5, len(places) - 0.5)
    panel.set_ylim(bottom=0)
    panel.set_ylabel("spikes of a neuron")
