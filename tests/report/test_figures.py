"""Figures: that they are drawn, and that they show the numbers they were given."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest

import bioncl
from bioncl.errors import InputError, StorageError, TraceError
from bioncl.report import style
from bioncl.report.accuracy import accuracy_by_task, accuracy_matrix, matrix
from bioncl.report.figures import run_figures
from bioncl.report.nights import raster_figure, rates_figure
from bioncl.traces import Spikes
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile

Check = Callable[[mpl.figure.Figure], None]


def result(tasks: int, *, sleeps: bool = True) -> dict[str, Any]:
    """A result with different accuracies everywhere."""
    after = np.linspace(0.0, 1.0, tasks * tasks).reshape(tasks, tasks)
    found: dict[str, Any] = {"stream": "split", "method": "src", "seed": 0}
    found["accuracy"] = after.tolist()
    if sleeps:
        found["accuracy_awake"] = (1 - after).tolist()
        found["accuracy_initial"] = [0.1] * tasks
    return found


@pytest.fixture(scope="module")
def trace_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One night of 1,000 steps: three input neurons, of which one fires at each step."""
    path = tmp_path_factory.mktemp("trace") / "trace.h5"
    raster = np.zeros((1000, 3), bool)
    raster[:, 1] = True
    with TraceFile(path, [("input", 3), ("output", 2)], settings={}).night(
        0, task=0, steps=1000
    ) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(raster))
        recorder.spikes(1, 0, Spikes.from_raster(np.zeros((1000, 2), bool)))
    return path


def test_every_figure_is_written_in_every_format(tmp_path: Path, trace_path: Path) -> None:
    """PNG by its signature, SVG as XML, and nothing else in the folder."""
    paths = run_figures(result(3), trace_path, tmp_path / "new", ("png", "svg"))
    names = [path.name for path in paths]
    stems = ["accuracy_by_task", "accuracy_matrix", "raster", "rates"]
    assert names == [f"{stem}.{form}" for stem in stems for form in ("png", "svg")]
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == sorted(names)
    for path in paths:
        if path.suffix == ".png":
            assert path.read_bytes().startswith(b"\x89PNG")
        else:
            assert ET.parse(path).getroot().tag.endswith("svg")


def test_figures_need_no_trace_and_no_sleep(tmp_path: Path) -> None:
    """As of a naive run; a single task will do."""
    paths = run_figures(result(1, sleeps=False), None, tmp_path)
    assert [path.name for path in paths] == ["accuracy_by_task.png", "accuracy_matrix.png"]


def test_a_figure_is_the_same_each_time(tmp_path: Path) -> None:
    """No dates, no random names."""
    one, two = (run_figures(result(2), None, tmp_path / name, ("svg",)) for name in "ab")
    assert [p.read_bytes() for p in one] == [p.read_bytes() for p in two]


def test_points_stand_at_the_accuracies() -> None:
    """One panel a task learnt; open points before sleep, full ones after it."""
    after, awake = matrix(result(4), "accuracy"), matrix(result(4), "accuracy_awake")
    assert after is not None
    figure = accuracy_by_task("x", after, awake)
    panels = [axes for axes in figure.axes if axes.lines]
    assert [panel.get_title() for panel in panels] == [f"after task {i}" for i in range(4)]
    for stage, panel in enumerate(panels):
        before, asleep = panel.lines
        np.testing.assert_allclose(asleep.get_ydata(), 100 * np.array(result(4)["accuracy"][stage]))
        np.testing.assert_allclose(np.add(before.get_ydata(), asleep.get_ydata()), 100)
        assert (before.get_mec(), asleep.get_color()) == (style.AWAKE, style.ASLEEP)


@pytest.mark.parametrize("tasks", [5, 20])
def test_numbers_stand_in_their_cells(tasks: int) -> None:
    """Row 0 is the start; ink and cell differ enough to be read."""
    after, awake = matrix(result(tasks), "accuracy"), matrix(result(tasks), "accuracy_awake")
    assert after is not None
    figure = accuracy_matrix("x", after, awake, np.full((1, tasks), 10.0))
    shown = {}
    for text in figure.axes[1].texts:
        column, row = text.get_position()
        shown[row, column] = text.get_text()
        value = 10.0 if row == 0 else after[row - 1, column]
        cell = np.dot(mpl.colormaps[style.SEQUENTIAL](value / 100)[:3], [0.3, 0.59, 0.11])
        assert abs(cell - (text.get_color() == "white")) > 0.4
    assert shown[0, 0] == "10"
    expected = {(i + 1, j): f"{after[i, j]:.0f}" for i in range(tasks) for j in range(tasks)}
    assert expected.items() <= shown.items()


