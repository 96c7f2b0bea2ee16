"""Libraries that only some exports need: installed by extras, imported when used."""

from __future__ import annotations

import importlib
from typing import Any

from bioncl.errors import UnsupportedError, describe


def require(module: str, extra: str) -> Any:
    """Import and return `module`, which the extra named `extra` installs.

    Raises:
        UnsupportedError: It is not installed, or cannot be imported.
    """
    try:
        return importlib.import_module(module)
    except ImportError as error:
        what = f"This needs the package {module}, which cannot be imported ({error})"
        hint = f"Install it with: pip install 'bioncl[{extra}]'."
        raise UnsupportedError(describe(what, hint=hint)) from error
