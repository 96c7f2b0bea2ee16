"""Which contenders make a curve over stored examples, and which a family."""

import pytest

from bioncl.experiments.comparison.series import curves, families, grouped
from bioncl.experiments.comparison.summary import summarise


@pytest.fixture
def rows(made):
    """Rows of two problems' worth of contenders, three seeds each."""

    def make(*parts):
        contenders = [one for one, _ in parts]
        return summarise(contenders, [o for _, found in parts for o in found]).problems[0].rows

    return make


def rehearsal(made, memory, acc, *more):
    """A contender that stores `memory` examples."""
    methods = [{"name": "rehearsal", "memory": memory}, *({"name": name} for name in more)]
    label = "+".join(["rehearsal", *more, str(memory)])
    tables = {"sleep": {"steps": 5}} if "src" in more else {}
    return made(label, [(acc, acc)] * 3, "x", methods=methods, stored=memory, **tables)


def names(series):
    """Names of series with the labels of their rows."""
    return {one.name: [row.label for row in one.rows] for one in series}


def test_curves_rise_over_stored_examples_from_what_stores_nothing(made, rows):
    found = rows(
        made("nothing", [(0.1, 0.3)] * 3, "naive"),
        rehearsal(made, 50, 0.6),
        rehearsal(made, 10, 0.4),
        made("asleep", [(0.4, 0.4)] * 3, "src"),
        rehearsal(made, 10, 0.5, "src"),
        rehearsal(made, 50, 0.7, "src"),
        made("slow", [(0.2, 0.2)] * 3, "ewc"),
    )
    assert names(curves(found)) == {
        "naive": ["nothing"],
        "rehearsal": ["nothing", "rehearsal+10", "rehearsal+50"],
        "src": ["asleep"],
        "rehearsal + src": ["asleep", "rehearsal+src+10", "rehearsal+src+50"],
        "ewc": ["slow"],
    }
    assert [one.sleeps for one in curves(found)] == [False, False, True, True, False]


def test_one_point_makes_no_curve(made, rows):
    found = rows(made("nothing", [(0.1, 0.3)] * 3, "naive"), rehearsal(made, 50, 0.6))
    assert names(curves(found))["rehearsal"] == ["rehearsal+50"]


def test_other_training_is_another_series(made, rows):
    parts = [
        made(f"{memory} {lr}", [(0.5, 0.5)], methods=[{"name": "gem", "memory": memory}],
             stored=memory, train={"lr": lr})
        for lr in (0.1, 0.2)
        for memory in (10, 20)
    ]  # fmt: skip
    assert names(grouped(rows(*parts))) == {
        "gem (10 0.1)": ["10 0.1", "20 0.1"],
        "gem (10 0.2)": ["10 0.2", "20 0.2"],
    }


def test_families_take_the_best_of_their_settings_seed_by_seed(made, rows):
    """By hand; contenders without a second setting are no family."""
    found = rows(
        made("weak", [(0.5, 0.9), (0.75, 0.75)], methods=[{"name": "ewc", "strength": 1.0}]),
        made("strong", [(0.8, 0.8), (0.2, 0.7)], methods=[{"name": "ewc", "strength": 2.0}]),
        made("alone", [(0.9, 0.9), (0.9, 0.9)], "naive"),
    )
    (family,) = families(found, target=0.85)
    assert family.name == "ewc"
    assert family.seeds == (0, 1)
    assert family.measures.best_average == pytest.approx([0.8, 0.75])
    assert family.measures.source_at_target == [pytest.approx(0.65), None]


def test_failed_contenders_are_on_no_curve(made, rows):
    found = rows(made("broken", [None, None], "naive"), made("good", [(1.0, 1.0)] * 2, "ewc"))
    assert names(curves(found)) == {"ewc": ["good"]}
