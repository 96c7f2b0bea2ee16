"""`trace_page`: all nights of a trace as one HTML page."""

from __future__ import annotations

from collections.abc import Sequence

from bioncl import __version__
from bioncl.analysis.night import NightView, night_view
from bioncl.progress import Progress, Silent
from bioncl.report.page.blocks import Choice, Menu, Section
from bioncl.report.page.document import render
from bioncl.report.trace_page.numbers import NightNumbers, PageSettings, measure
from bioncl.report.trace_page.rasters import Raster, raster
from bioncl.report.trace_page.sections import night_sections, run_section
from bioncl.traces.hdf5_reader import Trace

SCHEMA = 1
_SCRIPTS = ("menus.js", "raster.js")


def trace_page(
    trace: Trace,
    title: str,
    nights: Sequence[int] = (),
    how: PageSettings | None = None,
    progress: Progress | None = None,
) -> str:
    """The text of the page: it opens offline, and asks nothing of the network.

    Args:
        trace: An open trace, finished or not.
        title: What ran.
        nights: Indices of nights; all if empty.
        how: How replay is looked for.
        progress: Gets one unit for each layer of each night.

    Raises:
        TraceError: There is no such night, or the file is damaged.
    """
    how = how or PageSettings()
    chosen = sorted(set(nights)) or [night.index for night in trace.nights]
    views = [night_view(trace, index) for index in chosen]
    found, blocks = [], []
    with (progress or Silent()).start("page: layers", len(views) * len(trace.layers)) as bar:
        for view in views:
            numbers = measure(view, how, bar.advance)
            found.append(numbers)
            blocks.append(_night(view, numbers))
    layers = trace.layers[1:]
    menus = [
        Menu("night", [(str(n.index), f"night {n.index}") for n in found], _last(found)),
        Menu("layer", [(name, name) for name in layers], layers[0] if layers else "", "all layers"),
    ]
    return render(
        "trace.html",
        title=title,
        numbers=_numbers(trace, title, how, found),
        scripts=_SCRIPTS,
        values={
            "menus": [menu for menu in menus if menu.choices],
            "blocks": [run_section(trace, found), *blocks],
        },
    )


def _night(view: NightView, numbers: NightNumbers) -> Choice:
    layers = view.trace.layers if view.night.recorded else []
    rasters: dict[str, Raster] = {name: raster(view, name) for name in layers}
    title = f"Night {numbers.index}, after task {numbers.task}"
    shown = night_sections(numbers, rasters, view.trace.layers[0])
    return Choice("night", str(numbers.index), [Section(title, shown)])


def _last(nights: Sequence[NightNumbers]) -> str:
    return str(nights[-1].index) if nights else ""


def _numbers(
    trace: Trace, title: str, how: PageSettings, nights: list[NightNumbers]
) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "page": "trace",
        "bioncl": __version__,
        "title": title,
        "file": trace.path.name,
        "created": trace.created,
        "versions": trace.versions,
        "complete": trace.complete,
        "step_ms": trace.step_ms,
        "layers": trace.sizes,
        "settings": trace.settings,
        "how": how,
        "nights": nights,
    }
