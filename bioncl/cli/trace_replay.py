"""`bioncl trace replay`: which classes a night replays, and when."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from bioncl.cli.options import json_option, print_json, print_table
from bioncl.cli.trace_options import (
    NOTHING,
    answer,
    drawn,
    file_argument,
    format_option,
    from_option,
    heading,
    layer_option,
    night_option,
    number,
    opened,
    out_option,
    percent,
    seed_option,
    show_figures,
    to_option,
    window_option,
)

if TYPE_CHECKING:
    from bioncl.analysis.night_summaries import OldAndNew, ReplaySummary

_SHOWN = 60


@click.command()
@file_argument
@night_option
@layer_option
@from_option
@to_option
@window_option
@click.option(
    "--shuffles", type=click.IntRange(min=1), default=1000, show_default=True, help="For p-values."
)
@seed_option
@click.option(
    "--control",
    type=click.Choice(["neurons", "time"]),
    default="neurons",
    show_default=True,
    help="What is shuffled: which neuron is which, or when each fired (stricter).",
)
@click.option(
    "--templates",
    type=click.Choice(["specific", "means"]),
    default="specific",
    show_default=True,
    help="Compare with class means less their common part, or with the means themselves.",
)
@out_option
@format_option
@json_option
def replay(
    file: Path,
    night: int | None,
    layers: tuple[str, ...],
    start: int,
    stop: int | None,
    window: int,
    shuffles: int,
    seed: int,
    control: Literal["neurons", "time"],
    templates: Literal["specific", "means"],
    out: Path | None,
    formats: tuple[str, ...],
    as_json: bool,
) -> None:
    """Which classes a night of the trace FILE replays, and when.

    The spike counts of each window are correlated with the awake activity of each class (r), and
    compared with shuffled ones. A window is decoded as its best class if that is more than chance
    (q up to 0.05). By default of all layers but the input, whose spikes are the drive.
    """
    with opened(file, night, start, stop) as view:
        from bioncl.analysis.night_summaries import ReplaySettings, replay_summary
        from bioncl.report.replay import replay_figure

        how = ReplaySettings(window, shuffles, seed, control, templates)
        names = view.layers(layers, view.trace.layers[1:])
        found = {name: replay_summary(view, name, how) for name in names}
        figures = drawn(view, out, "replay", formats, lambda: replay_figure(heading(view), found))
        result = answer(view, found, figures) | {"how": vars(how)}
    if as_json:
        return print_json(result)
    for name, one in found.items():
        _show(name, one)
    return show_figures(figures)


def _show(layer: str, found: ReplaySummary) -> None:
    """Print one layer: each class, old against new, and the decoded sequence."""
    decoded, count = found.decoded.tolist(), len(found.windows)
    click.echo(f"{layer}: {count:,} windows, {sum(c >= 0 for c in decoded):,} decoded (q ≤ 0.05)")
    ages = [NOTHING] * len(found.classes) if found.tasks is None else _ages(found.tasks)
    rows = [
        (str(label), age, number(score, "+.3f"), number(z, "+.2f"), percent(share))
        for label, age, score, z, share in zip(
            found.classes, ages, found.mean_score, found.mean_z, found.share, strict=True
        )
    ]
    print_table([("CLASS", "TASK", "MEAN r", "MEAN z", "DECODED %"), *rows])
    if found.tasks is not None:
        click.echo(_old_against_new(found.tasks))
    bits, p = number(found.order.information), number(found.order.information_p)
    click.echo(f"order    {_sequence(decoded)}   ({bits} bits a step, p {p})")
    click.echo()


def _ages(tasks: OldAndNew) -> list[str]:
    return ["new" if new else "old" for new in tasks.new]


def _old_against_new(tasks: OldAndNew) -> str:
    sides = [
        f"{name} r {number(score, '+.3f')}, decoded {percent(share)} %"
        for name, score, share in (
            ("old", tasks.old_score, tasks.old_decoded),
            ("new", tasks.new_score, tasks.new_decoded),
        )
    ]
    drift = f"drift to new {number(tasks.drift.rho, '+.2f')} (p {number(tasks.drift.p)})"
    return f"tasks    {'   '.join([*sides, drift])}"


def _sequence(decoded: list[int]) -> str:
    """The decoded classes in order, the first of them if there are many."""
    shown = " ".join(str(label) if label >= 0 else "·" for label in decoded[:_SHOWN])
    return shown + (" …" if len(decoded) > _SHOWN else "")
