"""What a failure looks like on the command line: a line on standard error, and an exit code.

    0    done
    1    the run failed (`RunError`), or a fault of bioncl itself
    2    the input is wrong (`InputError`, or click's usage errors)
    130  interrupted

Tracebacks appear only with --debug or BIONCL_DEBUG=1.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Sequence

import click

from bioncl.cli.options import Shell
from bioncl.errors import BionclError, Interrupted

FAILED = 1
INTERRUPTED = 130


def run_command(command: click.Command, arguments: Sequence[str] | None = None) -> int:
    """Run `command` with `arguments` (or those of the process); return the exit code."""
    shell = Shell(debug=os.environ.get("BIONCL_DEBUG", "") not in ("", "0"))
    try:
        code = command.main(arguments, prog_name="bioncl", standalone_mode=False, obj=shell)
        sys.stdout.flush()
    except BrokenPipeError:
        _close_output()
        return FAILED
    # The one place that may catch everything: whatever was raised gets its line and its code.
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001
        if shell.debug:
            traceback.print_exception(error)
        return report(error)
    # click hands back what Context.exit was given, and else what the command returned.
    return code if isinstance(code, int) else 0


def report(error: BaseException) -> int:
    """Say on standard error what went wrong; return the exit code."""
    if isinstance(error, click.ClickException):
        error.show()
        return error.exit_code
    if isinstance(error, click.Abort | KeyboardInterrupt):
        _say(f"Interrupted. {_hint(error)}".rstrip())
        return INTERRUPTED
    if isinstance(error, BionclError):
        _say(f"bioncl: error: {error}")
        return error.exit_code
    kind = type(error).__name__
    _say(f"bioncl: unexpected error: {kind}: {error}")
    _say("This is a fault of bioncl: please report it; --debug shows the traceback.")
    return FAILED


def _hint(error: BaseException) -> str:
    """How to go on; click turns an interrupt into an Abort that was caused by it."""
    cause = error if isinstance(error, Interrupted) else error.__cause__
    return cause.hint if isinstance(cause, Interrupted) else ""


def _say(line: str) -> None:
    click.echo(line, err=True)


def _close_output() -> None:
    """Let Python's flush at exit write to nowhere: whoever read our output is gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
