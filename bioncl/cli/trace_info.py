"""`bioncl trace info`: what a recorded run holds, night by night."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import file_argument, night_option, number, percent, plain, title_of

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Night, Trace


@click.command()
@file_argument
@night_option
@json_option
def info(file: Path, night: int | None, as_json: bool) -> None:
    """What the trace FILE holds: settings, layers, nights, spikes, accuracies.

    With --night, of one night only.
    """
    from bioncl.analysis.night import night_view
    from bioncl.traces.hdf5_reader import open_trace

    with open_trace(file) as opened:
        nights = opened.nights if night is None else [night_view(opened, night).night]
        found = plain(_described(opened, nights))
    if as_json:
        print_json(found)
    else:
        _show(found)


def _described(trace: Trace, nights: list[Night]) -> dict[str, Any]:
    return {
        "file": str(trace.path),
        "bytes": trace.path.stat().st_size,
        "name": trace.settings.get("settings"),
        "title": title_of(trace),
        "created": trace.created,
        "versions": trace.versions,
        "complete": trace.complete,
        "step_ms": trace.step_ms,
        "layers": trace.sizes,
        "nights": [_night(trace, night) for night in nights],
        "settings": trace.settings,
    }


def _night(trace: Trace, night: Night) -> dict[str, Any]:
    counts = {layer: trace.counts(layer, night.index) for layer in trace.layers}
    seconds = max(night.recorded, 1) * trace.step_ms / 1000
    return {
        "index": night.index,
        "task": night.task,
        "steps": night.steps,
        "recorded": night.recorded,
        "complete": night.complete,
        "spikes": {layer: int(count.sum()) for layer, count in counts.items()},
        "rates_hz": {layer: float(count.mean() / seconds) for layer, count in counts.items()},
        "weights": trace.weight_names(night.index),
        "arrays": trace.array_names(night.index),
        "facts": night.facts,
    }


def _show(found: dict[str, Any]) -> None:
    sizes = ", ".join(f"{name} {neurons}" for name, neurons in found["layers"].items())
    versions = ", ".join(f"{name} {version}" for name, version in found["versions"].items())
    state = "complete" if found["complete"] else "not finished"
    click.echo(f"{found['file']}: {found['title']}")
    click.echo(f"settings {found['name'] or 'of a run that did not tell their name'}")
    click.echo(f"size     {found['bytes'] / 1e6:.1f} MB, {state}, begun {found['created']}")
    click.echo(f"written  by {versions}")
    click.echo(f"layers   {sizes}")
    if not found["nights"]:
        return click.echo("nights   none")
    layers = list(found["layers"])
    head = ("NIGHT", "TASK", "STEPS", "BEFORE %", "AFTER %", *(f"{name} SPIKES" for name in layers))
    print_table([head, *(_row(night, "spikes", ",d") for night in found["nights"])])
    click.echo()
    head = ("NIGHT", "TASK", "STEPS", "BEFORE %", "AFTER %", *(f"{name} Hz" for name in layers))
    return print_table([head, *(_row(night, "rates_hz", ".3g") for night in found["nights"])])


def _row(night: dict[str, Any], what: str, form: str) -> tuple[str, ...]:
    steps = f"{night['recorded']:,}"
    if not night["complete"]:
        steps += f" of {night['steps']:,}"
    accuracies = (
        percent(night["facts"].get(f"accuracy_all_{when}")) for when in ("before", "after")
    )
    numbers = (number(value, form) for value in night[what].values())
    return (str(night["index"]), str(night["task"]), steps, *accuracies, *numbers)
