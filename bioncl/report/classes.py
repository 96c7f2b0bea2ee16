"""Figure of the output spikes of each class, over the night and in all."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.night_outputs import ClassesSummary
from bioncl.report import style


def classes_figure(title: str, found: ClassesSummary) -> Figure:
    """Left, spikes of each class in windows of the night; right, all of them.

    Args:
        title: Heading of the figure.
        found: Of a night of one step or more.
    """
    figure = Figure(figsize=(style.WIDTH, 1.3 + 0.16 * len(found.classes)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[2.2, 1.0], sharey=True)
    edges = np.append(found.windows[:, 0], found.windows[-1:, 1])
    rows = np.arange(len(found.classes))
    image = left.pcolormesh(
        edges, np.arange(len(rows) + 1) - 0.5, found.counts.T, cmap=style.DENSITY, vmin=0
    )
    image.set_rasterized(True)
    bar = figure.colorbar(image, ax=left, pad=0.02, aspect=20)
    bar.set_label("spikes in a window")
    bar.outline.set_visible(False)
    colours = [style.age_colour(str(age)) for age in found.ages]
    right.barh(rows, found.spikes, color=colours, height=0.7)
    ticks = style.few_ticks(len(rows), 20)
    left.set_yticks(ticks, [f"{found.classes[t]}{_age(str(found.ages[t]))}" for t in ticks])
    left.set(ylabel="class", xlabel="step of the night")
    left.set_title("output spikes over the night")
    right.set_xlabel("spikes")
    right.set_title("all of them")
    right.tick_params(left=False)
    for panel in (left, right):
        panel.xaxis.set_major_locator(MaxNLocator(5 if panel is left else 3, integer=True))
    style.head(figure, title)
    return figure


def _age(age: str) -> str:
    return f" ({age})" if age in style.AGES else ""
