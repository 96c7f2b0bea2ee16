"""Figure of replay: how like each class the windows of a night are, and what they decode as."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.night_summaries import ReplaySummary
from bioncl.report import style


def replay_figure(title: str, found: Mapping[str, ReplaySummary]) -> Figure:
    """A heat map of windows × classes for each layer, and below it the decoded sequence.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    count = len(found)
    height = 0.6 + 2.6 * count
    figure = Figure(figsize=(style.WIDTH, height), layout="constrained")
    ratios = [2.0, 1.0] * count
    axes = figure.subplots(2 * count, 1, sharex=True, height_ratios=ratios, squeeze=False)[:, 0]
    tops = [np.nanmax(np.abs(s.scores.correlation), initial=1e-9) for s in found.values()]
    for (layer, summary), score, order in zip(found.items(), axes[::2], axes[1::2], strict=True):
        _draw_scores(score, layer, summary, float(max(tops)))
        _draw_sequence(order, summary)
    axes[-1].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes[-1].set_xlabel("step of the night")
    figure.align_ylabels()
    style.head(figure, title)
    return figure


def _draw_scores(panel: Axes, layer: str, found: ReplaySummary, top: float) -> None:
    edges = np.append(found.windows[:, 0], found.windows[-1, 1])
    rows = np.arange(len(found.classes) + 1) - 0.5
    scores = np.ma.masked_invalid(found.scores.correlation.T)
    image = panel.pcolormesh(
        edges, rows, scores, cmap=style.DIVERGING, vmin=-top, vmax=top, rasterized=True
    )
    bar = panel.figure.colorbar(image, ax=panel, pad=0.02, aspect=12)
    bar.set_label("correlation")
    bar.outline.set_visible(False)
    panel.set_title(f"{layer}: likeness to each class")
    _label_classes(panel, found)


def _draw_sequence(panel: Axes, found: ReplaySummary) -> None:
    """The most likely class of each window: full where it is significant, else faint."""
    middle, sure = found.windows.mean(axis=1), found.decoded >= 0
    guessed = (found.best >= 0) & ~sure
    rows = np.searchsorted(found.classes, found.best)
    panel.plot(middle[guessed], rows[guessed], "o", ms=2, mec=style.FAINT, mfc="white", mew=0.5)
    panel.plot(middle[sure], rows[sure], "o", ms=3, color=style.ASLEEP, mew=0)
    panel.set_title(f"decoded: {sure.sum():,} of {len(sure):,} windows at q ≤ 0.05")
    panel.set_ylim(-0.5, len(found.classes) - 0.5)
    _label_classes(panel, found)


def _label_classes(panel: Axes, found: ReplaySummary) -> None:
    ticks = style.few_ticks(len(found.classes), 6)
    panel.set_yticks(ticks, [str(found.classes[tick]) for tick in ticks])
    panel.set_ylabel("class")
