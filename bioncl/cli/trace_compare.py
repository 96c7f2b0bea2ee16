"""`bioncl trace compare`: two nights side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import (
    file_argument,
    layer_option,
    night_option,
    number,
    opened,
    percent,
    plain,
    seed_option,
    title_of,
    window_option,
)

if TYPE_CHECKING:
    from bioncl.analysis.night import NightView
    from bioncl.analysis.night_summaries import ReplaySettings


@click.command()
@file_argument
@click.argument("other", required=False, type=click.Path(path_type=Path))
@night_option
@click.option(
    "--other-night",
    type=click.IntRange(min=0),
    help="Index of the second night; by default the last of OTHER, or the one before --night.",
)
@layer_option
@window_option
@click.option(
    "--shuffles", type=click.IntRange(min=1), default=200, show_default=True, help="For p-values."
)
@seed_option
@json_option
def compare(
    file: Path,
    other: Path | None,
    night: int | None,
    other_night: int | None,
    layers: tuple[str, ...],
    window: int,
    shuffles: int,
    seed: int,
    as_json: bool,
) -> None:
    """Two nights side by side: of the trace FILE, or one of it and one of OTHER.

    Rates, accuracies, changes of weights, and replay as `bioncl trace replay` finds it.
    """
    from bioncl.analysis.night_summaries import ReplaySettings

    how = ReplaySettings(window, shuffles, seed)
    with opened(file, night) as first:
        second = other_night
        if other is None and second is None:
            second = _night_before(first)
        sides = [_measured(first, layers, how)]
        with opened(other or file, second) as view:
            sides.append(_measured(view, layers, how))
    if as_json:
        return print_json({"how": vars(how), "nights": plain(sides)})
    for letter, side in zip("AB", sides, strict=True):
        click.echo(f"{letter}  {side['file']}, night {side['night']}: {side['title']}")
    return print_table([("LAYER", "", "A", "B"), *_rows(sides)])


def _night_before(view: NightView) -> int:
    earlier = [night.index for night in view.trace.nights if night.index < view.night.index]
    if not earlier:
        message = f"{view.trace.path} holds no night before night {view.night.index}"
        raise click.UsageError(f"{message}: name a second one with --other-night, or OTHER.")
    return earlier[-1]


def _measured(view: NightView, layers: tuple[str, ...], how: ReplaySettings) -> dict[str, Any]:
    """All that is compared of one night; accuracies and replay are None if they are not held."""
    names = view.layers(layers, view.trace.layers)
    facts = view.night.facts
    return {
        "file": str(view.trace.path),
        "title": title_of(view.trace),
        "night": view.night.index,
        "task": view.night.task,
        "steps": view.night.recorded,
        "accuracy_before": facts.get("accuracy_all_before"),
        "accuracy_after": facts.get("accuracy_all_after"),
        "layers": {name: _layer(view, name, how) for name in names},
    }


def _layer(view: NightView, name: str, how: ReplaySettings) -> dict[str, Any]:
    from bioncl.analysis.night_summaries import rates_summary, replay_summary, weights_summary

    rates = rates_summary(view, name)
    found: dict[str, Any] = {
        "spikes": rates.spikes,
        "mean_hz": rates.mean_hz,
        "silent": rates.silent,
    }
    if name in view.trace.weight_names(view.night.index):
        change = weights_summary(view, name).change
        found |= {"up": change.up, "down": change.down, "mean_change": change.mean}
        found |= {"relative_change": change.relative}
    known = f"awake/means/{name}" in view.trace.array_names(view.night.index)
    if known and name != view.trace.layers[0]:
        replay = replay_summary(view, name, how)
        found["decoded"] = float((replay.decoded >= 0).mean())
        tasks = replay.tasks
        if tasks is not None:
            found |= {"old_score": tasks.old_score, "new_score": tasks.new_score}
            found |= {"old_decoded": tasks.old_decoded, "new_decoded": tasks.new_decoded}
    return found


_LAYER_ROWS = {
    "spikes": ("spikes", ",d"),
    "mean_hz": ("mean rate (Hz)", ".3g"),
    "silent": ("silent", ".1%"),
    "up": ("weights up", ",d"),
    "down": ("weights down", ",d"),
    "mean_change": ("mean change", "+.3g"),
    "relative_change": ("relative change", ".3g"),
    "decoded": ("windows decoded", ".1%"),
    "old_score": ("r with old classes", "+.3f"),
    "new_score": ("r with new classes", "+.3f"),
    "old_decoded": ("decoded as old", ".1%"),
    "new_decoded": ("decoded as new", ".1%"),
}


def _rows(sides: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [("", "steps", *(f"{side['steps']:,}" for side in sides))]
    rows += [
        ("", f"accuracy {when} (%)", *(percent(side[f"accuracy_{when}"]) for side in sides))
        for when in ("before", "after")
    ]
    for layer in dict.fromkeys(name for side in sides for name in side["layers"]):
        found = [side["layers"].get(layer, {}) for side in sides]
        for key, (label, form) in _LAYER_ROWS.items():
            if any(key in one for one in found):
                rows.append((layer, label, *(number(one.get(key), form) for one in found)))
    return rows
