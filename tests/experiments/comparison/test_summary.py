"""What results say together, checked by hand on made-up ones."""

import pytest
from scipy import stats

from bioncl.errors import InputError
from bioncl.experiments.comparison.summary import summarise

LOW = [(0.2, 0.4), (0.3, 0.5), (0.2, 0.6)]
HIGH = [(0.8, 0.8), (0.7, 0.9), (0.6, 0.8)]


def both(*made):
    """Contenders and outcomes of all of them."""
    return [one for one, _ in made], [outcome for _, found in made for outcome in found]


def test_estimates_are_taken_over_seeds(made):
    (problem,) = summarise(*both(made("low", LOW, stored=7))).problems
    (row,) = problem.rows
    assert row.estimates["acc"].values == pytest.approx((0.3, 0.4, 0.4))
    assert row.estimates["worst_task"].mean == pytest.approx((0.2 + 0.3 + 0.2) / 3)
    assert row.estimates["bytes"].mean == 75
    assert row.estimates["seconds"].mean == 3
    assert row.matrix.ravel() == pytest.approx([1.0, 0.0, 0.7 / 3, 1.5 / 3])
    assert (problem.name, problem.scenario, problem.tasks) == ("made-up", "class", ("one", "two"))


def test_differences_are_taken_seed_by_seed(made):
    found = summarise(*both(made("low", LOW), made("high", HIGH, train={"lr": 1.0})))
    (problem,) = found.problems
    (against,) = problem.against
    assert (problem.baseline, against.first, against.second) == ("low", "high", "low")
    assert against.estimate.values == pytest.approx((0.5, 0.4, 0.3))
    assert against.p == pytest.approx(stats.ttest_1samp([0.5, 0.4, 0.3], 0).pvalue)
    (pair,) = problem.pairs
    assert pair.estimate.mean == pytest.approx(-0.4)
    assert found.seeds == (0, 1, 2)


def test_the_baseline_can_be_chosen(made):
    parts = both(made("low", LOW), made("high", HIGH, train={"lr": 1.0}))
    (problem,) = summarise(*parts, baseline="high").problems
    assert [one.first for one in problem.against] == ["low"]
    assert problem.difference("high") is None
    with pytest.raises(InputError, match=r"'hi' is not compared.*Did you mean 'high'"):
        summarise(*parts, baseline="hi")


def test_runs_that_failed_are_left_out_of_both_sides(made):
    """The pair has the seeds that both have; a contender without any result has no numbers."""
    found = summarise(
        *both(
            made("low", [LOW[0], None, LOW[2]]),
            made("high", [None, HIGH[1], HIGH[2]], train={"lr": 1.0}),
            made("none", [None, None, None], train={"lr": 2.0}),
        )
    )
    (problem,) = found.problems
    assert [row.failed for row in problem.rows] == [1, 1, 3]
    assert found.failed == 5
    high, none = problem.against
    assert high.seeds == (2,)
    assert high.p is None
    assert high.estimate.mean == pytest.approx(0.3)
    assert (none.estimate, none.p, none.p_holm) == (None, None, None)
    assert problem.rows[2].estimates == {}
    assert problem.rows[2].matrix is None


def test_only_those_that_learn_the_same_are_compared(made):
    """Holm counts the comparisons of one problem, and streams of one name are told apart."""
    found = summarise(
        *both(
            made("a", LOW),
            made("b", LOW, stream={"classes": [[0, 1], [2, 3]]}),
            made("c", HIGH, train={"lr": 1.0}),
            made("d", HIGH, stream={"classes": [[0, 1], [2, 3]]}, train={"lr": 1.0}),
        )
    )
    first, second = found.problems
    assert [row.label for row in first.rows] == ["a", "c"]
    assert [row.label for row in second.rows] == ["b", "d"]
    assert (first.name, second.name) == ("made-up", "made-up (class)")
    assert first.against[0].p_holm == first.against[0].p


def test_every_problem_has_a_name_of_its_own(made):
    """By the scenario; by a number where that is the same too."""
    streams = ({}, {"scenario": "task"}, {"classes": [[0, 1]]}, {"classes": [[2, 3]]})
    found = summarise(*both(*(made(str(i), LOW, stream=s) for i, s in enumerate(streams))))
    names = [problem.name for problem in found.problems]
    assert len(set(names)) == len(names)


def test_many_comparisons_are_adjusted(made):
    found = summarise(
        *both(*(made(str(i), HIGH if i else LOW, train={"lr": i + 1.0}) for i in range(4)))
    )
    for one in found.problems[0].against:
        assert one.p_holm == pytest.approx(min(1, 3 * one.p))
    assert len(found.problems[0].pairs) == 6
