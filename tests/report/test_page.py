"""The page about a trace: its structure, its numbers, its safety, and what it says is missing."""

import base64
import hashlib
import json
import re

import h5py
import numpy as np
import pytest

import bioncl
from bioncl.errors import TraceError
from bioncl.traces import Spikes
from bioncl.traces.hdf5_writer import TraceFile

HIDDEN = "<img src=x onerror='window.hacked = 3'>"
STORY = [
    "2 What went in",
    "3 What fired",
    "4 What was replayed",
    "5 What changed",
    "6 What it did to accuracy",
]


@pytest.fixture(scope="module")
def page(hostile_page, parsed):
    return parsed(hostile_page)


@pytest.fixture(scope="module")
def trace(hostile_trace):
    with bioncl.open_trace(hostile_trace) as opened:
        yield opened


def close(found, expected):
    """Whether numbers of the page are these; undefined ones are null there."""
    got = np.array([np.nan if value is None else value for value in np.ravel(found)], float)
    np.testing.assert_allclose(got, np.ravel(expected), rtol=1e-5)


def test_every_night_tells_its_story_in_order(page):
    heads = [text for text in page.texts if re.match(r"(\d|Night \d)", text) and text in page.texts]
    told = [text for text in heads if text.startswith("Night ") or text in ["1 The run", *STORY]]
    first, second = "Night 0, after task 0", "Night 1, after task 1"
    assert told == ["1 The run", first, *STORY, second, *STORY]


def test_menus_offer_every_night_and_layer(page):
    options = [found["value"] for found in page.all("option")]
    assert options == ["0", "1", HIDDEN, "output", ""]
    nights = [found["data-choice"] for found in page.all("div", **{"data-menu": "night"})]
    assert nights == ["0", "1"]
    layers = {found["data-choice"] for found in page.all("div", **{"data-menu": "layer"})}
    assert layers == {HIDDEN, "output"}


def test_figures_are_there(page):
    """Each night: a raster a layer; panels named for the eye and for screen readers alike."""
    assert len(page.all("figure", **{"class": "raster"})) == 2 * 3
    titles = [found["aria-label"] for found in page.all("svg")]
    for title, count in {
        "mean rate over the night": 6,
        "rates of the neurons": 6,
        "output spikes of each class": 2,
        "likeness to each class (r), and the class it decodes as": 4,
        "transitions between decoded classes": 4,
        "weights": 4,
        "changes of weights": 4,
        "awake code": 4,
        "r between classes, before sleep": 4,
        "decisions after sleep": 2,
        "accuracy on each task": 2,
        "accuracy on all classes": 1,
    }.items():
        assert titles.count(title) == count, title
    pictures = [found["alt"] for found in page.all("img") if found["alt"].startswith("class")]
    assert pictures == [f"class {label}" for label in (0, 1, 0, 1, 2, 3)]


def test_numbers_are_those_of_the_file(page, trace):
    """Against plain NumPy on the arrays of the second night."""
    numbers = page.numbers
    assert numbers["layers"] == {"input": 16, HIDDEN: 12, "output": 4}
    night, layer = numbers["nights"][1], numbers["nights"][1]["layers"][HIDDEN]
    assert (night["index"], night["task"], night["recorded"]) == (1, 1, 400)
    counts = np.bincount(trace.spikes(HIDDEN, 1)[:, 1], minlength=12)
    summary = layer["firing"]["summary"]
    assert summary["spikes"] == counts.sum()
    close(summary["rates_hz"], counts / 0.4)
    assert np.mean(layer["firing"]["hz"]) == pytest.approx(counts.mean() / 0.4)
    delta = trace.weights(HIDDEN, 1)
    change = layer["weights"]["change"]
    assert (change["up"], change["down"]) == ((delta > 0).sum(), (delta < 0).sum())
    assert sum(layer["histograms"]["change"]) == delta.size
    assert night["confusion"]["after"] == trace.array("confusion/after", 1).tolist()
    active = trace.array(f"awake/after/{HIDDEN}", 1).astype(float)
    assert layer["code"]["after"]["active"] == pytest.approx((active > 0).mean())
    close(night["input_counts"], np.bincount(trace.spikes("input", 1)[:, 1], minlength=16))


