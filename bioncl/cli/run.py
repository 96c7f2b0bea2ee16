"""`bioncl run`: one experiment from settings to result, figures and trace."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioncl.cli.options import data_dir_option, json_option, print_json, print_table, quiet_option
from bioncl.cli.settings_options import device_option, parse_sets, seed_option, set_option
from bioncl.errors import Interrupted

if TYPE_CHECKING:
    from bioncl.experiments.result import RunResult
    from bioncl.experiments.tracking.measures import Tracker
    from bioncl.progress import Progress


@click.command()
@click.argument("settings", required=False)
@click.option("--list", "show", is_flag=True, help="List the settings that ship with bioncl.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder for everything the run makes.",
)
@seed_option
@set_option
@click.option(
    "--resume",
    is_flag=True,
    help="Go on with the run in --out, after the last task that it finished.",
)
@device_option
@data_dir_option
@click.option("--no-figures", is_flag=True, help="Draw no figures.")
@click.option(
    "--report", is_flag=True, help="Also write report.html, a page about the nights for a browser."
)
@click.option(
    "--track",
    type=click.Choice(["tensorboard", "mlflow"]),
    multiple=True,
    help="Also log the run there when it is done (extras: tensorboard, mlflow); may be repeated.",
)
@json_option
@quiet_option
def run(
    settings: str | None,
    show: bool,
    out: Path | None,
    seed: int | None,
    sets: tuple[str, ...],
    resume: bool,
    device: str | None,
    data_dir: Path | None,
    no_figures: bool,
    report: bool,
    track: tuple[str, ...],
    as_json: bool,
    quiet: bool,
) -> None:
    """Run an experiment: all tasks, and the nights between them.

    SETTINGS is a TOML file or the name of one that ships with bioncl (see --list). Everything goes
    to --out, by default runs/SETTINGS-seedN: result.json, checkpoints, the nights' trace, figures.
    A run that was stopped at any moment goes on with --resume, to the same numbers.

    \b
    Examples:
      bioncl run mnist-5k
      bioncl run mnist-5k --seed 3 --set sleep.steps=800 --out longer-nights
      bioncl run mnist-5k --seed 3 --set sleep.steps=800 --out longer-nights --resume
    """  # noqa: D301 - click's mark for lines that are not to be joined
    if show:
        list_settings(as_json)
        return
    if settings is None:
        message = "SETTINGS is missing: name a TOML file, or one of `bioncl run --list`."
        raise click.UsageError(message)
    from bioncl.cli.progress import reporter
    from bioncl.experiments.run import execute
    from bioncl.experiments.settings import load

    named = {"seed": seed, "device": device, "data.dir": data_dir and str(data_dir)}
    given = [(key, value) for key, value in named.items() if value is not None]
    config = load(settings, [*parse_sets(sets), *given])
    out = out or Path("runs") / f"{config.name}-seed{config.general.seed}"
    progress = reporter(quiet or as_json)
    trackers = make_trackers(track)
    try:
        result = execute(config, out, resume=resume, progress=progress)
    except KeyboardInterrupt as error:
        raise Interrupted(f"Finished tasks are saved; go on with: {again(out)}") from error
    figures = [] if no_figures else draw(result, out)
    page = report_page(result, out, progress) if report else None
    tracked = [tracker.log(result.values, out) for tracker in trackers]
    if as_json:
        print_json(dict(result.values))
        return
    show_result(result, out, figures, page)
    for name, where in zip(track, tracked, strict=True):
        click.echo(f"tracked  {where} ({name})")


def again(out: Path) -> str:
    """The command that resumes this one."""
    words = [word for word in sys.argv[1:] if word != "--resume"]
    if not any(word == "--out" or word.startswith("--out=") for word in words):
        words += ["--out", str(out)]
    return shlex.join(["bioncl", *words, "--resume"])


def draw(result: RunResult, out: Path) -> list[Path]:
    """Draw the run's figures into its folder."""
    from bioncl.report.figures import run_figures

    trace = out / str(result.values["trace"]) if "trace" in result.values else None
    return run_figures(result.values, trace, out / "figures")


def make_trackers(names: tuple[str, ...]) -> list[Tracker]:
    """The trackers with these names; one that is not installed is refused before the run."""
    from bioncl.experiments.tracking import TRACKERS

    return [TRACKERS.load(name)() for name in names]


def report_page(result: RunResult, out: Path, progress: Progress) -> Path | None:
    """Write the page about the run's nights into its folder; None if it recorded none."""
    if "trace" not in result.values:
        click.echo("No report: the run recorded no nights.", err=True)
        return None
    from bioncl.cli.trace_report import write_report
    from bioncl.report.trace_page.numbers import PageSettings

    page = out / "report.html"
    write_report(out / str(result.values["trace"]), page, (), PageSettings(), progress)
    return page


def list_settings(as_json: bool) -> None:
    """Print the shipped settings."""
    from bioncl.experiments import shipped

    found = shipped.catalogue()
    if as_json:
        print_json({"settings": [vars(item) for item in found]})
    else:
        print_table([("SETTINGS", "WHAT"), *((item.name, item.title) for item in found)])


def show_result(result: RunResult, out: Path, figures: list[Path], page: Path | None) -> None:
    """Print accuracies and where everything is."""
    values: dict[str, Any] = dict(result.values)
    click.echo(
        f"{values['name']} · {values['stream']} · {values['scenario']}-incremental · "
        f"{values['method']} · seed {values['seed']}"
    )
    print_table(accuracy_rows(values))
    memory = values["memory_bytes"]
    click.echo(
        f"accuracy {percent(values['acc'])} %   backward transfer {100 * values['bwt']:+.1f}   "
        f"forgetting {100 * values['forgetting']:.1f}   "
        f"stored examples {memory['stored_examples']:,} bytes"
    )
    seconds = ", ".join(f"{name} {value:.1f} s" for name, value in values["seconds"].items())
    click.echo(f"time     {seconds}")
    click.echo(f"result   {out / 'result.json'}")
    if "trace" in values:
        click.echo(f"trace    {out / values['trace']}")
    if page is not None:
        click.echo(f"report   {page}")
    if figures:
        click.echo(f"figures  {figures[0].parent} ({', '.join(path.name for path in figures)})")


def accuracy_rows(values: dict[str, Any]) -> list[tuple[str, ...]]:
    """A table: accuracy on each task after the last one, before and after its night."""
    head = ("", *(f"task {i}" for i in range(len(values["tasks"]))), "all")
    if "accuracy_awake" not in values:
        return [head, _row("after the last task", values["accuracy"][-1], values["acc"])]
    return [
        head,
        _row(
            "before the last night", values["accuracy_awake"][-1], values["accuracy_all_awake"][-1]
        ),
        _row("after the last night", values["accuracy"][-1], values["acc"]),
    ]


def _row(label: str, tasks: list[float], all_: float) -> tuple[str, ...]:
    return (label, *map(percent, tasks), percent(all_))


def percent(value: float) -> str:
    """An accuracy in per cent."""
    return f"{100 * value:.1f}"
