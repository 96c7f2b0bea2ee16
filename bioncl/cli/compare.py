"""`bioncl compare`: several settings with the same seeds, a table and a page about them."""

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
from bioncl.errors import Interrupted, RunError

if TYPE_CHECKING:
    from bioncl.experiments.comparison.contenders import Contender
    from bioncl.experiments.comparison.summary import Comparison


@click.command()
@click.argument("settings", nargs=-1, required=True)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    required=True,
    help="Folder for runs, tables and the page; may be used again, with more settings or seeds.",
)
@click.option(
    "--seeds",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    metavar="N",
    help="Run everything with seeds 0 to N-1.",
)
@workers_option
@scheduler_option
@click.option(
    "--baseline",
    metavar="LABEL",
    help="Compare the others with this one; by default the first.",
)
@click.option(
    "--target",
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help="Accuracy wanted on the last task, for the second fair measure of ResCL.",
)
@click.option("--retry-failed", is_flag=True, help="Run again what has failed before.")
@set_option
@device_option
@data_dir_option
@json_option
@quiet_option
def compare(
    settings: tuple[str, ...],
    out: Path,
    seeds: int,
    workers: int | None,
    scheduler: str | None,
    baseline: str | None,
    target: float | None,
    retry_failed: bool,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
    as_json: bool,
    quiet: bool,
) -> None:
    """Run several settings with the same seeds and compare them.

    Each of SETTINGS is a TOML file or the name of one that ships with bioncl; SETTINGS:KEY=V1,V2
    stands for one with each value. Runs stand in --out and are never done twice: a call that was
    stopped goes on when it is repeated. Nights are not recorded unless --set trace.record=true.

    Writes results.csv (a row a run), results.parquet (with pyarrow), summary.csv and report.html.
    Ends with 1 if a run failed; the others are compared all the same.

    \b
    Examples:
      bioncl compare mnist-5k-naive mnist-5k mnist-5k-rehearsal --seeds 10 --out fair
      bioncl compare mnist-5k-naive mnist-5k-rehearsal:methods.0.memory=10,50,200 --out memory
    """  # noqa: D301 - click's mark for lines that are not to be joined
    from bioncl.cli.compare_table import show
    from bioncl.cli.progress import reporter
    from bioncl.experiments.comparison.compare import compare as run_comparison
    from bioncl.experiments.comparison.files import summary_records
    from bioncl.experiments.sweep.workers import choose

    found = asked(settings, range(seeds), sets, device, data_dir)
    try:
        comparison = run_comparison(
            found,
            choose(workers, scheduler),
            out,
            baseline=baseline,
            retry_failed=retry_failed,
            command=typed(),
            progress=reporter(quiet),
        )
    except KeyboardInterrupt as error:
        raise Interrupted(f"Finished runs are saved; go on with: {typed()}") from error
    page = write_page(comparison, out, target)
    if as_json:
        print_json({"summary": summary_records(comparison), "failed": comparison.failed})
    else:
        show(comparison, out, page)
    if comparison.failed:
        runs = sum(len(row.outcomes) for row in comparison.rows)
        hint = "The page says why; --retry-failed runs them again."
        raise RunError(f"{comparison.failed} of {runs} runs failed. {hint}")


def asked(
    settings: tuple[str, ...],
    seeds: range,
    sets: tuple[str, ...],
    device: str | None,
    data_dir: Path | None,
) -> list[Contender]:
    """The contenders that a command line asks for, checked."""
    from bioncl.cli.compare_arguments import expanded, shortened
    from bioncl.experiments.comparison.contenders import contender, together

    words = [word for item in sets for word in ("--set", item)]
    words += ["--device", device] if device else []
    words += ["--data-dir", str(data_dir)] if data_dir else []
    named = {"device": device, "data.dir": data_dir and str(data_dir)}
    common = [*parse_sets(sets), *((key, value) for key, value in named.items() if value)]
    found = []
    for argument in settings:
        for name, chosen in expanded(argument):
            own = [word for item in chosen for word in ("--set", item)]
            overrides = [*common, *parse_sets(chosen)]
            found.append(contender(name, seeds, overrides, [*words, *own], shortened(chosen)))
    return together(found)


def typed() -> str:
    """The command line as it was typed."""
    return shlex.join(["bioncl", *sys.argv[1:]])


def write_page(comparison: Comparison, out: Path, target: float | None) -> Path:
    """Write report.html."""
    from bioncl.atomic import write_text
    from bioncl.report.comparison_page.page import comparison_page
    from bioncl.report.comparison_page.sections import PageSettings

    names = ", ".join(problem.name for problem in comparison.problems)
    title = f"{len(comparison.rows)} settings on {names}"
    page = out / "report.html"
    write_text(page, comparison_page(comparison, title, PageSettings(typed(), target)))
    return page
