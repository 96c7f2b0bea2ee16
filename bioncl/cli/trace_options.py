"""What the commands of `bioncl trace` share: options, opening, and how numbers are shown."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from bioncl.analysis.night import NightView
    from bioncl.traces.hdf5_reader import Trace

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
seed_option = click.option("--seed", type=click.IntRange(min=0), default=0, help="Of the shuffles.")
out_option = click.option("--out", type=click.Path(path_type=Path), help="Folder for a figure.")
format_option = click.option(
    "--format",
    "formats",
    type=click.Choice(["png", "svg", "pdf"]),
    multiple=True,
    default=["png"],
    show_default=True,
    help="Format of the figure; may be repeated.",
)


@contextmanager
def opened(
    file: Path, night: int | None, start: int = 0, stop: int | None = None
) -> Iterator[NightView]:
    """Open a trace for the time of a block, and choose a night and steps of it."""
    from bioncl.analysis.night import night_view
    from bioncl.traces.hdf5_reader import open_trace

    with open_trace(file) as trace:
        yield night_view(trace, night, start, stop)


def drawn(
    view: NightView,
    out: Path | None,
    name: str,
    formats: Sequence[str],
    draw: Callable[[], Figure],
) -> list[Path]:
    """Draw a figure into the folder `out` and return its files; none if there is no folder."""
    if out is None:
        return []
    from bioncl.report import style

    with style.styled():
        return style.save(draw(), out, f"{name}-night{view.night.index}", formats)


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
    """Title of a figure about this night, counted as in the other figures, from 1."""
    return f"{title_of(view.trace)}: night {view.night.index + 1}"


def answer(view: NightView, layers: Mapping[str, Any], figures: Sequence[Path]) -> dict[str, Any]:
    """The JSON object of a command about one night: where from, each layer, the figures drawn."""
    return {
        "file": str(view.trace.path),
        "night": view.night.index,
        "task": view.night.task,
        "from": view.start,
        "to_step": view.stop,
        "layers": plain(layers),
        "figures": [str(path) for path in figures],
    }


def show_figures(figures: Sequence[Path]) -> None:
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
