"""xarray datasets of a trace, and netCDF files of them.

All chosen neurons stand along one dimension `unit`, with coordinates `layer` and `neuron`, so that
`dataset.groupby("layer")` and `dataset.where(dataset.layer == "hidden1", drop=True)` part them.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bioncl.errors import InputError, describe
from bioncl.traces import schema
from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import EVERYTHING, Selection, Window

if TYPE_CHECKING:
    import xarray

    from bioncl.traces.hdf5_reader import Trace

BIN_STEPS = 100
