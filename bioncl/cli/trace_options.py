"""What the commands of `bioncl trace` share: options, opening, and how numbers are shown.

Most commands look at one night. `about_night` gives them their options and hands them what was
asked for as one `Asked`, which opens the file, draws the figure and makes the JSON object.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bioncl.cli.options import json_option

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bioncl.analysis.night import NightView
    from bioncl.traces.hdf5_reader import Trace

Option = Callable[[Any], Any]

NOTHING = "–"

file_argument = click.argument("file", type=click.Path(path_type=Path))
night_option = click.option(
    "--night", type=click.IntRange(min=0), help="Index of the night, from 0; by default the last."
)
layer_option = click.option(
    "--layer", "layers", multiple=True, help="Only this layer; may be repeated."
)
from_option = click.option(
    "--from", "start", type=click.IntRange(min=0), default=0, help="First step of the night."
)
to_option = click.option(
    "--to-step", "stop", type=click.IntRange(min=1), help="Step after the last."
)
window_option = click.option(
    "--window",
    type=click.IntRange(min=1),
    default=500,
    show_default=True,
    help="Steps of a window.",
)
shuffles_option = click.option(
    "--shuffles", type=click.IntRange(min=1), default=1000, show_default=True, help="For p-values."
)
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the shuffles.")
control_option = click.option(
    "--control",
    type=click.Choice(["neurons", "time"]),
    default="neurons",
    show_default=True,
    help="What is shuffled: which neuron is which, or when each fired (stricter).",
)
templates_option = click.option(
    "--templates",
    type=click.Choice(["specific", "means"]),
    default="specific",
    show_default=True,
    help="Compare with class means less their common part, or with the means themselves.",
)
REPLAY_OPTIONS = (
    window_option,
    shuffles_option,
    seed_option,
    control_option,
    templates_option,
)
"""The fields of `ReplaySettings`."""

out_option = click.option("--out", type=click.Path(path_type=Path), help="Folder for a figure.")
needed_out_option = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="Folder for the figure."
)
format_option = click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "svg", "pdf"]),
    multiple=True,
    default=["png"],
    show_default=True,
    help="Format of the figure; may be repeated.",
)


@dataclass(frozen=True)
class Asked:
    """What a command about one night was asked for.

    Attributes:
        command: Its name.
        file: The trace.
        night: Index of the night; None for the last.
        layers: Names of layers; none for the command's own choice.
        start: First step.
        stop: The step after the last; None for the end of the night.
        out: Folder for the figure; None for no figure.
        formats: Of the figure.
        as_json: Whether to print JSON.
    """

    command: str
    file: Path
    night: int | None
    layers: tuple[str, ...]
    start: int
    stop: int | None
    out: Path | None
    formats: tuple[str, ...]
    as_json: bool

    def opened(self) -> AbstractContextManager[NightView]:
        """The night, with its trace open for the time of a block."""
        return opened(self.file, self.night, self.start, self.stop)

    def answer(
        self, view: NightView, found: Mapping[str, Any], draw: Callable[[], Figure]
    ) -> dict[str, Any]:
        """The JSON object: where from, what was found, and the figure, which is drawn if asked."""
        where = {
            "file": str(view.trace.path),
            "night": view.night.index,
            "task": view.night.task,
            "from": view.start,
            "to_step": view.stop,
        }
        name = f"{self.command}-night{view.night.index}"
        figures = drawn(self.out, self.formats, name, draw)
        return {**where, **plain(found), "figures": figures}


def drawn(
    out: Path | None, formats: Sequence[str], name: str, draw: Callable[[], Figure]
) -> list[str]:
    """Draw a figure into the folder `out` and return its files; none if there is no folder."""
    if out is None:
        return []
    from bioncl.report import style

    with style.styled():
        return [str(path) for path in style.save(draw(), out, name, formats)]


def about_night(
    *own: Option, layers: bool = True, steps: bool = False, out: Option = out_option
) -> Callable[[Callable[..., None]], click.Command]:
    """A command about one night of FILE: the function gets an `Asked` and its `own` options.

    Args:
        own: Further options, by the names of the function's arguments.
        layers: Whether layers can be chosen.
        steps: Whether steps can be chosen.
        out: The option for the folder.
    """
    options = [file_argument, night_option]
    options += [layer_option] if layers else []
    options += [from_option, to_option] if steps else []
    options += [*own, out, format_option, json_option]

    def decorate(function: Callable[..., None]) -> click.Command:
        @wraps(function)
        def command(
            *,
            file: Path,
            night: int | None,
            out: Path | None,
            formats: tuple[str, ...],
            as_json: bool,
            layers: tuple[str, ...] = (),
            start: int = 0,
            stop: int | None = None,
            **own: object,
        ) -> None:
            name = function.__name__
            asked = Asked(name, file, night, layers, start, stop, out, formats, as_json)
            function(asked, **own)

        return click.command()(with_options(command, options))

    return decorate


def with_options(command: Callable[..., None], options: Sequence[Option]) -> Callable[..., None]:
    """`command` with these options, in their order."""
    for option in reversed(options):
        command = option(command)
    return command


@contextmanager
def opened(
    file: Path, night: int | None, start: int = 0, stop: int | None = None
) -> Iterator[NightView]:
    """Open a trace for the time of a block, and choose a night and steps of it."""
    from bioncl.analysis.night import night_view
    from bioncl.traces.hdf5_reader import open_trace

    with open_trace(file) as trace:
        yield night_view(trace, night, start, stop)


def title_of(trace: Trace) -> str:
    """What ran: the run's title, or its stream and methods."""
    settings = trace.settings
    if settings.get("title"):
        return str(settings["title"])
    stream = settings.get("stream", {})
    methods = "+".join(str(method.get("name")) for method in settings.get("methods", []))
    parts = [stream.get("name"), stream.get("data"), methods]
    return ", ".join(str(part) for part in parts if part) or trace.path.name


def heading(view: NightView) -> str:
    """Title of a figure about this night."""
    return f"{title_of(view.trace)}: night {view.night.index}"


def show_figures(figures: Sequence[str]) -> None:
    """Print where the figures are."""
    for path in figures:
        click.echo(f"figure   {path}")


def plain(value: Any) -> Any:
    """`value` as JSON knows it: records as objects, arrays as lists, what is undefined as null."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):  # arrays and numbers of NumPy, which is not imported here
        return plain(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def number(value: float | None, form: str = ".3g") -> str:
    """A number for a table; a dash where it is not known or not defined."""
    return NOTHING if value is None or not math.isfinite(value) else format(value, form)


def percent(value: float | None) -> str:
    """A share in per cent."""
    return NOTHING if value is None else number(100 * value, ".1f")
