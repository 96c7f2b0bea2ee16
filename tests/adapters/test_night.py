"""What both adapters share, and what happens without their frameworks."""

from __future__ import annotations

import importlib
import sys

import pytest
import torch

from bioncl.adapters.night import night_seed, pair_of
from bioncl.errors import UnsupportedError


def test_each_night_has_its_own_seed():
    seeds = [night_seed(seed, number) for seed in (0, 1) for number in range(50)]
    assert len(set(seeds)) == 100
    assert night_seed(3, 4) == night_seed(3, 4)


def test_batches_of_all_kinds():
    x, y = torch.zeros(2, 3), torch.ones(2)
    assert pair_of((x, y)) == (x, y)
    assert pair_of([x, y, "task"]) == (x, y)
    assert pair_of([x, "name"]) == (x, None)
    assert pair_of(x)[1] is None


@pytest.mark.parametrize(
    ("name", "module"), [("avalanche", "avalanche.core"), ("lightning", "lightning.pytorch")]
)
def test_an_absent_framework_is_named_with_its_extra(monkeypatch, name, module):
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delitem(sys.modules, f"bioncl.adapters.{name}", raising=False)
    with pytest.raises(UnsupportedError, match=rf"bioncl\[{name}\]"):
        importlib.import_module(f"bioncl.adapters.{name}")
