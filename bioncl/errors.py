"""Every error that bioncl raises on purpose.

Two families, told apart by the exit code that the command line gives them:
`InputError` (2) means that what the user handed in cannot be used, and says how to mend it;
`RunError` (1) means that the input was fine and the run failed all the same.
Messages follow one pattern: what is wrong, what was expected, what was found, the way out.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class BionclError(Exception):
    """Base of all errors raised on purpose; `exit_code` is what the command line returns."""

    exit_code = 1


class InputError(BionclError):
    """Something handed in cannot be used; nothing was changed."""

    exit_code = 2


class SettingsError(InputError):
    """A settings file or a `--set` value is wrong."""


class DataError(InputError):
    """A data set is missing, damaged or of the wrong shape."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, foreign, or does not fit what is asked of it."""


class TraceError(InputError):
    """A trace file is missing, damaged or foreign."""


class UnsupportedError(InputError):
    """A combination that is understood but not possible, such as an engine without a rule."""


class RunError(BionclError):
    """The input was fine but the run failed."""


class DivergedError(RunError):
    """Weights or losses stopped being finite numbers."""


class StorageError(RunError):
    """A file could not be written (full disk, no permission); the old file is untouched."""


class Interrupted(KeyboardInterrupt):
    """The user stopped the work, and what was done is saved; `hint` says how to go on."""

    def __init__(self, hint: str = "") -> None:
        """Carry the way to go on, such as the command that resumes the run."""
        super().__init__(hint)
        self.hint = hint


def describe(what: str, *, expected: object = None, got: object = None, hint: str = "") -> str:
    """Compose a message: what is wrong, expected, got, the way out."""
    text = what.rstrip(".")
    if expected is not None:
        text += f": expected {expected}"
        text += f", got {got}" if got is not None else ""
    elif got is not None:
        text += f": got {got}"
    return f"{text}. {hint}".rstrip() if hint else f"{text}."


def did_you_mean(given: str, known: Iterable[str]) -> str:
    """Return "Did you mean 'x'? " or the list of what exists, for an unknown name."""
    names = sorted(known)
    close = difflib.get_close_matches(given, names, n=1)
    listed = ", ".join(names) if names else "none"
    return (f"Did you mean '{close[0]}'? " if close else "") + f"Known: {listed}."
