"""How figures look, in one place: fonts, colours, sizes, and how they are saved.

Figures are made without pyplot, which keeps every figure alive in a list of its own. The colours
are those of Okabe and Ito (2008), which people with any kind of colour blindness tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bioncl.atomic import replacing
from bioncl.errors import InputError, describe

AWAKE = "#D55E00"
ASLEEP = "#0072B2"
INK = "#222222"
FAINT = "#999999"
SEQUENTIAL = "cividis"
DENSITY = "Greys"
WIDTH = 7.0
"""Inches: the text width of a page."""

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


def few_ticks(count: int, most: int = 10) -> list[int]:
    """At most about `most` evenly spread indices below `count`."""
    return list(range(0, count, -(-count // most)))


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
