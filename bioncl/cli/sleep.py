"""`bioncl sleep`: one night of a checkpoint."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, print_table, quiet_option
from bioncl.cli.settings_options import device_option, parse_sets, set_option


@click.command()
@click.argument("checkpoint", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    required=True,
    help="File for the new checkpoint.",
)
@click.option(
    "--trace", type=click.Path(path_type=Path), metavar="FILE", help="File for the night's spikes."
)
@click.option(
    "--steps", type=click.IntRange(min=0), metavar="N", help="Length of the night in steps."
)
@click.option("--engine", metavar="NAME", help="Who computes the night; see `bioncl engines`.")
@click.option(
    "--rule",
    metavar="NAME",
    help="Plasticity rule: gated, sigmoid, constant, oja or pair-stdp. It keeps the numbers of the "
    "one before that it has too; others come with --set sleep.rule.KEY=VALUE.",
)
@set_option
@device_option
@data_dir_option
@json_option
@quiet_option
def sleep(
    checkpoint: Path,
    out: Path,
    trace: Path | None,
    steps: int | None,
    engine: str | None,
    rule: str | None,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Let a checkpoint sleep for one night.

    The settings are those that the checkpoint was made with; a network that was trained without
    sleep sleeps with the default settings, which --set sleep.KEY=VALUE changes.
    """
    from bioncl.cli.progress import reporter
    from bioncl.experiments.single import sleep as one_night

    named = {
        "sleep.engine": engine,
        "sleep.rule.name": rule,
        "device": device,
        "data.dir": data_dir and str(data_dir),
    }
    given: list[tuple[str, Any]] = [(k, v) for k, v in named.items() if v is not None]
    if steps is not None:
        given += [("sleep.steps", steps), ("sleep.steps_added", 0)]
    overrides = [*parse_sets(sets), *given]
    before, after = one_night(checkpoint, out, trace, overrides, reporter(quiet or as_json))
    if as_json:
        print_json(
            {
                "accuracy_awake": before.tasks,
                "accuracy": after.tasks,
                "accuracy_all_awake": before.all,
                "accuracy_all": after.all,
                "checkpoint": str(out),
            }
        )
        return
    head = ("", *(f"task {i}" for i in range(len(before.tasks))), "all")
    rows = [
        (label, *(f"{100 * a:.1f}" for a in (*scores.tasks, scores.all)))
        for label, scores in (("awake", before), ("after the night", after))
    ]
    print_table([head, *rows])
    click.echo(f"checkpoint {out}")
    if trace:
        click.echo(f"trace      {trace}")
