"""Figure of what a night did to synapses of old and of new tasks."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from numpy.typing import NDArray

from bioncl.analysis.night_weights import GroupsSummary
from bioncl.analysis.undefined import divide, largest_defined
from bioncl.report import style


def groups_figure(title: str, found: Mapping[str, GroupsSummary]) -> Figure:
    """For each layer, from group to group: mean change, and shares that grew and shrank.

    Args:
        title: Heading of the figure.
        found: Summaries by layer, at least one.
    """
    figure, axes = style.panels(len(found), 3, 0.9 + 1.75 * len(found))
    for (layer, one), row in zip(found.items(), axes, strict=True):
        top = float(largest_defined(np.abs(one.mean_change).ravel()))
        top = top if np.isfinite(top) and top > 0 else 1e-12
        image = _draw(row[0], one, one.mean_change, style.DIVERGING, (-top, top), "+.1e")
        figure.colorbar(image, ax=row[0], pad=0.03, aspect=15).outline.set_visible(False)
        row[0].set_title(f"{layer}: mean change")
        for panel, (what, counts) in zip(
            row[1:], (("grew", one.change.up), ("shrank", one.change.down)), strict=True
        ):
            share = 100 * divide(counts, one.change.synapses)
            _draw(panel, one, share, style.DENSITY, (0, 100), ".0f")
            panel.set_title(f"{what} (% of synapses)")
        row[0].set_ylabel("to")
    for panel in axes[-1]:
        panel.set_xlabel("from")
    style.head(figure, title)
    return figure


def _draw(
    panel: Axes,
    found: GroupsSummary,
    values: NDArray[np.float64],
    colours: str,
    limits: tuple[float, float],
    form: str,
) -> AxesImage:
    image = panel.imshow(
        np.ma.masked_invalid(values), cmap=colours, vmin=limits[0], vmax=limits[1], aspect="auto"
    )
    strong = np.abs(np.nan_to_num(values)) > 0.6 * limits[1]
    style.write_cells(panel, values, strong, form=form)
    panel.set_xticks(range(len(found.groups)), _names(found.groups, found.pre))
    panel.set_yticks(range(len(found.groups)), _names(found.groups, found.post))
    panel.tick_params(length=0)
    panel.spines[:].set_visible(False)
    return image


def _names(groups: tuple[str, ...], sizes: NDArray[np.int64]) -> list[str]:
    return [f"{name}\n({size:,})" for name, size in zip(groups, sizes, strict=True)]
