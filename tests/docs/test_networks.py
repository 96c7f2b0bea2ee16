"""The page about sleep under any network: its Python prints what it shows, its settings run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

import bioncl
from bioncl.experiments.shipped import names

PAGE = (Path(__file__).parents[2] / "docs" / "networks.md").read_text(encoding="utf-8")
EXAMPLE = re.compile(r"^```python\n(.*?)^```\n\n```text\n(.*?)^```", re.MULTILINE | re.DOTALL)
SETTINGS = re.compile(r"\b(?:fashion-(?:convnet|resnet)|(?:convnet|resnet)-fashion(?:-\w+)?)\b")


def words(text: str) -> list[str]:
    """The words of a text, each number as #."""
    return re.sub(r"\d[\d,.]*", "#", text).split()


def test_the_examples_print_what_the_page_shows(capsys):
    """Word for word; numbers of spikes and shares of weights may differ on another machine."""
    found: dict[str, Any] = {}
    for code, shown in EXAMPLE.findall(PAGE):
        exec(compile(code, "networks.md", "exec"), found)
        assert words(capsys.readouterr().out) == words(shown)
    report = found["report"]
    assert report.changed["0"] == report.changed["4"] == 0.0
    assert min(report.changed["8"], report.changed["10"]) > 0.05
    assert min(report.spikes.values()) > 100


def test_settings_that_the_page_names_ship():
    found = set(SETTINGS.findall(PAGE))
    assert len(found) == 8
    assert found <= set(names())


@pytest.mark.parametrize("name", ["convnet-fashion", "resnet-fashion"])
def test_nights_of_its_settings_run_and_change_decisions(name):
    """On the digits of the package, otherwise as they ship."""
    small = [("stream.data", "digits"), ("stream.train_per_task", 100)]
    asleep = bioncl.run(name, overrides=small)
    awake = bioncl.run(f"{name}-naive", overrides=small)
    assert len(asleep.accuracy) == 5
    assert asleep.accuracy != awake.accuracy
