"""How loops are compiled: when first called, once for each precision, kept on disk.

numba keeps compiled code in a file that is named after the function, and looks only at that
function's own source to see whether it is still valid. So the name gets the fingerprint of all
source in this folder: after a change anywhere in it, nobody goes on running old code.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numba import njit
from numba.extending import intrinsic

EDITION = zlib.crc32(b"".join(p.read_bytes() for p in sorted(Path(__file__).parent.glob("*.py"))))


def compiled(function: Callable[..., Any]) -> Any:
    """Compile for CPU cores, without Python's lock."""
    function.__qualname__ = f"{function.__qualname__}-{EDITION:08x}"
    return njit(error_model="numpy", nogil=True, cache=True)(function)


def operation(function: Callable[..., Any]) -> Any:
    """An operation for compiled code, given as types -> (signature, code generator)."""
    return intrinsic(function)
