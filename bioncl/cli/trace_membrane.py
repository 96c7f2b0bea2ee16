"""`bioncl trace membrane`: membrane potentials, computed anew from the spikes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import Asked, about_night, heading, number, show_figures

if TYPE_CHECKING:
    from bioncl.analysis.night import NightView

STEPS = 200

one_layer_option = click.option(
    "--layer", "layer", help="The layer, not the input; by default the output."
)
neuron_option = click.option(
    "--neuron",
    "neurons",
    type=click.IntRange(min=0),
    multiple=True,
    help="Index of a neuron, from 0; may be repeated. By default the 5 that fire most.",
)


@about_night(one_layer_option, neuron_option, layers=False, steps=True)
def membrane(asked: Asked, layer: str | None, neurons: tuple[int, ...]) -> None:
    """Membrane potentials of a night of the trace FILE, at each step before the reset.

    They are not recorded: the night's arithmetic is repeated from the weights before it and its
    spikes, to the last bit, and its spikes have to come out. Without --from and --to-step, of the
    200 steps in the middle of the night.
    """
    with asked.opened() as whole:
        from bioncl.analysis.membrane import membrane_potentials
        from bioncl.report.membrane import membrane_figure

        view = _window(asked, whole)
        name = layer or view.trace.layers[-1]
        potentials = membrane_potentials(view, name, neurons)
        found = asked.answer(
            view,
            {"layer": name, **vars(potentials)},
            lambda: membrane_figure(f"{heading(view)}, {name}", potentials),
        )
    if asked.as_json:
        return print_json(found)
    click.echo(
        f"{name}: steps {view.start:,} to {view.stop - 1:,}, threshold {potentials.threshold:g}"
    )
    columns = zip(potentials.neurons, potentials.values.T, potentials.spikes.T, strict=True)
    rows = [
        (
            str(neuron),
            f"{spikes.sum():,}",
            *(number(float(one), ".4g") for one in (values.min(), values.mean(), values.max())),
        )
        for neuron, values, spikes in columns
    ]
    print_table([("NEURON", "SPIKES", "LOWEST", "MEAN", "HIGHEST"), *rows])
    return show_figures(found["figures"])


def _window(asked: Asked, view: NightView) -> NightView:
    """The steps that were asked for, or some from the middle."""
    from dataclasses import replace

    steps = view.night.recorded
    if (asked.start, asked.stop) != (0, None) or steps <= STEPS:
        return view
    start = (steps - STEPS) // 2
    return replace(view, start=start, stop=start + STEPS)
