"""Figure of membrane potentials: one panel a neuron, its threshold, its spikes."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from bioncl.analysis.membrane import Potentials
from bioncl.report import style

SINGLE_STEPS_UP_TO = 2000


def membrane_figure(title: str, found: Potentials) -> Figure:
    """Potential at the threshold test of each step; a spike is marked above where it happened.

    Args:
        title: Heading of the figure.
        found: At least one neuron.
    """
    count = len(found.neurons)
    figure, axes = style.panels(count, 1, 1.3 + 1.0 * count, share=True)
    for place, panel in enumerate(axes[:, 0]):
        _draw(panel, found, place)
    axes[0, 0].set_xlim(found.start - 0.5, found.start + len(found.values) - 0.5)
    axes[-1, 0].xaxis.set_major_locator(MaxNLocator(8, integer=True))
    axes[-1, 0].set_xlabel("step of the night")
    figure.supylabel("membrane potential", fontsize="medium")
    style.head(figure, title, axes[0, 0])
    return figure


def _draw(panel: Axes, found: Potentials, place: int) -> None:
    steps = found.start + np.arange(len(found.values))
    values, fired = found.values[:, place], found.spikes[:, place]
    panel.plot(
        steps,
        values,
        color=style.ASLEEP,
        lw=0.8,
        label="potential",
        rasterized=len(steps) > SINGLE_STEPS_UP_TO,
    )
    panel.axhline(found.threshold, color=style.AWAKE, lw=0.8, ls="--", label="threshold")
    panel.margins(y=0.2)
    near_top = np.full(int(fired.sum()), 0.95)  # of the panel's height, whatever its limits
    across = panel.get_xaxis_transform()
    panel.plot(steps[fired], near_top, "|", color=style.INK, transform=across, label="spike")
    panel.yaxis.set_major_locator(MaxNLocator(4))
    panel.set_title(f"neuron {found.neurons[place]}: {fired.sum():,} spikes")
