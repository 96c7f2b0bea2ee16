"""Which training leaves projected gradients projected."""

from __future__ import annotations

import pytest

from bioncl.errors import UnsupportedError
from bioncl.learning.plain_sgd import demand_plain_sgd
from bioncl.learning.training import Training


@pytest.mark.parametrize(
    "training",
    [Training(), Training(momentum=0.9), Training(keep_optimizer=True, lr_decay=0.5)],
)
def test_sgd_suits(training):
    demand_plain_sgd(training, "ogd")


@pytest.mark.parametrize(
    ("training", "match"),
    [
        (Training(optimizer="adam"), "adam"),
        (Training(weight_decay=1e-4), "weight_decay"),
        (Training(momentum=0.9, keep_optimizer=True), "keep_optimizer"),
    ],
)
def test_what_brings_other_directions_in_is_named(training, match):
    with pytest.raises(UnsupportedError, match=match):
        demand_plain_sgd(training, "ogd")
