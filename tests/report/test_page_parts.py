"""Parts of pages: numbers as text and JSON, scales, panels, pictures, packed spikes."""

import base64
import io
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib.image import imread

from bioncl.analysis.night import night_view
from bioncl.report.page import charts, pictures, scales
from bioncl.report.page.text import number, percent, plain
from bioncl.report.trace_page.figures import input_pictures
from bioncl.report.trace_page.rasters import EXACT, packed, raster
from bioncl.traces import Spikes
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile


@pytest.mark.parametrize(
    ("value", "form", "text"),
    [
        (None, "", "–"),
        (np.nan, "", "–"),
        (0.123456, "", "0.123"),
        (-2.5, "", "−2.5"),
        (12345.6, "", "12,346"),
        (-0.001, ".2f", "0.00"),
        (-1e-7, ".3g", "−1e−07"),
        (np.int64(3), "d", "3"),
    ],
)
def test_numbers_read_well(value, form, text):
    assert number(value, form) == text


def test_percent_is_of_one():
    assert (percent(0.4567), percent(None), percent(np.nan)) == ("45.7", "–", "–")


def test_json_keeps_single_numbers_whole_and_rounds_arrays():
    third = 1 / 3
    given = {"one": third, "many": np.array([third, np.nan, 1e9]), 3: (np.int64(2), np.inf)}
    found = plain(given)
    assert found == {"one": third, "many": [0.333333, None, 1e9], "3": [2, None]}


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10))
def test_ticks_are_few_round_and_inside(low, width, most):
    """Steps are 1, 2 or 5 times a power of ten."""
    high = low + width
    ticks = [value for value, _ in scales.round_ticks(low, high, most)]
    slack = 1e-6 * max(abs(low), abs(high), width)
    assert len(ticks) <= most + 1
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    if len(ticks) > 1:
        step = ticks[1] - ticks[0]
        assert round(step / 10 ** np.floor(np.log10(step * 1.0001)), 3) in {1, 2, 5}


def test_scales_place_values():
    line = scales.linear(-1.0, 3.0, "x")
    np.testing.assert_allclose(line.place([-1, 1, 3]), [0, 0.5, 1])
    log = scales.counts(1000, "synapses")
    assert [text for _, text in log.ticks] == ["1", "10", "100", "1k"]
    steps = np.diff(log.place([1, 10, 100]))
    assert steps[0] == pytest.approx(steps[1])
    assert log.place([0])[0] == 0
    few = scales.places(["a", "b"], "names")
    np.testing.assert_allclose(few.place([0, 1]), [0.25, 0.75])
    assert scales.linear(2.0, 2.0, "x").place([2.0])[0] == 0.5


def drawn(svg):
    """A panel as a tree; malformed markup is an error here."""
    return ET.fromstring(str(svg))


def test_bars_stand_where_the_axis_says():
    """Heights are in proportion to the values, and names are escaped."""
    svg = charts.bars("t", ["<b>", "y"], np.array([1, 3]), ["old", "new"], ("class", "spikes"))
    tree = drawn(svg)
    paths = [path for path in tree.iter("path") if path.get("class", "").startswith("bar")]
    titles = [path.find("title").text for path in paths]
    assert titles == ["<b>: 1", "y: 3"]
    corners = [path.get("d").replace("H", "V").split("V") for path in paths]
    heights = [float(corner[0].split()[1]) - float(corner[1]) for corner in corners]
    assert heights[1] == pytest.approx(3 * heights[0], rel=0.01)


def test_histogram_outline_passes_every_bin():
    edges, counts = np.linspace(0, 1, 4), np.array([1, 0, 10])
    tree = drawn(charts.histogram("t", edges, {"asleep": counts}, ("x", "n")))
    (path,) = [path for path in tree.iter("path") if "stairs" in path.get("class", "")]
    points = path.get("d").split("V")
    assert len(points) == 1 + 3 + 1
    tops = [float(point.split("H")[0]) for point in points[1:4]]
    assert tops[2] < tops[0] < tops[1]  # y grows downwards


def test_pairs_leave_out_what_is_not_known():
    before, after = np.array([0.5, np.nan]), np.array([0.7, 0.2])
    tree = drawn(charts.pairs("t", ["a", "b"], before, after, ("", ""), (0, 1)))
    marks = [circle.find("title").text for circle in tree.iter("circle")]
    assert marks == ["a: 0.5", "a: 0.7", "b: 0.2"]


