"""`bioncl methods`, `engines` and `version`: complete, and JSON when asked."""

import json
import platform
import sys

import h5py
import numpy
import torch
from click.testing import CliRunner

from bioncl.cli.main import cli
from bioncl.methods import METHODS
from bioncl.registry import Registry
from bioncl.spiking import engines


def ask(*arguments: str) -> dict:
    """The JSON object that a command prints, alone on standard output."""
    result = CliRunner().invoke(cli, [*arguments, "--json"], catch_exceptions=False)
    assert result.exit_code == 0
    return json.loads(result.stdout)


def test_methods_are_listed_with_scenarios_and_paper():
    found = {method["name"]: method for method in ask("methods")["methods"]}
    assert list(found) == METHODS.names()
    assert {"naive", "joint", "rehearsal", "src"} <= set(found)
    assert "Tadros" in found["src"]["paper"]
    for method in found.values():
        assert set(method["scenarios"]) <= {"task", "domain", "class"}
        assert method["scenarios"]
        assert method["summary"]


def test_methods_as_text_name_every_method():
    text = CliRunner().invoke(cli, ["methods"]).stdout
    assert [line.split()[0] for line in text.splitlines()[1:]] == METHODS.names()


def test_engines_of_this_machine_are_available():
    found = {engine["name"]: engine for engine in ask("engines")["engines"]}
    assert found["dense"]["available"] is True
    assert found["dense"]["reason"] is None


def test_an_engine_whose_library_is_missing_says_so(monkeypatch):
    fake = Registry("engine", {"odd": ("bioncl_no_such_library:Odd", "an engine of others")})
    monkeypatch.setattr(engines, "ENGINES", fake)
    (engine,) = ask("engines")["engines"]
    assert engine["available"] is False
    assert "bioncl_no_such_library" in engine["reason"]
    assert "no: No module named" in CliRunner().invoke(cli, ["engines"]).stdout


def test_version_tells_what_the_libraries_say_themselves():
    found = ask("version")
    assert found["python"] == sys.version.split()[0]
    assert found["torch"] == torch.__version__
    assert found["numpy"] == numpy.__version__
    assert found["h5py"] == h5py.__version__
    assert found["platform"] == platform.platform()


def test_version_as_text_has_a_line_each():
    lines = CliRunner().invoke(cli, ["version"]).stdout.splitlines()
    assert [line.split()[0] for line in lines] == list(ask("version"))
