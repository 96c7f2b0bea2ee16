"""From a name or a table to a loader."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from bioncl.errors import InputError, SettingsError
from bioncl.streams.labelled import LABELLED
from bioncl.streams.labelled.features import Features
from bioncl.streams.labelled.loader import make_loader
from bioncl.streams.labelled.mnist import Mnist


@pytest.mark.parametrize("name", LABELLED.names())
def test_registered_loaders_are_frozen_and_hashable(name):
    """Settings are frozen data, so that a loaded set can be found again."""
    kind = LABELLED.load(name)
    loader = kind(Path("x.npz")) if name == "features" else kind()
    assert dataclasses.is_dataclass(loader)
    assert hash(loader) == hash(dataclasses.replace(loader))


def test_names_and_tables_make_loaders():
    """A bare name is a table with the name alone; lists from TOML become tuples."""
    assert make_loader("mnist") == make_loader({"name": "mnist"}) == Mnist()
    table = {"name": "features", "path": "a.npz", "keys": ["a", "b", "c", "d"]}
    assert make_loader(table) == Features(Path("a.npz"), ("a", "b", "c", "d"))


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("minst", "Did you mean 'mnist'"),
        ({"path": "a.npz"}, "a table with a name"),
        ({"name": "features"}, "'path'.*required"),
        ({"name": "features", "path": "a", "normalize": "max"}, "Did you mean 'normalise'"),
        ({"name": "features", "path": "a", "normalise": "mean"}, "'normalise'.*'mean'"),
        ({"name": "features", "path": 3}, "'path'"),
        ({"name": "features", "path": "a", "keys": ["a"]}, "'keys"),
        ({"name": "mnist", "size": 3}, "Unknown setting 'size'"),
    ],
)
def test_wrong_choices_are_refused_by_name(choice, told):
    """Each message names the setting, and the way out where there is one."""
    with pytest.raises(InputError, match=told) as caught:
        make_loader(choice)
    assert isinstance(caught.value, SettingsError) or choice == "minst"
