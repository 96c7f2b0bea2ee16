"""The page about a comparison: what it tells, its numbers, its safety."""

import base64
import hashlib
import re

import pytest

from bioncl.experiments.comparison.summary import summarise
from bioncl.report.comparison_page.figures import budget_scale
from bioncl.report.comparison_page.marks import COLOURS, classes
from bioncl.report.comparison_page.page import comparison_page

SECTIONS = [
    "Results",
    "Accuracy against cost",
    "Forgetting",
    "Accuracy on each task after each task",
    "What each method can reach",
    "What differs between the settings",
    "How to repeat it",
    "Environment",
]


@pytest.fixture(scope="module")
def page(comparison_text, parsed):
    return parsed(comparison_text)


def test_everything_that_a_reader_needs_is_there_in_order(page):
    assert [text for text in page.texts if text in SECTIONS] == SECTIONS


def test_figures_are_there(page, hostile):
    titles = [found["aria-label"] for found in page.all("svg")]
    assert titles == [
        "accuracy over stored examples (dashed: without sleep)",
        "accuracy against stored examples",
        "accuracy against bytes carried along",
        "accuracy against training steps",
        "accuracy against seconds of learning",
        "mean accuracy on the tasks seen so far",
        "accuracy on the first task",
        *["nothing", "small", "large", hostile],
    ]


def test_the_table_tells_means_spread_and_differences(page):
    """By hand: 60 % and 40 % rising by 2 points a seed are 52 ± 2; 30 more than 20 + 2 are 32."""
    assert "52.0 ± 2.0" in page.texts
    assert "+30.0" in page.texts
    assert "< 0.0001" in page.texts  # every seed differs by the same


def test_commands_and_environment_are_told(page):
    assert "bioncl run small.toml --seed SEED" in page.texts
    assert "2.9" in page.texts
    assert "1-abc" in page.texts


def test_failed_runs_are_told_with_their_reason(page, hostile):
    assert "3 runs failed; what follows is about the others." in page.texts
    assert page.texts.count(f"{hostile} broke") == 3


def test_only_settings_that_differ_are_told(page):
    assert "methods.0.memory" in page.texts
    assert "train.lr" not in page.texts


def test_methods_with_several_settings_are_judged_by_their_best(page):
    """By hand: the best mean is that of 5,000 examples, 85, 87 and 89 %."""
    assert "87.0 ± 2.0" in page.texts


def test_numbers_of_the_page_are_those_of_the_runs(page, comparison):
    numbers = page.numbers
    assert len(numbers["runs"]) == 15
    (large,) = [one for one in numbers["summary"] if one["settings"] == "large"]
    assert large["acc_mean"] == pytest.approx(0.87)
    assert large["stored_examples_mean"] == 5000
    assert numbers["matrices"]["small"]["1"] == [[1.0, 0.0], [0.42, 0.62]]
    assert numbers["runs"][-1]["acc"] is None
    assert len(numbers["pairs"]["split-made-up"]) == 10


def test_cells_can_be_sorted_by_their_numbers(page):
    """The column of accuracies holds the means; one that is not known holds nothing."""
    cells = page.all("td")
    found = [cell["data-value"] for cell in cells if "data-value" in cell][0::15]
    assert [float(value) if value else None for value in found[:5]] == [
        pytest.approx(value) if value else None for value in (0.22, 0.52, 0.87, 0.57, None)
    ]


def test_no_text_of_a_file_is_markup(page, comparison_text, hostile):
    assert len(page.all("script")) == 2
    assert not [found for _, found in page.tags if any(name.startswith("on") for name in found)]
    assert hostile in page.texts
    assert "<script>window" not in comparison_text
    assert "<img" not in comparison_text


def test_nothing_leads_outside(page, comparison_text):
    for _, found in page.tags:
        for name in ("src", "href", "action", "data", "xlink:href", "srcset", "poster"):
            assert found.get(name, "data:").startswith("data:")
    assert not re.findall(r"https?:|@import|url\(|//[a-z]+\.", comparison_text.split("<body>")[0])
    (policy,) = [found["content"] for found in page.all("meta") if "http-equiv" in found]
    hashed = base64.b64encode(hashlib.sha256(page.scripts[""].encode()).digest()).decode()
    assert f"script-src 'sha256-{hashed}'" in policy
    assert "default-src 'none'" in policy


def test_a_page_about_nothing_but_failures_says_so(comparison, parsed):
    row = comparison.rows[-1]
    text = comparison_page(summarise([row.contender], row.outcomes), "broken")
    assert "No run of this problem was completed." in parsed(text).texts


def test_a_page_about_one_contender(comparison, parsed):
    row = comparison.rows[0]
    page = parsed(comparison_page(summarise([row.contender], row.outcomes), "alone"))
    assert "Every pair" not in page.texts
    assert "What differs between the settings" not in page.texts


def test_many_things_have_marks_of_their_own():
    assert len(set(classes(4 * len(COLOURS)))) == 4 * len(COLOURS)


@pytest.mark.parametrize(
    ("costs", "logarithmic", "ticks"),
    [
        ([0, 0], False, ["0.0", "1.0"]),
        ([0, 10, 5000], True, ["0", "10", "100", "1k"]),
        ([100, 110], False, None),
        ([0.02, 30], True, ["0.1", "1", "10"]),
    ],
)
def test_costs_that_differ_by_much_are_shown_logarithmically(costs, logarithmic, ticks):
    scale = budget_scale(costs, "cost")
    assert scale.logarithmic == logarithmic
    places = scale.place([max(cost, scale.low) for cost in costs])
    assert ((places >= 0) & (places <= 1)).all()
    if ticks is not None:
        assert set(ticks) <= {text for _, text in scale.ticks}
