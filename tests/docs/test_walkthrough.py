"""The walk-through is run as it stands: each `bioncl` command, each line of Python, in order.

The quick test puts digits of the package's own in the place of MNIST; the slow one runs the page to
the letter and asks whether what it says of the last night is so.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bioncl.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "walkthrough.md"
BLOCK = re.compile(r"^```(sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def walk(settings: str, *of_run: str) -> dict[str, Any]:
    """Run every block of the page in the present folder; return the names that Python ends with."""
    names: dict[str, Any] = {}
    for language, code in BLOCK.findall(PAGE.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile(code, str(PAGE), "exec"), names)
            continue
        for line in code.splitlines():
            program, *arguments = shlex.split(line.replace("tadros2022-mnist", settings))
            if program == "bioncl":
                if arguments[0] == "run":
                    arguments += of_run
                done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
                assert done.exit_code == 0, (line, done.output)
            else:
                assert (ROOT / program).is_file(), line
    return names


def test_every_command_and_line_of_the_page_runs(tmp_path, monkeypatch):
    """On 5,000 digits, with the published commands otherwise; figures appear where it says."""
    monkeypatch.chdir(tmp_path)
    names = walk("mnist-5k", "--set", "sleep.steps=1200")
    drawn = {path.name for path in (tmp_path / "figures").iterdir()}
    assert {"raster-night4.png", "membrane-night4.png", "confusion-night4.png"} <= drawn
    assert set(names["early"]) == {"input", *names["codes"]}


def test_pictures_and_results_that_the_page_shows_are_there():
    """Links into the repository lead somewhere."""
    links = re.findall(r"\]\(([^)#]+)\)", PAGE.read_text(encoding="utf-8"))
    inside = [link for link in links if not link.startswith("https:")]
    assert len(inside) >= 6
    for link in inside:
        assert (PAGE.parent / link).exists(), link


@pytest.mark.full_data
def test_what_the_page_says_of_the_published_night_is_so(tmp_path, monkeypatch):
    """Spikes come early, old outputs keep their synapses, the code gets sparser and less alike."""
    monkeypatch.chdir(tmp_path)
    names = walk("tadros2022-mnist")
    assert names["early"]["input"] < 0.02
    assert all(names["early"][layer] > 0.5 for layer in ("hidden1", "hidden2", "output"))
    change, classes, new = names["change"], names["classes"], names["new"]
    assert not change[classes[~new]].any()
    assert (change[classes[new]] < 0).mean() > 0.8
    for layer in ("hidden1", "hidden2"):
        before, after = names["codes"][layer].before, names["codes"][layer].after
        assert after.treves_rolls < before.treves_rolls
        assert after.between < before.between - 0.2
