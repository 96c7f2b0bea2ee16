"""Settings of a night: how long nights are, and that every option comes back from a file."""

from __future__ import annotations

import pytest

from bioncl.errors import SettingsError
from bioncl.experiments.components import Faults, build, table_of
from bioncl.nights.settings import NightSettings
from bioncl.plasticity import Oja, PairSTDP


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


@pytest.mark.parametrize("rule", [Oja(0.02), PairSTDP(0.01, 0.02, 5.0, 7.5)])
def test_options_come_back_from_a_settings_table(rule):
    night = NightSettings(
        rule=rule,
        dc=(0.1, 0.0),
        refractory=3,
        bounds=((-1.0, 0.5), (-2.0, 2.0)),
        normalise="l2",
        downscale=(0.9,),
    )
    faults = Faults()
    assert build(NightSettings, table_of(night), "sleep", faults) == night
    assert not faults.found


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ({"refractory": -1}, "sleep.refractory: expected at least 0, got -1"),
        ({"refractory": 1.5}, "sleep.refractory: expected a whole number, got 1.5"),
        ({"dc": []}, "sleep.dc: expected at least 1 in the list"),
        ({"dc": 0.1}, "sleep.dc: expected a list"),
        ({"bounds": [-1, 1]}, "sleep.bounds[0]: expected a list, got -1"),
        ({"bounds": [[0, 1, 2]]}, "sleep.bounds[0]"),
        ({"normalise": "l3"}, 'sleep.normalise: expected "none", "l1" or "l2"'),
        ({"downscale": [-0.5]}, "sleep.downscale[0]: expected at least 0.0, got -0.5"),
        ({"rule": {"name": "oja"}}, "sleep.rule.rate: missing"),
        ({"rule": {"name": "oja", "rate": -1.0}}, "sleep.rule.rate: expected at least 0"),
        (
            {"rule": {"name": "pair-stdp", "a_plus": 1.0, "a_minus": 1.0, "tau_pre": 0.0}},
            "sleep.rule.tau_pre: expected more than 0",
        ),
    ],
)
def test_wrong_options_are_named(table, fault):
    faults = Faults()
    build(NightSettings, table, "sleep", faults)
    assert any(fault in found for found in faults.found), faults.found


def test_bounds_in_the_wrong_order_are_refused():
    with pytest.raises(SettingsError, match=r"sleep.bounds: expected lower ≤ upper .* got \[1, 0"):
        NightSettings(bounds=((-1, 1), (1, 0)))