def test_matrix_writes_few_numbers_and_colours_many():
    few = drawn(charts.matrix("t", ["0", "1"], np.array([[1, 0], [2, 3]]), ("a", "b"), "d"))
    assert [t.text for t in few.iter("text") if t.get("class") in {"cell", "over"}] == [
        "1",
        "2",
        "3",
    ]
    many = drawn(charts.matrix("t", [], np.ones((30, 30)), ("a", "b"), "d"))
    assert not [t for t in many.iter("text") if t.get("class") in {"cell", "over"}]
    (cells,) = many.iter("image")
    assert pixels(cells.get("href")).shape == (30, 30, 4)


def test_nothing_at_all_can_be_drawn():
    """All 0, or all undefined."""
    none = np.full((2, 2), np.nan)
    drawn(charts.matrix("t", ["0", "1"], none, ("a", "b"), ".2f"))
    drawn(charts.course("t", np.array([0, 5]), np.zeros(1), ("a", "b")))
    drawn(charts.bars("t", ["a"], np.zeros(1, int), ["old"], ("a", "b")))
    drawn(charts.pairs("t", ["a"], none[0, :1], none[0, :1], ("a", "b"), (0, 1)))


def pixels(uri):
    """The picture behind a data URI: uint8 [rows, columns, channels]."""
    kind, _, data = uri.partition(",")
    assert kind == "data:image/png;base64"
    return np.round(imread(io.BytesIO(base64.b64decode(data)), "png") * 255).astype(int)


def test_cells_have_a_colour_for_each_sign():
    found = pixels(pictures.cells(np.array([[1.0, -0.5, 0.0, np.nan]])))
    assert found[0, 0].tolist() == [0x00, 0x72, 0xB2, 255]
    assert found[0, 1].tolist() == [0xB3, 0x58, 0x06, 128]
    assert found[0, 2:, 3].tolist() == [0, 0]


def test_inputs_are_shown_as_pictures_where_they_can_be():
    (grey,) = input_pictures(np.arange(16.0)[None])
    assert pixels(grey).shape == (4, 4, 4)
    assert pixels(grey)[3, 3, 3] == 255
    planes = np.concatenate([np.ones(4), np.zeros(4), np.full(4, 0.5)])
    (colour,) = input_pictures(planes[None])
    assert pixels(colour)[0, 0, :3].tolist() == [255, 0, 128]
    assert input_pictures(np.ones((2, 7))) is None


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 99)), unique=True))
def test_packed_spikes_unpack(events):
    events = np.array(sorted(events), np.int64).reshape(-1, 2)
    keys, gap, shift = [0], 0, 0
    for byte in base64.b64decode(packed(events, 100)):
        gap, shift = gap | (byte & 127) << shift, shift + 7
        if byte < 128:
            keys.append(keys[-1] + gap)
            gap = shift = 0
    np.testing.assert_array_equal(keys[1:], events @ [100, 1])


def test_a_busy_layer_keeps_the_middle_of_its_night(tmp_path):
    """With more spikes than a page takes: a stretch around the middle, whole and not too long."""
    fires = np.random.default_rng(0).random((900, 60)) < 0.8
    file = TraceFile(tmp_path / "t.h5", [("input", 60), ("output", 1)], settings={})
    with file.night(0, task=0, steps=900) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(fires))
        recorder.spikes(1, 0, Spikes.from_raster(np.zeros((900, 1), bool)))
    with open_trace(tmp_path / "t.h5") as trace:
        view = night_view(trace)
        found, silent = raster(view, "input"), raster(view, "output")
    assert found.total == fires.sum()
    assert abs(found.start + found.stop - 900) <= 1
    inside = int(fires[found.start : found.stop].sum())
    assert EXACT / 4 < inside <= EXACT
    ends = sum(byte < 128 for byte in base64.b64decode(found.spikes))
    assert ends == inside
    assert pixels(found.binned).shape == (60, 400, 4)
    assert (silent.start, silent.stop, silent.spikes, silent.total) == (0, 900, "", 0)


def test_binned_raster_has_the_first_neuron_at_the_bottom(tmp_path):
    fires = np.zeros((4, 3), bool)
    fires[1, 0] = True
    file = TraceFile(tmp_path / "t.h5", [("input", 3), ("output", 1)], settings={})
    with file.night(0, task=0, steps=4) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(fires))
        recorder.spikes(1, 0, Spikes.from_raster(fires[:, :1]))
    with open_trace(tmp_path / "t.h5") as trace:
        found = raster(night_view(trace), "input")
    opacity = pixels(found.binned)[:, :, 3]
    assert np.argwhere(opacity == 255).tolist() == [[2, 1]]
    assert found.top_hz == pytest.approx(1000)
