"""The page in headless Chromium: heads of columns are clicked, and nothing goes wrong or outside.

A copy of the page gets a script in front, allowed by its policy, that notes errors and refused
requests, clicks, and writes what it found into the document, which Chromium prints.
"""

import pytest

HOOK = """
function order(table) {
  return [...table.tBodies[0].rows].map((row) => row.cells[0].textContent.trim());
}
function clicked(table, column) {
  const head = table.tHead.rows[0].cells[column];
  head.querySelector("button").click();
  const sorted = [...table.tHead.rows[0].cells].filter((cell) => cell.hasAttribute("aria-sort"));
  return [head.getAttribute("aria-sort"), order(table), sorted.length];
}
addEventListener("load", () => {
  const found = { clicks: [], tables: document.querySelectorAll("table.sortable").length };
  document.querySelectorAll("details").forEach((e) => { e.open = true; });
  const table = document.querySelector("table.sortable");
  found.first = order(table);
  for (const column of [1, 1, 0, 0, 5, 12]) found.clicks.push(clicked(table, column));
  found.panels = [...document.querySelectorAll("svg.panel")].filter((e) => e.clientWidth).length;
  found.wide = document.documentElement.scrollWidth;
  found.window = window.innerWidth;
  found.page = getComputedStyle(document.body).backgroundColor;
  found.mark = getComputedStyle(document.querySelector("svg .mark")).fill;
  found.loaded = performance.getEntriesByType("resource").map((e) => e.name)
    .filter((name) => !name.startsWith("data:"));
  found.hacked = String(window.hacked);
  found.noted = noted;
  const result = document.createElement("output");
  result.id = "result";
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});
"""


@pytest.fixture(scope="module")
def found(chromium, comparison_text, tmp_path_factory):
    folder = tmp_path_factory.mktemp("light")
    return chromium(comparison_text, HOOK, folder, "--window-size=1200,900")


@pytest.fixture(scope="module")
def phone(chromium, comparison_text, tmp_path_factory):
    """A narrow window, and a reader who likes it dark."""
    flags = ("--window-size=420,800", "--blink-settings=preferredColorScheme=0")
    return chromium(comparison_text, HOOK, tmp_path_factory.mktemp("dark"), *flags)


def test_a_click_on_a_head_sorts_and_a_second_one_turns(found, hostile):
    """Numbers largest first, names from a to z, what is not known last; one head is marked."""
    result, _ = found
    assert result["first"] == ["nothing", "small", "large", hostile, "broken"]
    falling = ["large", hostile, "small", "nothing", "broken"]
    rising = [*falling[3::-1], "broken"]
    names = [hostile, "broken", "large", "nothing", "small"]
    accuracy, turned, by_name, back, p, _ = result["clicks"]
    assert accuracy == ["descending", falling, 1]
    assert turned == ["ascending", rising, 1]
    assert by_name == ["ascending", names, 1]
    assert back == ["descending", names[::-1], 1]
    assert p[1][3:] == ["nothing", "broken"] or p[1][3:] == ["broken", "nothing"]


def test_a_column_of_costs_sorts_by_its_numbers(found, hostile):
    """Bytes: 4,000,000, then 8,000, then those with none in the order they had."""
    column = found[0]["clicks"][-1]
    assert column[0] == "descending"
    assert column[1][:2] == ["large", "small"]
    assert column[1][-1] == "broken"


@pytest.mark.parametrize("window", ["found", "phone"])
def test_nothing_goes_wrong_and_nothing_leaves_the_page(window, request):
    """No error, no refused request, no file but the page, no script from a hostile name."""
    result, log = request.getfixturevalue(window)
    assert result["noted"] == []
    assert result["loaded"] == []
    assert result["hacked"] == "undefined"
    assert "CONSOLE" not in log
    assert result["panels"] == 11
    assert result["tables"] == 3


def test_the_page_fits_a_phone(phone):
    """Wide tables scroll inside of their boxes."""
    result, _ = phone
    assert result["window"] <= 500
    assert result["wide"] <= result["window"]


def test_it_follows_light_and_dark(found, phone):
    light, dark = found[0], phone[0]
    assert light["page"] == "rgb(255, 255, 255)"
    assert dark["page"] == "rgb(21, 24, 29)"
    assert light["mark"] != dark["mark"]
