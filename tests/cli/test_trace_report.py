"""`bioncl trace report`: where the page goes, what is printed, and what is refused."""

import json
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli
from bioncl.traces import Spikes
from bioncl.traces.hdf5_writer import TraceFile


@pytest.fixture
def path(tmp_path):
    """Two nights of two layers."""
    file = TraceFile(tmp_path / "trace.h5", [("input", 4), ("output", 3)], settings={"title": "T"})
    rng = np.random.default_rng(0)
    for index in range(2):
        with file.night(index, task=index, steps=50) as recorder:
            for place, size in enumerate((4, 3)):
                recorder.spikes(place, 0, Spikes.from_raster(rng.random((50, size)) < 0.3))
    return tmp_path / "trace.h5"


def shown(*words):
    """Standard output of `bioncl trace report WORDS`; there is nothing on standard error."""
    result = CliRunner().invoke(cli, ["trace", "report", *map(str, words)], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert result.stderr == ""
    return result.stdout


def numbers(page):
    """The JSON of the page."""
    text = page.read_text(encoding="utf-8")
    return json.loads(text.split('id="numbers">')[1].split("</script>")[0])


def test_the_page_stands_beside_the_trace(path):
    page = path.with_suffix(".html")
    assert shown(path) == f"{page}\n"
    assert page.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    found = numbers(page)
    assert found["title"] == "T"
    assert [night["index"] for night in found["nights"]] == [0, 1]
    assert found["how"] == {"window": None, "shuffles": 1000, "seed": 0}


def test_options_reach_the_page(path, tmp_path):
    page = tmp_path / "new" / "night.html"
    words = ["--out", page, "--night", 1, "--window", 10, "--shuffles", 7, "--seed", 3, "--json"]
    told = json.loads(shown(path, *words))
    assert told == {"page": str(page), "bytes": page.stat().st_size}
    found = numbers(page)
    assert [night["index"] for night in found["nights"]] == [1]
    assert found["how"] == {"window": 10, "shuffles": 7, "seed": 3}


def test_the_same_trace_gives_the_same_page(path, tmp_path):
    shown(path, "--out", tmp_path / "a.html")
    shown(path, "--out", tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()


def test_only_some_nights(path):
    shown(path, "--night", 1, "--night", 0)
    assert [night["index"] for night in numbers(path.with_suffix(".html"))["nights"]] == [0, 1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--night", "7"], "expected 0, 1, got 7"),
        (["--window", "0"], "--window"),
        (["--out", "trace.h5"], "is the trace itself"),
    ],
)
def test_wrong_options_end_with_2_and_write_nothing(path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(path.parent)
    before = path.read_bytes()
    assert run_command(cli, ["trace", "report", str(path), *words]) == 2
    assert message in capsys.readouterr().err
    assert [found.name for found in path.parent.iterdir()] == ["trace.h5"]
    assert path.read_bytes() == before


def test_a_page_that_cannot_be_written_ends_with_1(path, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    page = tmp_path / "file" / "page.html"
    assert run_command(cli, ["trace", "report", str(path), "--out", str(page)]) == 1
    assert "Cannot write" in capsys.readouterr().err


def test_help_of_the_group_does_not_import_pages():
    """`bioncl trace --help` lists the command and stays quick."""
    code = (
        "import sys; from click.testing import CliRunner; from bioncl.cli.main import cli\n"
        "text = CliRunner().invoke(cli, ['trace', '--help']).output\n"
        "assert 'report' in text, text\n"
        "assert not {'jinja2', 'matplotlib', 'torch', 'bioncl.report'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
