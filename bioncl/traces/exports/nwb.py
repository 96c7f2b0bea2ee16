"""NWB files through pynwb: a units table of all chosen neurons, and the nights as epochs.

Times are in seconds from the start of the run, whose moment is the start of the trace. NWB is made
for animals; what it asks about the subject is filled with what is true of a network, and says so.
Memory: 8 bytes a spike for all layers and 32 more a spike of the largest one.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bioncl.traces import schema
from bioncl.traces.exports.optional import require
from bioncl.traces.exports.selection import Selection, Window, by_neuron

if TYPE_CHECKING:
    from bioncl.traces.hdf5_reader import Trace

_SUBJECT = (
    "An artificial neural network, asleep: a simulation, no animal. Species and sex do not apply; "
    "its age is counted from the start of the run."
)
