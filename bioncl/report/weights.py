"""Figure of what a night did to the weights: histograms, and before against after."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.night import LayerWeights
from bioncl.analysis.night_summaries import WeightsSummary
from bioncl.analysis.weights import (
    SynapseSample,
    WeightHistograms,
    synapse_sample,
    weight_histograms,
)
from bioncl.report import style

_SYNAPSES = 5000


def weights_figure(
    title: str,
    weights: Mapping[str, LayerWeights],
    summaries: Mapping[str, WeightsSummary] | None = None,
) -> Figure:
    """For each layer its weights before and after the night, their changes, and one by the other.

    Args:
        title: Heading of the figure.
        weights: By layer, at least one; where those before the night are not known, the panels say
            so.
        summaries: Their stable ranks stand in the titles.
    """
    figure, axes = style.panels(len(weights), 3, 0.9 + 1.6 * len(weights))
    for (layer, found), (left, middle, right) in zip(weights.items(), axes, strict=True):
        before = np.zeros_like(found.delta) if found.before is None else found.before
        after = before + found.delta
        histograms = weight_histograms(before, after)
        left.set_title(layer + _ranks(summaries[layer] if summaries else None))
        if found.before is None:
            style.hide([left, right])
            left.text(0.0, 0.5, "The trace does not hold\nthe weights before the night.")
        else:
            _draw_weights(left, histograms)
            _draw_scatter(right, synapse_sample(before, after, _SYNAPSES))
        _draw_changes(middle, histograms)
        middle.set_title(f"{np.mean(found.delta != 0):.0%} of {found.delta.size:,} changed")
    for panel, label in zip(axes[-1], ("weight", "change", "weight before"), strict=True):
        panel.set_xlabel(label)
    figure.align_ylabels()
    style.head(figure, title, axes[0, 0])
    return figure


def _ranks(found: WeightsSummary | None) -> str:
    if found is None or not np.isfinite(found.stable_rank_before):
        return ""
    return f": stable rank {found.stable_rank_before:.3g} to {found.stable_rank_after:.3g}"


def _draw_scatter(panel: Axes, found: SynapseSample) -> None:
    """Some synapses; on the line they are as they were."""
    ends = [float(np.min([found.before, found.after])), float(np.max([found.before, found.after]))]
    panel.plot(ends, ends, color=style.FAINT, lw=0.6)
    panel.plot(
        found.before,
        found.after,
        ".",
        ms=1.5,
        mew=0,
        color=style.ASLEEP,
        alpha=0.5,
        rasterized=True,
    )
    panel.set_ylabel("after")
    panel.set_title(f"{len(found.before):,} synapses")
    panel.xaxis.set_major_locator(MaxNLocator(3))


def _draw_weights(panel: Axes, found: WeightHistograms) -> None:
    panel.stairs(found.before, found.edges, color=style.AWAKE, label="before sleep")
    panel.stairs(found.after, found.edges, color=style.ASLEEP, label="after sleep")
    _count_axis(panel)


def _draw_changes(panel: Axes, found: WeightHistograms) -> None:
    panel.stairs(found.change, found.change_edges, color=style.ASLEEP, fill=True)
    panel.axvline(0, color=style.INK, lw=0.5)
    panel.xaxis.set_major_locator(MaxNLocator(4))
    _count_axis(panel)


def _count_axis(panel: Axes) -> None:
    panel.set_yscale("log")
    panel.set_ylim(bottom=0.7)
    panel.set_ylabel("synapses")
