"""`bioncl trace replay`: which classes a night replays, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from bioncl.cli.options import print_json, print_table
from bioncl.cli.trace_options import (
    NOTHING,
    REPLAY_OPTIONS,
    Asked,
    about_night,
    heading,
    number,
    percent,
    show_figures,
)

if TYPE_CHECKING:
    from bioncl.analysis.controls import Control
    from bioncl.analysis.night_summaries import OldAndNew, ReplaySummary, Templates

_SHOWN = 60


@about_night(*REPLAY_OPTIONS, steps=True)
def replay(
    asked: Asked,
    window: int,
    shuffles: int,
    seed: int,
    control: Control,
    templates: Templates,
) -> None:
    """Which classes a night of the trace FILE replays, and when.

    The spike counts of each window are correlated with the awake activity of each class (r), and
    compared with shuffled ones. A window is decoded as its best class if that is more than chance
    (q up to 0.05). By default of all layers but the input, whose spikes are the drive.
    """
    with asked.opened() as view:
        from bioncl.analysis.night_summaries import ReplaySettings, replay_summary
        from bioncl.report.replay import replay_figure

        how = ReplaySettings(window, shuffles, seed, control, templates)
        names = view.layers(asked.layers, view.trace.layers[1:])
        layers = {name: replay_summary(view, name, how) for name in names}
        found = asked.answer(
            view,
            {"layers": layers, "how": vars(how)},
            lambda: replay_figure(heading(view), layers),
        )
    if asked.as_json:
        return print_json(found)
    for name, one in layers.items():
        _show(name, one)
    return show_figures(found["figures"])


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