@pytest.mark.parametrize("tasks", [5, 20])
@pytest.mark.parametrize("sleeps", [True, False])
def test_no_text_is_clipped_or_overlaps(tasks: int, sleeps: bool, check_texts: Check) -> None:
    """Every text lies within the page, and no two tick labels or titles lie on each other."""
    data = result(tasks, sleeps=sleeps)
    after, awake = matrix(data, "accuracy"), matrix(data, "accuracy_awake")
    assert after is not None
    with style.styled():
        for figure in (
            accuracy_by_task("split-cifar10, src, seed 12", after, awake),
            accuracy_matrix("split-cifar10, src, seed 12", after, awake, None),
        ):
            check_texts(figure)


def test_the_raster_shows_rates_and_single_spikes(trace_path: Path, check_texts: Check) -> None:
    """The middle input neuron fires at 1,000 Hz, the others not at all."""
    with open_trace(trace_path) as trace, style.styled():
        figure = raster_figure("x", trace, trace.nights[0], window=(100, 110))
        left, right = figure.axes[:2]
        rates = np.asarray(left.collections[0].get_array())
        assert np.unique(rates, axis=1).ravel().tolist() == [0.0, 1000.0, 0.0]
        (spikes,) = right.lines
        assert list(spikes.get_xdata()) == list(range(100, 110))
        assert set(spikes.get_ydata()) == {1}
        check_texts(figure)
        with pytest.raises(TraceError, match="expected steps within 0 to 1000"):
            raster_figure("x", trace, trace.nights[0], window=(990, 1001))


def test_rates_are_those_of_the_night(trace_path: Path, check_texts: Check) -> None:
    """A third of the input neurons at 1,000 Hz; two thirds silent."""
    with open_trace(trace_path) as trace, style.styled():
        figure = rates_figure("x", trace, trace.nights[0])
        check_texts(figure)
    assert figure.axes[0].get_title("left") == "input: 67% of 3 silent"
    assert figure.axes[1].get_title("left") == "mean 333 Hz"
    assert figure.axes[2].get_title("left") == "999 intervals"
    assert "night 0" in figure.get_suptitle()
    (stairs,) = figure.axes[1].patches
    np.testing.assert_allclose(stairs.get_data().values, 1000 / 3)


def test_a_million_spikes_draw_in_seconds(tmp_path: Path) -> None:
    """Also in bounded size."""
    raster = np.random.default_rng(0).random((1000, 500)) < 0.5
    file = TraceFile(tmp_path / "t.h5", [("input", 500)], settings={}, compressed=False)
    with file.night(0, task=0, steps=4000) as recorder:
        for number in range(4):
            recorder.spikes(0, 1000 * number, Spikes.from_raster(raster))
    start = time.process_time()
    paths = run_figures(result(1), tmp_path / "t.h5", tmp_path, ("png", "svg"), window=(0, 4000))
    assert time.process_time() - start < 10
    assert all(path.stat().st_size < 2_000_000 for path in paths)


def test_what_is_no_result_is_refused(tmp_path: Path) -> None:
    """No accuracies, no numbers, an unknown format; nothing is written."""
    for wrong in ({}, {"accuracy": [["a"]]}, {"accuracy": 3}, {"accuracy": [1, 2]}):
        with pytest.raises(InputError, match=r"result\.json"):
            run_figures(wrong, None, tmp_path)
    with pytest.raises(InputError, match="expected png, svg, pdf, got bmp"):
        run_figures(result(1), None, tmp_path, ("bmp",))
    assert list(tmp_path.iterdir()) == []


def test_missing_accuracies_are_left_blank() -> None:
    """Short rows and null both mean: not measured."""
    table = matrix({"accuracy": [[0.5], [None, 0.25]]}, "accuracy")
    np.testing.assert_array_equal(table, [[50, np.nan], [np.nan, 25]])


def test_a_folder_that_cannot_be_made_is_a_storage_error(tmp_path: Path) -> None:
    """A file stands in its place."""
    (tmp_path / "file").touch()
    with pytest.raises(StorageError):
        run_figures(result(1), None, tmp_path / "file" / "figures")


def test_drawing_leaves_matplotlib_as_it_was(tmp_path: Path) -> None:
    """No pyplot, no settings left behind."""
    before = dict(mpl.rcParams)
    run_figures(result(2), None, tmp_path)
    assert dict(mpl.rcParams) == before
    code = "import sys, bioncl.report.figures; print('matplotlib.pyplot' in sys.modules)"
    here = {**os.environ, "PYTHONPATH": str(Path(bioncl.__file__).parents[1])}
    arguments = [sys.executable, "-c", code]
    done = subprocess.run(arguments, env=here, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
