"""`bioncl train`: one awake task."""

from __future__ import annotations

from pathlib import Path

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, quiet_option
from bioncl.cli.settings_options import device_option, parse_sets, seed_option, set_option


@click.command()
@click.argument("settings")
@click.option(
    "--task",
    "number",
    type=click.IntRange(min=1),
    metavar="K",
    required=True,
    help="Which task to learn; the first is 1.",
)
@click.option(
    "--from",
    "start",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    help="Checkpoint of the task before; none for the first task.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="CHECKPOINT",
    required=True,
    help="File for the new checkpoint.",
)
@seed_option
@set_option
@device_option
@data_dir_option
@json_option
@quiet_option
def train(
    settings: str,
    number: int,
    start: Path | None,
    out: Path,
    seed: int | None,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Learn one task, awake, and write a checkpoint.

    Tasks after the first go on from the checkpoint of the task before. `bioncl train` and `bioncl
    sleep` in turn give the numbers of `bioncl run`, bit for bit.

    \b
    Example:
      bioncl train mnist-5k --task 1 --out day1
      bioncl sleep day1 --out night1
      bioncl train mnist-5k --task 2 --from night1 --out day2
    """  # noqa: D301 - click's mark for lines that are not to be joined
    from bioncl.cli.progress import reporter
    from bioncl.experiments.settings import load
    from bioncl.experiments.single import train as learn

    named = {"seed": seed, "device": device, "data.dir": data_dir and str(data_dir)}
    given = [(key, value) for key, value in named.items() if value is not None]
    config = load(settings, [*parse_sets(sets), *given])
    scores = learn(config, number, start, out, reporter(quiet or as_json))
    if as_json:
        print_json({"accuracy": scores.tasks, "accuracy_all": scores.all, "checkpoint": str(out)})
        return
    tasks = "  ".join(f"{100 * a:.1f}" for a in scores.tasks)
    click.echo(f"accuracy {100 * scores.all:.1f} %   each task {tasks}")
    click.echo(f"checkpoint {out}")
