"""Figures of one night: what fired when, and how often.

Spikes are read in pieces and only their counts on a grid are kept, so that a night of any length
draws in bounded memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bioncl.analysis.raster import binned_raster
from bioncl.analysis.rates import bin_edges, mean_rates, population_rate
from bioncl.analysis.statistics import interval_histogram
from bioncl.errors import TraceError, describe
from bioncl.report import style
from bioncl.traces.hdf5_reader import Night, Trace

WINDOW_STEPS = 500
_TIME_BINS = 300
_NEURON_GROUPS = 150
_RATE_BINS = 100
_INTERVAL_BINS = 41
_LOG_ABOVE = 50


def raster_figure(
    title: str,
    trace: Trace,
    night: Night,
    window: tuple[int, int] | None = None,
    layers: Sequence[str] = (),
) -> Figure:
    """Left, the whole night of each layer as mean rates; right, each spike of a short window.

    Args:
        title: Heading of the figure.
        trace: Open trace.
        night: Which night of it.
        window: First step of the right-hand side and the step after its last; by default
            `WINDOW_STEPS` steps from the middle of the night.
        layers: Which to draw; all if empty.

    Raises:
        TraceError: The window lies outside of the night.
    """
    start, stop = _window(trace, night, window)
    layers = layers or trace.layers
    figure, axes = style.panels(len(layers), 2, 0.9 + 1.2 * len(layers))
    for layer, (left, right) in zip(layers, axes, strict=True):
        _draw_binned(left, trace, layer, night)
        left.axvspan(start, stop, ymin=1.0, ymax=1.05, color=style.AWAKE, lw=0, clip_on=False)
        events = trace.spikes(layer, night.index, start, stop)
        _draw_spikes(right, events, trace.sizes[layer])
        right.set(xlim=(start - 0.5, stop - 0.5), ylim=left.get_ylim())
        left.set_title(f"{layer} ({trace.sizes[layer]} neurons)", pad=7)
        right.set_title(
            f"steps {start:,} to {stop - 1:,}: {len(events):,} spikes", pad=7, color=style.AWAKE
        )
    for panel in axes.flat:
        panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    _share_steps(axes[:, 0])
    _share_steps(axes[:, 1])
    figure.supylabel("neuron", fontsize="medium")
    style.head(figure, f"{title}: night {night.index}")
    return figure


def _window(trace: Trace, night: Night, window: tuple[int, int] | None) -> tuple[int, int]:
    if window is None:
        length = min(WINDOW_STEPS, night.recorded)
        start = (night.recorded - length) // 2
        return start, start + length
    start, stop = window
    if not 0 <= start < stop <= night.recorded:
        expected = f"steps within 0 to {night.recorded}"
        raise TraceError(describe(f"Window of {trace.path}", expected=expected, got=window))
    return start, stop


def _share_steps(column: Sequence[Axes]) -> None:
    """Label the steps below the lowest panel only."""
    for panel in column:
        panel.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        panel.tick_params(labelbottom=panel is column[-1])
    column[-1].set_xlabel("step of the night")


def _draw_binned(panel: Axes, trace: Trace, layer: str, night: Night) -> None:
    steps = bin_edges(0, night.recorded, _TIME_BINS)
    neurons = bin_edges(0, trace.sizes[layer], _NEURON_GROUPS)
    counts = np.zeros((len(steps) - 1, len(neurons) - 1), np.int64)
    for piece in trace.pieces(layer, night.index):
        counts += binned_raster(piece, steps, neurons)
    seconds = np.diff(steps) * trace.step_ms / 1000
    rates = counts / np.outer(seconds, np.diff(neurons))
    # where hardly any bin holds a spike, the quantile is 0 and the scale would have no length
    top = float(np.quantile(rates, 0.995) or rates.max(initial=0.0) or 1.0)
    image = panel.pcolormesh(
        steps, neurons - 0.5, rates.T, cmap=style.DENSITY, vmin=0, vmax=top, rasterized=True
    )
    bar = panel.figure.colorbar(image, ax=panel, pad=0.02, aspect=12)
    bar.set_label("Hz")
    bar.outline.set_visible(False)


def _draw_spikes(panel: Axes, events: NDArray[np.int64], neurons: int) -> None:
    size = float(np.clip(60 / neurons, 0.5, 5))
    marker = "|" if neurons <= 50 else "o"
    panel.plot(
        events[:, 0],
        events[:, 1],
        marker,
        ms=size,
        mew=0.6 if marker == "|" else 0,
        color=style.INK,
        rasterized=True,
    )


def rates_figure(title: str, trace: Trace, night: Night, layers: Sequence[str] = ()) -> Figure:
    """How fast the neurons of each layer fire, its mean over time, and the intervals of neurons."""
    layers = layers or trace.layers
    figure, axes = style.panels(len(layers), 3, 0.9 + 1.2 * len(layers))
    for layer, (left, middle, right) in zip(layers, axes, strict=True):
        rates = mean_rates(trace.counts(layer, night.index), night.recorded, trace.step_ms)
        _draw_histogram(left, rates)
        left.set_title(f"{layer}: {np.mean(rates == 0):.0%} of {len(rates)} silent")
        _draw_over_time(middle, trace, layer, night)
        middle.set_title(f"mean {rates.mean():.3g} Hz")
        _draw_intervals(right, trace, layer, night)
    axes[-1, 0].set_xlabel("rate of a neuron (Hz)")
    axes[-1, 2].set_xlabel("interval (ms)")
    _share_steps(axes[:, 1])
    figure.align_ylabels()
    style.head(figure, f"{title}: night {night.index}")
    return figure


def _draw_histogram(panel: Axes, rates: NDArray[np.float64]) -> None:
    top = max(float(rates.max(initial=0.0)), 1e-3)
    counts, _, _ = panel.hist(rates, bins=np.linspace(0, top, 41).tolist(), color=style.ASLEEP)
    if np.max(counts) > _LOG_ABOVE:
        panel.set_yscale("log")
        panel.set_ylim(bottom=0.7)
    else:
        panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.set_ylabel("neurons")


def _draw_over_time(panel: Axes, trace: Trace, layer: str, night: Night) -> None:
    edges = bin_edges(0, night.recorded, _RATE_BINS)
    rate = np.zeros(len(edges) - 1)
    for piece in trace.pieces(layer, night.index):
        rate += population_rate(piece[:, 0], trace.sizes[layer], edges, trace.step_ms)
    panel.stairs(rate, edges, baseline=None, color=style.ASLEEP, lw=1)
    panel.set(ylabel="Hz", xlim=(0, night.recorded), ylim=(0, None))


def _draw_intervals(panel: Axes, trace: Trace, layer: str, night: Night) -> None:
    edges = np.unique(np.geomspace(1, max(night.recorded, 2), _INTERVAL_BINS).round())
    counts = interval_histogram(trace.pieces(layer, night.index), trace.sizes[layer], edges)
    panel.stairs(counts, edges * trace.step_ms, color=style.ASLEEP, fill=True)
    panel.set(xscale="log", ylabel="intervals")
    panel.yaxis.set_major_locator(MaxNLocator(4, integer=True))
    panel.set_title(f"{counts.sum():,} intervals")
