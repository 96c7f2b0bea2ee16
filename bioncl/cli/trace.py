"""`bioncl trace`: the table of its commands."""

from __future__ import annotations

import click

from bioncl.cli.lazy import LazyGroup

COMMANDS = {
    "info": ("bioncl.cli.trace_info:info", "What it holds: settings, layers, nights, accuracies."),
    "raster": ("bioncl.cli.trace_figures:raster", "Draw the spikes of a night."),
    "rates": ("bioncl.cli.trace_figures:rates", "How often and how regularly the layers fire."),
    "membrane": ("bioncl.cli.trace_membrane:membrane", "Membrane potentials of some neurons."),
    "classes": ("bioncl.cli.trace_classes:classes", "Output spikes of each class."),
    "replay": ("bioncl.cli.trace_replay:replay", "Which classes a night replays, and when."),
    "order": ("bioncl.cli.trace_order:order", "In which order classes are replayed."),
    "reactivation": (
        "bioncl.cli.trace_reactivation:reactivation",
        "Whether the neurons most active for a class awake fire more asleep.",
    ),
    "decode": ("bioncl.cli.trace_decode:decode", "Read sleep with a decoder trained awake."),
    "sparseness": ("bioncl.cli.trace_sparseness:sparseness", "How sparse the awake code is."),
    "confusion": ("bioncl.cli.trace_confusion:confusion", "Decisions before and after a night."),
    "weights": ("bioncl.cli.trace_weights:weights", "What a night did to the weights."),
    "groups": ("bioncl.cli.trace_groups:groups", "What it did to synapses of old and new tasks."),
    "trajectory": (
        "bioncl.cli.trace_trajectory:trajectory",
        "The path of the weights, all nights.",
    ),
    "line": ("bioncl.cli.trace_line:line", "Loss and accuracy from awake to asleep weights."),
    "compare": ("bioncl.cli.trace_compare:compare", "Two nights side by side."),
    "report": ("bioncl.cli.trace_report:report", "All nights as one page for a browser."),
    "export": ("bioncl.cli.trace_export:export", "Write the spikes for other tools."),
}


@click.group(cls=LazyGroup, table=COMMANDS)
def trace() -> None:
    """Look into the nights of a recorded run.

    FILE is the trace.h5 that `bioncl run` writes into its folder, or what `bioncl sleep --trace`
    wrote. Nights and tasks are counted from 0, steps from the start of their night.
    """
