"""Intervals and tests, against SciPy, a published example and what must hold."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from bioncl.experiments.comparison.statistics import estimate, holm, interval, paired_p

VALUES = [0.61, 0.58, 0.66, 0.49, 0.70, 0.63, 0.55]
P = st.floats(0, 1)


def test_the_interval_is_scipys_percentile_bootstrap():
    """Both draw 9,999 resamples of their own, so ends agree to a few of their standard errors."""
    found = interval(VALUES)
    theirs = stats.bootstrap((VALUES,), np.mean, method="percentile").confidence_interval
    assert found == pytest.approx((theirs.low, theirs.high), abs=0.004)
    assert interval(VALUES) == found


def test_estimates_are_mean_and_standard_deviation():
    found = estimate(VALUES)
    assert found.mean == pytest.approx(np.mean(VALUES))
    assert found.std == pytest.approx(np.std(VALUES, ddof=1))
    assert found.low < found.mean < found.high
    assert found.values == tuple(VALUES)


def test_one_value_has_no_spread():
    found = estimate([0.5])
    assert (found.mean, found.std, found.low, found.high) == (0.5, None, None, None)


def test_p_is_that_of_scipys_paired_t_test():
    others = [0.57, 0.60, 0.59, 0.44, 0.69, 0.52, 0.51]
    differences = np.subtract(VALUES, others)
    assert paired_p(differences) == pytest.approx(stats.ttest_rel(VALUES, others).pvalue)


@pytest.mark.parametrize(
    ("differences", "p"), [([], None), ([0.3], None), ([0.0, 0.0], 1.0), ([0.25, 0.25], 0.0)]
)
def test_p_without_spread(differences, p):
    assert paired_p(differences) == p


def test_holm_as_in_the_textbook():
    """Of four p values 0.01, 0.04, 0.03, 0.005 (Wikipedia's example): 0.03, 0.06, 0.06, 0.02."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])


def test_holm_passes_over_what_was_not_tested():
    assert holm([0.02, None, 0.04]) == [pytest.approx(0.04), None, pytest.approx(0.04)]
    assert holm([]) == []


@given(st.lists(P, min_size=1, max_size=8))
def test_holm_keeps_order_and_lies_between_p_and_bonferroni(values):
    found = holm(values)
    for (p, adjusted), (q, other) in zip(
        sorted(zip(values, found, strict=True)),
        sorted(zip(values, found, strict=True))[1:],
        strict=False,
    ):
        assert p <= q
        assert adjusted <= other
    for p, adjusted in zip(values, found, strict=True):
        assert p <= adjusted <= min(1.0, len(values) * p)
