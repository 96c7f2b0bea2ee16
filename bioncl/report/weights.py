"""Figure of what a night did to the weights: histograms before and after, and of the changes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioncl.analysis.night import LayerWeights
from bioncl.analysis.weights import WeightHistograms, weight_histograms
from bioncl.report import style


def weights_figure(title: str, weights: Mapping[str, LayerWeights]) -> Figure:
    """For each layer, left its weights before and after the night, right their changes.

    Args:
        title: Heading of the figure.
        weights: By layer, at least one; where those before the night are not known, the left panel
            says so.
    """
    figure, axes = style.panels(len(weights), 2, 0.9 + 1.4 * len(weights))
    for (layer, found), (left, right) in zip(weights.items(), axes, strict=True):
        before = np.zeros_like(found.delta) if found.before is None else found.before
        histograms = weight_histograms(before, before + found.delta)
        left.set_title(layer)
        if found.before is None:
            left.set_axis_off()
            left.text(0.0, 0.5, "The trace does not hold\nthe weights before the night.")
        else:
            _draw_weights(left, histograms)
        _draw_changes(right, histograms)
        right.set_title(f"{np.mean(found.delta != 0):.0%} of {found.delta.size:,} changed")
    axes[-1, 0].set_xlabel("weight")
    axes[-1, 1].set_xlabel("change")
    figure.align_ylabels()
    handles, labels = axes[0, 0].get_legend_handles_labels()
    if handles:
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_weights(panel: Axes, found: WeightHistograms) -> None:
    panel.stairs(found.before, found.edges, color=style.AWAKE, label="before sleep")
    panel.stairs(found.after, found.edges, color=style.ASLEEP, label="after sleep")
    _count_axis(panel)


def _draw_changes(panel: Axes, found: WeightHistograms) -> None:
    panel.stairs(found.change, found.change_edges, color=style.ASLEEP, fill=True)
    panel.axvline(0, color=style.INK, lw=0.5)
    _count_axis(panel)


def _count_axis(panel: Axes) -> None:
    panel.set_yscale("log")
    panel.set_ylim(bottom=0.7)
    panel.set_ylabel("synapses")
