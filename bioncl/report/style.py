"""How figures look, in one place: fonts, colours, sizes, and how they are saved.

Figures are made without pyplot, which keeps every figure alive in a list of its own. The colours
are those of Okabe and Ito (2008), which people with any kind of colour blindness tell apart.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bioncl.atomic import replacing
from bioncl.errors import InputError, describe

AWAKE = "#D55E00"
ASLEEP = "#0072B2"
INK = "#222222"
FAINT = "#999999"
AGES = {"old": "#009E73", "new": "#CC79A7"}
"""Colours of classes and synapses of earlier tasks, and of the night's own."""

SEQUENTIAL = "cividis"
DIVERGING = "PuOr_r"
DENSITY = "Greys"
WIDTH = 7.0
"""Inches: the text width of a page."""
TITLE_WIDTH = 90
"""Characters of a title that are as wide as the page."""

FORMATS = ("png", "svg", "pdf")

_STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 8.0,
    "axes.titlesize": 8.5,
    "axes.titlelocation": "left",
    "axes.labelsize": 8.0,
    "axes.edgecolor": INK,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 7.0,
    "ytick.labelsize": 7.0,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "legend.frameon": False,
    "figure.titlesize": 10.0,
    "figure.dpi": 200,
    "savefig.dpi": 200,
    "savefig.facecolor": "white",
    "svg.hashsalt": "bioncl",
}


@contextmanager
def styled() -> Iterator[None]:
    """Draw and save figures inside of this; the settings of matplotlib are put back after it."""
    with mpl.rc_context(_STYLE):
        yield


def panels(rows: int, columns: int, height: float, *, share: bool = False) -> tuple[Figure, Any]:
    """A figure of page width with a grid of panels.

    Returns:
        The figure, and its axes as an object array [rows, columns].
    """
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    return figure, figure.subplots(rows, columns, squeeze=False, sharex=share, sharey=share)


def head(figure: Figure, title: str, explained: Axes | None = None) -> None:
    """Write the title above the panels, and below them the legend of what `explained` shows."""
    figure.suptitle(textwrap.fill(title, TITLE_WIDTH), x=0.01, ha="left")
    handles, labels = explained.get_legend_handles_labels() if explained else ([], [])
    if handles:
        figure.legend(handles, labels, loc="outside lower right", ncols=len(labels))


def few_ticks(count: int, most: int = 10) -> list[int]:
    """At most about `most` evenly spread indices below `count`."""
    return list(range(0, count, -(-count // most)))


def age_colour(age: str) -> str:
    """The colour of "old" and "new"; grey for what is neither."""
    return AGES.get(age, FAINT)


def write_cells(
    panel: Axes,
    values: NDArray[Any],
    dark: NDArray[np.bool_],
    *,
    form: str = ".0f",
    limit: int = 30,
) -> None:
    """Write each value that is not NaN into its cell of an image.

    Args:
        panel: With an image of the same shape.
        values: [rows, columns].
        dark: Which cells are dark, so that their numbers have to be white [rows, columns].
        form: Of the numbers.
        limit: With more columns nothing is written.
    """
    if values.shape[1] > limit:
        return
    for (row, column), value in np.ndenumerate(values):
        if np.isfinite(value):
            ink = "white" if dark[row, column] else "black"
            size = 7 if values.shape[1] < 9 else 6
            text = format(value, form) if value else "0"
            panel.text(column, row, text, ha="center", va="center", color=ink, fontsize=size)


def hide(axes: Sequence[Axes]) -> None:
    """Leave these panels empty."""
    for panel in axes:
        panel.set_axis_off()


def save(figure: Figure, out: Path, name: str, formats: Sequence[str]) -> list[Path]:
    """Write a figure to `out`/`name`.<format> for each format; return the paths.

    Raises:
        InputError: A format is not one of `FORMATS`.
        StorageError: It cannot be written.
    """
    paths = []
    for form in formats:
        if form not in FORMATS:
            raise InputError(describe("Format of figures", expected=", ".join(FORMATS), got=form))
        path = out / f"{name}.{form}"
        with replacing(path) as part:
            undated = {} if form == "png" else {_DATE[form]: None}
            figure.savefig(part, format=form, metadata=undated)
        paths.append(path)
    return paths


_DATE = {"svg": "Date", "pdf": "CreationDate"}
