"""Traces with names that would be trouble on a page, pages read back or shown by Chromium."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import numpy as np
import pytest

from bioncl.report.trace_page.numbers import PageSettings
from bioncl.report.trace_page.page import trace_page
from bioncl.traces import Spikes
from bioncl.traces.hdf5_reader import open_trace
from bioncl.traces.hdf5_writer import TraceFile

TITLE = '</script><script>window.hacked = 1</script>"><img src=x onerror="window.hacked = 2">'
HIDDEN = "<img src=x onerror='window.hacked = 3'>"
LAYERS = {"input": 16, HIDDEN: 12, "output": 4}
STEPS = 400


def settings():
    """Settings of a run of two tasks, with a hostile title and key."""
    return {
        "title": TITLE,
        "stream": {"name": "split", "classes": [[0, 1], [2, 3]], "order": "fixed"},
        "model": {"head": "single"},
        "trace": {"weights_before": True},
        "notes</td><script>window.hacked = 4</script>": TITLE,
    }


def record_night(file, index, rng):
    """A whole night of random spikes, with all that a run notes around it."""
    classes = np.arange(2 * index + 2)
    labels = np.repeat(classes, 3)
    with file.night(index, task=index, steps=STEPS) as recorder:
        arrays = {"awake/classes": classes, "awake/labels": labels}
        for name, size in LAYERS.items():
            arrays[f"awake/means/{name}"] = rng.random((len(classes), size), np.float32)
            before = rng.random((len(labels), size)).astype(np.float16)
            arrays[f"awake/before/{name}"] = before
        arrays["confusion/before"] = rng.integers(0, 9, (4, 4))
        recorder.arrays(arrays)
        for place, size in enumerate(LAYERS.values()):
            recorder.spikes(place, 0, Spikes.from_raster(rng.random((STEPS, size)) < 0.1))
        shapes = {HIDDEN: (12, 16), "output": (4, 12)}
        before = [rng.normal(size=shape).astype(np.float32) for shape in shapes.values()]
        after = [weights + rng.choice([-0.1, 0.0, 0.1], weights.shape) for weights in before]
        recorder.weights(list(shapes), before, after)
        changed = {f"awake/after/{n}": arrays[f"awake/before/{n}"] * 0.5 for n in LAYERS}
        recorder.arrays({**changed, "confusion/after": rng.integers(0, 9, (4, 4))})
        recorder.facts({"accuracy_before": [0.25, 0.5], "accuracy_after": [0.75, 0.5]})
        recorder.facts({"accuracy_all_before": 0.375, "accuracy_all_after": 0.625})


@pytest.fixture(scope="session")
def hostile_trace(tmp_path_factory) -> Path:
    """Two whole nights of three layers."""
    path = tmp_path_factory.mktemp("hostile") / "trace.h5"
    file = TraceFile(path, list(LAYERS.items()), settings=settings(), keep_before=True)
    rng = np.random.default_rng(0)
    for index in range(2):
        record_night(file, index, rng)
    return path


@pytest.fixture(scope="session")
def hostile_page(hostile_trace) -> str:
    """The page about it."""
    return page_of(hostile_trace, title=TITLE, shuffles=50)


def page_of(path, nights=(), title="a run", **how):
    """The page about the trace at `path`."""
    with open_trace(path) as trace:
        return trace_page(trace, title, nights, PageSettings(**how))


class Page(HTMLParser):
    """What a page holds: tags with their attributes, texts, and the JSON of its numbers."""

    VOID = frozenset({"meta", "img", "br", "hr", "input", "link"})

    def __init__(self, text):
        """Parse `text`; every tag has to be closed in order."""
        super().__init__()
        self.tags, self.texts, self.open = [], [], []
        self.scripts = {}
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        """Note a tag."""
        self.tags.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        """Note a tag that closes itself, as in SVG."""
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        """Leave a tag."""
        assert self.open.pop() == tag

    def handle_data(self, data):
        """Note a text; those of scripts by the id of the script."""
        if self.open and self.open[-1] == "script":
            name = self.tags[-1][1].get("id", "")
            self.scripts[name] = self.scripts.get(name, "") + data
        elif self.open and self.open[-1] != "style":
            self.texts.append(data.strip())

    @property
    def text(self):
        """All visible text."""
        return " ".join(text for text in self.texts if text)

    @property
    def numbers(self):
        """The numbers of the page."""
        return json.loads(self.scripts["numbers"])

    def all(self, tag, **attributes):
        """Attributes of all tags with this name and these attributes."""
        return [
            found
            for name, found in self.tags
            if name == tag and attributes.items() <= found.items()
        ]


@pytest.fixture(scope="session")
def parsed():
    """The parser, as a function of a page's text."""
    return Page


@pytest.fixture(scope="session")
def make_page():
    """`page_of`."""
    return page_of


@pytest.fixture
def check_texts():
    """A function that checks that all texts of a figure can be read."""
    return _check_texts


def _check_texts(figure: mpl.figure.Figure) -> None:
    """Assert that texts lie on the page and apart from each other."""
    figure.draw_without_rendering()
    page = figure.bbox.padded(1)
    boxes = [text.get_window_extent() for text in _drawn_texts(figure)]
    for index, box in enumerate(boxes):
        assert page.contains(box.x0, box.y0)
        assert page.contains(box.x1, box.y1)
        for other in boxes[index + 1 :]:
            assert not box.padded(-1).overlaps(other.padded(-1))


def _drawn_texts(figure: mpl.figure.Figure) -> list[mpl.text.Text]:
    """All texts but the tick labels that lie outside of their axis, which are not drawn."""
    outside = set()
    for axis in figure.findobj(mpl.axis.Axis):
        low, high = sorted(axis.get_view_interval())
        for tick in [*axis.get_major_ticks(), *axis.get_minor_ticks()]:
            if not low <= tick.get_loc() <= high:
                outside |= {tick.label1, tick.label2}
    texts = figure.findobj(mpl.text.Text)
    return [
        text for text in texts if text.get_text() and text.get_visible() and text not in outside
    ]


CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--enable-logging=stderr",
    "--v=0",
    "--virtual-time-budget=20000",
    "--dump-dom",
]
NOTING = """
const noted = [], complain = console.error;
console.error = (...words) => { noted.push("console: " + words.join(" ")); complain(...words); };
addEventListener("error",
  (event) => noted.push("error: " + (event.message || event.target.src)), true);
addEventListener("unhandledrejection", (event) => noted.push("rejected: " + event.reason));
addEventListener("securitypolicyviolation", (event) => noted.push("refused: " + event.blockedURI));
"""


def browse(page, hook, folder, *flags, more=""):
    """What a hook found on a copy of a page, and what Chromium wrote into its log.

    The hook stands in front, allowed by the page's policy, behind code that notes errors and
    refused requests in `noted`; it leaves JSON in an element with the id "result". `more` goes into
    the body.
    """
    script = NOTING + hook
    hashed = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    copy = page.replace("script-src ", f"script-src 'sha256-{hashed}' ", 1)
    copy = copy.replace("</head>", f"<script>{script}</script></head>", 1)
    path = folder / "page.html"
    path.write_text(copy.replace("<main>", f"<main>{more}", 1), encoding="utf-8")
    command = [CHROMIUM, *FLAGS, *flags, f"--user-data-dir={folder / 'profile'}", path.as_uri()]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    (result,) = re.findall(r'<output id="result">(.*?)</output>', ended.stdout, re.S)
    return json.loads(html.unescape(result)), ended.stderr


@pytest.fixture(scope="session")
def chromium():
    """`browse`; skips where there is no Chromium."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium (Debian: chromium)")
    return browse