def test_replay_is_the_correlation_of_windows_with_classes(page, trace):
    """By default in windows of a tenth of a short night."""
    replay = page.numbers["nights"][1]["layers"]["output"]["replay"]
    assert replay["windows"] == [[40 * i, 40 * i + 40] for i in range(10)]
    means = trace.array("awake/means/output", 1).astype(float)
    means -= means.mean(axis=0)
    events = trace.spikes("output", 1)
    for window, row in enumerate(replay["scores"]["correlation"]):
        counts = np.bincount(events[events[:, 0] // 40 == window, 1], minlength=4)
        close(row, [np.corrcoef(counts, mean)[0, 1] for mean in means])


def test_tables_show_these_numbers(page, trace):
    spikes = len(trace.spikes(HIDDEN, 1))
    assert f"{spikes:,}" in page.texts
    assert f"{spikes:,} spikes of 12 neurons." in page.text
    assert "+50.0" in page.texts  # task 0: from 25 to 75 %
    assert "from 37.5 to 62.5 % on all classes." in page.texts


def test_raster_holds_every_spike(page, trace):
    """Read back from bytes of seven bits, lowest first."""
    figures = page.all("figure", **{"class": "raster"})
    for figure, layer in zip(figures[3:], trace.layers, strict=True):
        keys, gap, shift = [0], 0, 0
        for byte in base64.b64decode(figure["data-spikes"]):
            gap, shift = gap | (byte & 127) << shift, shift + 7
            if byte < 128:
                keys.append(keys[-1] + gap)
                gap = shift = 0
        found = [divmod(key, int(figure["data-neurons"])) for key in keys[1:]]
        assert found == [tuple(event) for event in trace.spikes(layer, 1).tolist()]
        assert (figure["data-start"], figure["data-stop"]) == ("0", "400")


def test_nothing_from_the_file_is_markup(page, hostile_page):
    """Hostile names are text: the only scripts are the two of the page, and no tag was added."""
    assert len(page.all("script")) == 2
    assert not [found for _, found in page.tags if any(name.startswith("on") for name in found)]
    assert all(found["src"].startswith("data:image/png;base64,") for found in page.all("img"))
    assert HIDDEN in page.texts
    assert "window.hacked" not in page.scripts[""]
    assert "<script>window" not in hostile_page


def test_no_address_leads_outside(page, hostile_page):
    for _, found in page.tags:
        for name in ("src", "href", "action", "data", "xlink:href", "srcset", "poster"):
            assert found.get(name, "data:").startswith("data:")
    assert not re.findall(r"https?:|@import|url\(|//[a-z]+\.", hostile_page.split("<body>")[0])
    assert "fetch(" not in page.scripts[""]


def test_policy_forbids_requests_and_names_the_one_script(page):
    (policy,) = [found["content"] for found in page.all("meta") if "http-equiv" in found]
    hashed = base64.b64encode(hashlib.sha256(page.scripts[""].encode()).digest()).decode()
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == f"'sha256-{hashed}'"
    assert rules["img-src"] == "data:"


def test_chosen_nights_only(hostile_trace, make_page, parsed):
    numbers = parsed(make_page(hostile_trace, nights=[1], shuffles=2)).numbers
    assert [night["index"] for night in numbers["nights"]] == [1]
    with pytest.raises(TraceError, match="expected 0, 1, got 5"):
        make_page(hostile_trace, nights=[5])


def test_settings_of_replay_are_followed(hostile_trace, make_page, parsed):
    page = parsed(make_page(hostile_trace, nights=[0], window=100, shuffles=3, seed=8))
    (night,) = page.numbers["nights"]
    assert night["how"]["shuffles"] == 3
    assert len(night["layers"]["output"]["replay"]["windows"]) == 4
    assert "each window of 100 steps" in page.text


@pytest.fixture
def bare(tmp_path):
    """A whole night without activations, weights before it, or accuracies; one layer is silent."""
    file = TraceFile(tmp_path / "bare.h5", [("input", 5), ("output", 3)], settings={})
    with file.night(0, task=0, steps=60) as recorder:
        recorder.spikes(0, 0, Spikes.from_raster(np.ones((60, 5), bool)))
        recorder.spikes(1, 0, Spikes.from_raster(np.zeros((60, 3), bool)))
        recorder.weights(["output"], [np.zeros((3, 5))], [np.eye(3, 5)])
    return tmp_path / "bare.h5"


def test_what_was_not_recorded_is_said(bare, make_page, parsed):
    text = make_page(bare)
    assert str(bare.parent) not in text
    page = parsed(text)
    said = [text for text in page.texts if text.startswith(("This night", "The file"))]
    assert any(text.startswith("This night holds no awake activations") for text in said)
    assert any("holds no confusion matrices" in text for text in said)
    assert any("holds no accuracies" in text for text in said)
    assert any("trace.weights_before" in text for text in said)
    assert "nan" not in page.text.lower()
    numbers = page.numbers["nights"][0]
    assert "trace.examples" in numbers["layers"]["output"]["replay"]["missing"]
    assert numbers["layers"]["output"]["weights"]["stable_rank_before"] is None
    assert numbers["layers"]["output"]["weights"]["change"]["up"] == 3
    assert not [found for found in page.all("img") if found["alt"].startswith("class")]


@pytest.mark.parametrize("blocks", [0, 1])
def test_an_unfinished_night_is_said_to_be_one(hostile_trace, tmp_path, make_page, parsed, blocks):
    """The second night as a kill leaves it: before, or after, its one block of spikes."""
    part = tmp_path / "trace.h5.part"
    part.write_bytes(hostile_trace.read_bytes())
    with h5py.File(part, "r+") as file:
        night = file["bioncl/sleep/0001"]
        night["blocks"].resize(blocks, axis=0)
        for name in ("weights", "awake/after", "confusion/after", "facts_json", "layers"):
            del night[name]
        night.attrs["complete"] = file["bioncl"].attrs["complete"] = False
    page = parsed(make_page(part, shuffles=2))
    first, second = page.numbers["nights"]
    assert first["complete"]
    assert not second["complete"]
    assert f"the file holds {400 * blocks} of 400 steps" in page.text
    assert "This is written at the end of a night" in page.text
    assert "not finished: it holds what was written up to a kill" in page.text
    assert ("No step of this night was recorded." in page.texts) == (blocks == 0)
    assert len(page.all("figure", **{"class": "raster"})) == 3 + 3 * blocks


def test_five_nights_of_published_width_stay_small(tmp_path, make_page):
    """At a few per cent of activity, with all that a run notes: below 5 MB."""
    rng, sizes = np.random.default_rng(1), {"input": 784, "hidden1": 1200, "output": 10}
    file = TraceFile(tmp_path / "wide.h5", list(sizes.items()), settings={}, compressed=False)
    for index in range(5):
        with file.night(index, task=index, steps=3000) as recorder:
            arrays = {"awake/classes": np.arange(10), "awake/labels": np.arange(10)}
            for name, size in sizes.items():
                for what in ("means", "before", "after"):
                    arrays[f"awake/{what}/{name}"] = rng.random((10, size), np.float32)
            recorder.arrays(arrays)
            for place, size in enumerate(sizes.values()):
                raster = Spikes.from_raster(rng.random((3000, size)) < 0.02)
                recorder.spikes(place, 0, raster)
    assert len(make_page(tmp_path / "wide.h5", shuffles=2).encode()) < 5e6


def test_json_holds_no_markup_and_no_nan(page):
    text = page.scripts["numbers"]
    assert "<" not in text
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
