"""Figures of accuracy: each task after each task learnt, awake and asleep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bioncl.errors import InputError, describe
from bioncl.report import style

_STACKED_FROM = 9
_NUMBERS_UP_TO = 30


def matrix(result: Mapping[str, Any], name: str) -> NDArray[np.float64] | None:
    """The accuracies in per cent under `name`, missing ones as NaN: [after task, on task].

    Raises:
        InputError: It is there but is not a table of numbers.
    """
    rows = result.get(name)
    if not rows:
        return None
    try:
        width = max(len(row) for row in rows)
        table = [[*row, *[None] * (width - len(row))] for row in rows]
        return 100 * np.array(table, np.float64)
    except (TypeError, ValueError) as error:
        hint = "Give the result.json of a run."
        raise InputError(describe(f"'{name}' is not a table of numbers", hint=hint)) from error


def accuracy_by_task(title: str, after: NDArray[Any], awake: NDArray[Any] | None) -> Figure:
    """One panel for each task learnt: accuracy on every task, before and after the night.

    Args:
        title: Heading of the figure.
        after: Per cent [after task, on task]: asleep, if the method sleeps.
        awake: The same before each night, or None for a method that never sleeps.
    """
    stages, tasks = after.shape
    columns = min(stages, 5)
    rows = -(-stages // columns)
    figure, axes = style.panels(rows, columns, 0.9 + 1.35 * rows, share=True)
    for stage, panel in enumerate(axes.flat[:stages]):
        _draw_stage(panel, stage, after[stage], None if awake is None else awake[stage])
        panel.set_xticks(style.few_ticks(tasks, 7), [str(t) for t in style.few_ticks(tasks, 7)])
    style.hide(axes.flat[stages:])
    figure.supxlabel("accuracy on task", fontsize="medium")
    figure.supylabel("accuracy (%)", fontsize="medium")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper right", ncols=2)
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_stage(panel: Axes, stage: int, after: NDArray[Any], awake: NDArray[Any] | None) -> None:
    tasks = np.arange(len(after))
    name = "after learning" if awake is None else "after sleep"
    panel.axvspan(stage + 0.5, len(after) - 0.5, color="#F2F2F2", lw=0)
    if awake is not None:
        panel.vlines(tasks, awake, after, color=style.FAINT, lw=1)
        panel.plot(tasks, awake, "o", ms=4, mfc="white", mec=style.AWAKE, label="before sleep")
    panel.plot(tasks, after, "o", ms=3.5, color=style.ASLEEP, label=name)
    panel.set(xlim=(-0.5, len(after) - 0.5), ylim=(-4, 104), yticks=(0, 50, 100))
    panel.set_title(f"after task {stage}")
    panel.grid(axis="y", color="#E0E0E0", lw=0.5)
    panel.set_axisbelow(True)


def accuracy_matrix(
    title: str,
    after: NDArray[Any],
    awake: NDArray[Any] | None,
    initial: NDArray[Any] | None,
) -> Figure:
    """Heat maps with numbers: rows after each task, columns on each task.

    Args:
        title: Heading of the figure.
        after: Per cent [after task, on task]: asleep, if the method sleeps.
        awake: The same before each night, or None.
        initial: Per cent [1, on task] before anything was learnt, or None.
    """
    name = "after learning each task" if awake is None else "after each night"
    tables = [(name, after)] if awake is None else [("before each night", awake), (name, after)]
    stacked = after.shape[1] >= _STACKED_FROM
    rows, columns = (len(tables), 1) if stacked else (1, len(tables))
    lines = len(after) + (initial is not None)
    each = 0.9 + lines * (0.2 if stacked else 0.34)
    figure, axes = style.panels(rows, columns, 0.6 + rows * each)
    for (label, table), panel in zip(tables, axes.flat, strict=True):
        _draw_matrix(panel, label, table, initial)
    colours = mpl.cm.ScalarMappable(mpl.colors.Normalize(0, 100), style.SEQUENTIAL)
    figure.colorbar(
        colours, ax=axes, label="accuracy (%)", shrink=0.6 if stacked else 0.9, pad=0.02, aspect=30
    )
    figure.suptitle(title, x=0.01, ha="left")
    return figure


def _draw_matrix(
    panel: Axes, label: str, table: NDArray[Any], initial: NDArray[Any] | None
) -> None:
    shown = table if initial is None else np.concatenate([initial, table])
    first = 0 if initial is None else 1
    panel.imshow(shown, vmin=0, vmax=100, cmap=style.SEQUENTIAL, aspect="auto")
    stages, tasks = shown.shape
    style.write_cells(panel, shown, shown < 55, limit=_NUMBERS_UP_TO)
    panel.set_xticks(style.few_ticks(tasks, 20), [str(t) for t in style.few_ticks(tasks, 20)])
    names = ["start"] * first + [str(stage) for stage in range(stages - first)]
    panel.set_yticks(style.few_ticks(stages, 25), [names[s] for s in style.few_ticks(stages, 25)])
    panel.set(xlabel="accuracy on task", ylabel="after task")
    panel.set_title(label)
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
