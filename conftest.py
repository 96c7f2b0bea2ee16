"""What all tests share: one thread, no display, and marks that skip what cannot run here."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# Before torch or matplotlib are imported: small nets are slower on many threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("MPLBACKEND", "Agg")

# A busy machine may take long for an example; a failure must come back on the next run.
settings.register_profile("bioncl", deadline=None, derandomize=True)
settings.load_profile("bioncl")


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose data or device is not here, and say what is missing."""
    if item.get_closest_marker("full_data") and not os.environ.get("BIONCL_DATA"):
        pytest.skip("needs the full data sets: set BIONCL_DATA to a folder that holds them")
    if item.get_closest_marker("gpu"):
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
