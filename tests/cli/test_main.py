"""The table of commands: complete, documented, and a suggestion for a wrong name."""

import importlib
import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from bioncl import __version__
from bioncl.cli.main import COMMANDS, cli

PLANNED = ("run", "train", "sleep", "eval", "data", "methods", "engines", "version")


def every_command() -> dict[str, click.Command]:
    """All commands and subcommands, by what is typed."""
    found = {}
    for name, (target, _) in COMMANDS.items():
        module, _, attribute = target.partition(":")
        command = getattr(importlib.import_module(module), attribute)
        found[name] = command
        for below, subcommand in getattr(command, "commands", {}).items():
            found[f"{name} {below}"] = subcommand
    return found


def test_the_commands_of_the_contract_are_there():
    assert set(PLANNED) <= set(COMMANDS)


def test_help_lists_every_command_with_its_line():
    text = CliRunner().invoke(cli, ["--help"]).stdout
    for name, (_, line) in COMMANDS.items():
        assert f"  {name} " in text
        assert line in text


@pytest.mark.parametrize("name", COMMANDS)
def test_the_line_in_the_table_ends_like_a_sentence_and_fits(name):
    line = COMMANDS[name][1]
    assert line.endswith(".")
    assert len(line) <= 70


def test_every_command_and_option_has_help():
    for name, command in every_command().items():
        assert command.help, name
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, f"{name} {parameter.opts}"


@pytest.mark.parametrize("arguments", [["--debug", "version"], ["version", "--debug"]])
def test_debug_stands_before_or_after_the_command(arguments):
    assert CliRunner().invoke(cli, arguments).exit_code == 0


def test_debug_reaches_a_subcommand():
    result = CliRunner().invoke(cli, ["data", "list", "--help"])
    assert "--debug" in result.stdout


def test_an_unknown_command_gets_a_suggestion_and_2():
    result = CliRunner().invoke(cli, ["methds"])
    assert result.exit_code == 2
    assert "No such command 'methds'. Did you mean 'methods'?" in result.stderr


def test_an_unknown_option_gets_a_suggestion_and_2():
    result = CliRunner().invoke(cli, ["version", "--jsn"])
    assert result.exit_code == 2
    assert "--json" in result.stderr


def test_version_option_names_the_version():
    assert CliRunner().invoke(cli, ["--version"]).stdout.strip().endswith(f" {__version__}")


def test_python_dash_m_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "bioncl", "nosuch"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "bioncl" in done.stderr
    assert "Traceback" not in done.stderr
