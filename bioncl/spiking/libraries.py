"""Other people's spiking libraries: installed by the extra `snn`, imported when used."""

from __future__ import annotations

import warnings
from typing import Any

from bioncl.traces.exports.optional import require

EXTRA = "snn"


def library(module: str) -> Any:
    """Import and return `module`: snntorch, norse.torch, nir, or a module of theirs.

    What they do that is deprecated (norse 1.1.0 compiles with torch.jit) is theirs to mend, so its
    warnings end here.

    Raises:
        UnsupportedError: It is not installed, or cannot be imported; says how to install it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return require(module, EXTRA)
