"""Figure of a decoder trained awake and read out on sleep: probabilities and confidence."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.night_replay import DecodeSummary
from bioncl.report import style


def decoding_figure(title: str, found: Mapping[str, DecodeSummary]) -> Figure:
    """For each layer the probability of each class in each window, and below it the confidence.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    count = len(found)
    figure = Figure(figsize=(style.WIDTH, 0.6 + 2.5 * count), layout="constrained")
    ratios = [2.0, 1.0] * count
    axes = figure.subplots(2 * count, 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    for (layer, one), upper, lower in zip(found.items(), axes[::2], axes[1::2], strict=True):
        _draw_probabilities(upper, one)
        known = "" if np.isnan(one.awake_accuracy) else f" ({one.awake_accuracy:.0%} right awake)"
        upper.set_title(f"{layer}: probability of each class{known}")
        _draw_confidence(lower, one)
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes[-1].set_xlabel("step of the night")
    figure.align_ylabels()
    style.head(figure, title)
    return figure


def _draw_probabilities(panel: Axes, found: DecodeSummary) -> None:
    edges = np.append(found.windows[:, 0], found.windows[-1, 1])
    rows = np.arange(len(found.classes) + 1) - 0.5
    shown = np.ma.masked_invalid(found.probabilities.T)
    image = panel.pcolormesh(edges, rows, shown, cmap=style.DENSITY, vmin=0, vmax=1)
    image.set_rasterized(True)
    bar = panel.figure.colorbar(image, ax=panel, pad=0.02, aspect=12)
    bar.outline.set_visible(False)
    ticks = style.few_ticks(len(found.classes), 6)
    panel.set_yticks(ticks, [str(found.classes[tick]) for tick in ticks])
    panel.set_ylabel("class")


def _draw_confidence(panel: Axes, found: DecodeSummary) -> None:
    """Full where the window is more than chance, else open."""
    middle, sure = found.windows.mean(axis=1), found.decoded >= 0
    guessed = (found.best >= 0) & ~sure
    panel.plot(
        middle[guessed], found.confidence[guessed], "o", ms=3, mec=style.FAINT, mfc="white", mew=0.7
    )
    panel.plot(middle[sure], found.confidence[sure], "o", ms=3, color=style.ASLEEP, mew=0)
    panel.axhline(1 / len(found.classes), color=style.AWAKE, lw=0.8, ls="--")
    panel.set(ylim=(0, 1.03), ylabel="confidence")
    panel.set_title(f"decoded: {sure.sum():,} of {len(sure):,} windows at q ≤ 0.05; dashed: chance")
