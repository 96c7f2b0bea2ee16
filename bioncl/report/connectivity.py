"""A figure of the lines between the solutions of runs: loss and accuracy, one curve a task."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioncl.experiments.connectivity import SolutionLine
from bioncl.report import style


def lines_figure(title: str, lines: Mapping[str, Sequence[SolutionLine]]) -> Figure:
    """A row for each set of lines: left the loss, right the accuracy, against α.

    Args:
        title: Heading of the figure.
        lines: The sets by name, such as "plain" and "connected"; the axes of a column are shared.
    """
    figure, axes = style.panels(len(lines), 2, 0.7 + 1.9 * len(lines))
    most = max((one.task for found in lines.values() for one in found), default=0)
    colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(1, most + 1), style.SEQUENTIAL)
    for (name, found), (left, right) in zip(lines.items(), axes, strict=True):
        for one in found:
            colour = mpl.colormaps[style.SEQUENTIAL](one.task / max(most, 1))
            left.plot(one.line.alphas, one.line.loss, color=colour, lw=1)
            right.plot(one.line.alphas, 100 * one.line.accuracy, color=colour, lw=1)
        left.set_title(name)
    _share(axes[:, 0], "loss on the task's test data")
    _share(axes[:, 1], "accuracy (%)")
    label = "task, and start of its line"
    figure.colorbar(colours, ax=axes, label=label, pad=0.02, aspect=30, ticks=_ticks(most + 1))
    figure.supxlabel("α: from the solution of the task (0) to the last one (1)", fontsize="medium")
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _share(column: Sequence[Axes], label: str) -> None:
    """Give the panels of one column the same range and name."""
    bottom = min(panel.get_ylim()[0] for panel in column)
    top = max(panel.get_ylim()[1] for panel in column)
    for panel in column:
        panel.set(ylim=(bottom, top), xlim=(0, 1), ylabel=label)
        panel.grid(axis="y", color="#E0E0E0", lw=0.5)
        panel.set_axisbelow(True)


def _ticks(count: int) -> list[int]:
    return [index + 1 for index in style.few_ticks(count)]
