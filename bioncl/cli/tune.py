"""`bioncl tune`: settings chosen on validation data."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, quiet_option
from bioncl.cli.settings_options import (
    device_option,
    parse_sets,
    scheduler_option,
    set_option,
    workers_option,
)
from bioncl.errors import Interrupted

if TYPE_CHECKING:
    from bioncl.experiments.tuning.findings import Findings
    from bioncl.experiments.tuning.samplers import SamplerName


@click.command()
@click.argument("settings")
@click.option(
    "--space",
    metavar="FILE",
    help="What may vary: a TOML file, or short-night, published-night, any-night; by default the "
    "table [tune] of SETTINGS.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder of the search; the same call with the same DIR goes on.",
)
@click.option(
    "--trials",
    type=click.IntRange(min=1),
    default=50,
    show_default=True,
    help="How many in all, those of earlier calls included.",
)
@click.option(
    "--sampler",
    type=click.Choice(["tpe", "cmaes", "genetic", "random"]),
    default="tpe",
    show_default=True,
    help="Who proposes the trials.",
)
@click.option(
    "--objective",
    "objectives",
    type=click.Choice(["accuracy", "worst-task", "stored-bytes"]),
    multiple=True,
    default=("accuracy",),
    show_default=True,
    help="What trials are worth; may be repeated, for a Pareto front.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=2,
    show_default=True,
    help="Runs of a trial; their seeds are 1000, 1001, …",
)
@click.option(
    "--validation",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.2,
    show_default=True,
    help="Share of the training data held out, if SETTINGS hold out none.",
)
@click.option(
    "--night",
    type=click.IntRange(min=1),
    metavar="K",
    help="Search the one night after task K (from 1): the tasks up to K are learnt once, and the "
    "nights of many trials run side by side. The space may hold settings of sleep alone.",
)
@click.option(
    "--together",
    type=click.IntRange(min=1),
    metavar="N",
    help="Trials of one night that are proposed, and run, at a time; by default 64.",
)
@click.option("--no-pruning", is_flag=True, help="Run hopeless trials to their last seed too.")
@click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Fixes what is proposed.",
)
@workers_option
@scheduler_option
@set_option
@device_option
@data_dir_option
@json_option
@quiet_option
def tune(
    settings: str,
    space: str | None,
    out: Path,
    trials: int,
    sampler: SamplerName,
    objectives: tuple[str, ...],
    seeds: int,
    validation: float,
    night: int | None,
    together: int | None,
    no_pruning: bool,
    seed: int,
    workers: int | None,
    scheduler: str | None,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Search for settings on validation data, and write those that `bioncl run` takes.

    Trials are judged on training data that is held out; the test data is not read. A search that
    was stopped at any moment goes on when the same call is made again. DIR gets best.toml,
    trials.csv, summary.txt and the results of all runs. Needs the extra `tune`.

    \b
    Examples:
      bioncl tune mnist-5k --space short-night --out search
      bioncl tune tadros2022-mnist --night 5 --space published-night --trials 500 --out search
      bioncl tune mine.toml --objective accuracy --objective stored-bytes --trials 200 --out search
      bioncl run search/best.toml --seed 0
    """  # noqa: D301 - click's mark for lines that are not to be joined
    from bioncl.traces.exports.optional import require

    require("optuna", "tune")
    from bioncl.cli.progress import reporter
    from bioncl.experiments.sweep.workers import choose
    from bioncl.experiments.tuning.plan import Choosing, make_plan
    from bioncl.experiments.tuning.tune import tune as run

    named = {"device": device, "data.dir": data_dir and str(data_dir)}
    given = [(key, value) for key, value in named.items() if value is not None]
    choosing = Choosing(sampler, objectives, seeds, seed, not no_pruning, validation)
    plan = make_plan(settings, space, choosing, [*parse_sets(sets), *given], night)
    here = night is not None and workers is None and scheduler is None
    command = shlex.join(["bioncl", *sys.argv[1:]])
    try:
        found = run(
            plan,
            out,
            trials=trials,
            workers=None if here else choose(workers, scheduler),
            together=together,
            progress=reporter(quiet or as_json),
            command=command,
        )
    except KeyboardInterrupt as error:
        raise Interrupted(f"Finished runs are saved; go on with: {command}") from error
    show(found, out, as_json)


def show(found: Findings, out: Path, as_json: bool) -> None:
    """Print what was found."""
    from bioncl.experiments.tuning.written import BEST, run_command, summary

    if as_json:
        print_json({**found.as_json(), "file": str(out / BEST)})
        return
    click.echo(summary(found), nl=False)
    click.echo(f"settings {out / BEST}")
    click.echo(f"test     {run_command(out)}")
