"""Failures on the command line: one line on standard error, and the exit code of the contract."""

import signal
import subprocess
import sys
import time

import click
import pytest

from bioncl.cli.errors import run_command
from bioncl.cli.options import add_debug_option
from bioncl.errors import DataError, Interrupted, SettingsError, StorageError


def failing(error: BaseException) -> click.Command:
    """A command that raises `error`."""

    @click.command()
    def fail() -> None:
        raise error

    add_debug_option(fail)
    return fail


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SettingsError("wrong key."), 2),
        (DataError("no such file."), 2),
        (StorageError("disk full."), 1),
    ],
)
def test_our_errors_are_one_line_with_their_code(error, code, capsys):
    assert run_command(failing(error), []) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert err == f"bioncl: error: {error}\n"


def test_another_error_is_called_a_fault_of_ours(capsys):
    assert run_command(failing(ZeroDivisionError("x")), []) == 1
    err = capsys.readouterr().err
    assert "unexpected error: ZeroDivisionError: x" in err
    assert "--debug" in err
    assert "Traceback" not in err


def test_debug_adds_the_traceback(capsys):
    assert run_command(failing(SettingsError("wrong key.")), ["--debug"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("Traceback")
    assert err.endswith("bioncl: error: wrong key.\n")


@pytest.mark.parametrize(("value", "shown"), [("1", True), ("0", False), ("", False)])
def test_the_variable_does_the_same(value, shown, capsys, monkeypatch):
    monkeypatch.setenv("BIONCL_DEBUG", value)
    run_command(failing(SettingsError("wrong key.")), [])
    assert ("Traceback" in capsys.readouterr().err) is shown


def test_an_interrupt_is_130(capsys):
    assert run_command(failing(KeyboardInterrupt()), []) == 130
    assert capsys.readouterr().err.strip() == "Interrupted."


def test_an_interrupt_says_how_to_go_on(capsys):
    error = Interrupted("Go on with: bioncl run x --resume")
    assert run_command(failing(error), []) == 130
    assert capsys.readouterr().err.strip() == "Interrupted. Go on with: bioncl run x --resume"


def test_a_usage_error_is_2(capsys):
    assert run_command(failing(KeyError()), ["--nosuch"]) == 2
    assert "No such option" in capsys.readouterr().err


def test_success_is_0_and_an_exit_code_passes(capsys):
    @click.command()
    @click.argument("code", type=int)
    @click.pass_context
    def leave(ctx: click.Context, code: int) -> None:
        ctx.exit(code)

    assert [run_command(leave, ["0"]), run_command(leave, ["3"])] == [0, 3]
    assert run_command(click.Command("quiet", callback=lambda: None), []) == 0


def test_a_reader_that_left_is_no_error():
    """As in `bioncl data list | head -1`, with far more output than a pipe holds."""
    code = (
        "import sys, click; from bioncl.cli.errors import run_command\n"
        "def talk():\n"
        "    for _ in range(20_000): click.echo('x' * 100)\n"
        "sys.exit(run_command(click.Command('talk', callback=talk), []))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.usefixtures("heeds_interrupts")
def test_a_real_interrupt_of_a_real_process_is_130():
    code = (
        "import sys, time, click; from bioncl.cli.errors import run_command\n"
        "def wait():\n"
        "    click.echo('ready'); time.sleep(60)\n"
        "sys.exit(run_command(click.Command('wait', callback=wait), []))"
    )
    command = [sys.executable, "-c", code]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        err = process.stderr.read().decode()
    assert process.returncode == 130
    assert "Interrupted." in err
    assert "Traceback" not in err
