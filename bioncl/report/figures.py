"""All figures of one run.

accuracy_by_task and accuracy_matrix come from the result alone; raster and rates also need a trace.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from bioncl.errors import InputError, describe
from bioncl.report import style
from bioncl.report.accuracy import accuracy_by_task, accuracy_matrix, matrix
from bioncl.report.nights import raster_figure, rates_figure
from bioncl.traces.hdf5_reader import open_trace


def run_figures(
    result: Mapping[str, Any],
    trace_path: Path | None,
    out: Path,
    formats: Sequence[str] = ("png",),
    window: tuple[int, int] | None = None,
) -> list[Path]:
    """Draw the figures of one run into the folder `out`.

    Args:
        result: What result.json holds.
        trace_path: Trace of the run, whose last night is drawn, or None.
        out: Folder, made if need be.
        formats: Any of png, svg, pdf.
        window: Steps of the night whose single spikes are drawn (first, after the last).

    Returns:
        The files written.

    Raises:
        InputError: The result holds no accuracies, or a format is unknown.
        TraceError: The trace cannot be read.
        StorageError: A figure cannot be written.
    """
    paths = []
    with style.styled():
        for name, figure in _figures(result, trace_path, window):
            paths += style.save(figure, Path(out), name, formats)
    return paths


def _figures(
    result: Mapping[str, Any], trace_path: Path | None, window: tuple[int, int] | None
) -> Iterator[tuple[str, Figure]]:
    title = _title(result)
    after, awake = matrix(result, "accuracy"), matrix(result, "accuracy_awake")
    if after is None:
        hint = "Give the result.json of a run."
        raise InputError(describe("The result holds no table 'accuracy'", hint=hint))
    initial = result.get("accuracy_initial")
    yield "accuracy_by_task", accuracy_by_task(title, after, awake)
    start = matrix({"row": [initial]}, "row") if initial else None
    yield "accuracy_matrix", accuracy_matrix(title, after, awake, start)
    if trace_path is not None:
        with open_trace(trace_path) as trace:
            slept = [night for night in trace.nights if night.recorded]
            if slept:
                yield "raster", raster_figure(title, trace, slept[-1], window)
                yield "rates", rates_figure(title, trace, slept[-1])


def _title(result: Mapping[str, Any]) -> str:
    parts = [str(result[key]) for key in ("stream", "method") if key in result]
    if "seed" in result:
        parts.append(f"seed {result['seed']}")
    return ", ".join(parts) or "run"
