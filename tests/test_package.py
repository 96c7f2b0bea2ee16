"""The package itself: what it offers, and that it is offered only when asked for."""

import subprocess
import sys

import pytest

import bioncl
from bioncl.experiments.run import run
from bioncl.traces.hdf5_reader import open_trace


def test_public_names_are_those_of_their_modules():
    assert bioncl.run is run
    assert bioncl.open_trace is open_trace


def test_public_names_are_listed():
    assert {"run", "open_trace", "__version__"} <= set(dir(bioncl))


def test_a_wrong_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'bioncl' has no attribute 'rum'"):
        _ = bioncl.rum


def test_a_name_is_imported_when_it_is_used():
    code = (
        "import sys, bioncl\n"
        "before = 'h5py' in sys.modules\n"
        "bioncl.open_trace\n"
        "sys.exit(before or 'h5py' not in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
