"""How long the nights are."""

from __future__ import annotations

import pytest

from bioncl.errors import SettingsError
from bioncl.nights.settings import NightSettings


def lengths(count=4, **settings):
    return [NightSettings(**settings).steps_of(task) for task in range(count)]


def test_published_nights_grow_by_5000_steps():
    """15,000 + 5,000 (k − 1) after task k: 125,000 steps over five tasks of MNIST."""
    found = lengths(5, steps=15_000, steps_added=5_000)
    assert found == [15_000, 20_000, 25_000, 30_000, 35_000]
    assert sum(found) == 125_000


def test_one_length_a_task():
    assert lengths(3, steps=(7, 0, 9)) == [7, 0, 9]
    assert lengths(3, steps=(7, 0, 9), steps_added=100) == [7, 0, 9]


def test_a_task_without_a_length_is_an_error():
    with pytest.raises(SettingsError, match="number for task 3"):
        lengths(3, steps=(7, 8))


def test_eight_bits_cut_a_night_at_255_steps():
    """As uint8 saturates in the published cross-modal script; shorter nights stay."""
    assert lengths(2, steps=(255, 48_000), published_step_bug=True) == [255, 255]
    assert lengths(2, steps=200, steps_added=100, published_step_bug=True) == [200, 255]
