"""The page in headless Chromium: every control is used, and nothing goes wrong or outside.

A copy of the page gets a script in front that notes errors and refused requests, uses the controls
when the page has loaded, and writes what it found into the document, which Chromium prints.
"""

import re

import pytest

HOOK = """
const rest = () => new Promise((done) => setTimeout(done, 80));
const visible = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.clientWidth);
function ink(canvas) {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  const pen = copy.getContext("2d", { willReadFrequently: true });
  pen.drawImage(canvas, 0, 0);
  const pixels = pen.getImageData(0, 0, copy.width, copy.height).data;
  return pixels.filter((value, i) => i % 4 === 3 && value).length;
}
const where = (canvas) => canvas.parentNode.querySelector(".where").textContent;
function point(canvas, type, x, y) {
  const box = canvas.getBoundingClientRect();
  canvas.dispatchEvent(new PointerEvent(type, { bubbles: true, pointerId: 1, isPrimary: true,
    clientX: box.left + x * box.width, clientY: box.top + y * box.height }));
}
async function use(canvas) {
  const told = [where(canvas)];
  for (const button of canvas.parentNode.querySelectorAll("button")) {
    button.click();
    told.push(where(canvas));
  }
  canvas.dispatchEvent(new MouseEvent("dblclick"));
  canvas.setPointerCapture = () => {};
  point(canvas, "pointerdown", 0.3, 0.4);
  point(canvas, "pointermove", 0.6, 0.4);
  point(canvas, "pointerup", 0.6, 0.4);
  told.push(where(canvas));
  for (const key of ["+", "-", "ArrowLeft", "ArrowDown", "0"]) {
    canvas.dispatchEvent(new KeyboardEvent("keydown", { key }));
  }
  canvas.dispatchEvent(new WheelEvent("wheel", { ctrlKey: true, deltaY: -1, cancelable: true }));
  point(canvas, "pointermove", 0.5, 0.5);
  told.push(where(canvas));
  return told;
}
async function everything() {
  const found = { shown: [], canvases: [], told: [] };
  await rest();
  for (const menu of document.querySelectorAll("select")) {
    for (const option of menu.options) {
      menu.value = option.value;
      menu.dispatchEvent(new Event("change", { bubbles: true }));
      await rest();
      found.shown.push([menu.dataset.menuOf, option.value,
        visible("[data-menu]").map((e) => e.dataset.menu + " " + e.dataset.choice)]);
      found.canvases.push(visible("canvas").map(ink));
    }
  }
  for (const canvas of visible("canvas")) found.told.push(await use(canvas));
  document.querySelectorAll("details").forEach((e) => { e.open = true; });
  found.svgs = visible("svg.panel").length;
  found.wide = document.documentElement.scrollWidth;
  found.loaded = performance.getEntriesByType("resource").map((e) => e.name)
    .filter((name) => !name.startsWith("data:"));
  found.hacked = String(window.hacked);
  found.noted = noted;
  return found;
}
addEventListener("load", async () => {
  const result = document.createElement("output");
  result.id = "result";
  const found = await everything().catch((error) => ({ noted: [String(error)] }));
  result.textContent = JSON.stringify(found);
  document.body.append(result);
});
"""


@pytest.fixture(scope="module")
def found(chromium, hostile_page, tmp_path_factory):
    folder = tmp_path_factory.mktemp("chromium")
    return chromium(hostile_page, HOOK, folder, "--window-size=900,900")


def test_nothing_goes_wrong_and_nothing_leaves_the_page(found):
    """No error, no refused request, no file but the page, no script from a hostile name."""
    result, log = found
    assert result["noted"] == []
    assert result["loaded"] == []
    assert result["hacked"] == "undefined"
    assert "CONSOLE" not in log


def test_menus_show_what_is_picked(found):
    result, _ = found
    layers = {"layer <img src=x onerror='window.hacked = 3'>", "layer output"}
    for menu, choice, shown in result["shown"]:
        nights = {name for name in shown if name.startswith("night")}
        assert len(nights) == 1
        if menu == "night":
            assert nights == {f"night {choice}"}
        elif choice:
            assert set(shown) - nights == {f"layer {choice}"}
        else:
            assert set(shown) - nights == layers
    assert len(result["shown"]) == 2 + 3


def test_rasters_are_drawn_and_follow_their_controls(found):
    """Each has ink; zooming in tells fewer steps, a drag of the width tells its part of them."""
    result, _ = found
    assert [len(inks) for inks in result["canvases"]] == [2, 2, 2, 2, 3]
    assert all(ink > 1000 for inks in result["canvases"] for ink in inks)
    for told in result["told"]:
        assert told[0].startswith("steps 0 to 399, ")
        assert told[1].startswith("steps 100 to 299, ")
        assert told[-3].startswith("steps 0 to 399, ")
        first, last = map(int, re.match(r"steps (\d+) to (\d+),", told[-2]).groups())
        assert 80 < first < 130
        assert 210 < last < 250
        assert "at step" in told[-1]


def test_panels_fit_the_window(found):
    result, _ = found
    assert result["svgs"] > 20
    assert result["wide"] <= 900


@pytest.mark.slow
def test_a_request_would_be_refused_and_seen(chromium, hostile_page, tmp_path):
    """The watch is awake: a picture from elsewhere, a script in the text and a fetch are noted."""
    more = '<img src="http://127.0.0.1:9/x.png"><script>window.hacked = 9</script>'
    result, _ = chromium(hostile_page, HOOK, tmp_path, more=more)
    assert "refused: http://127.0.0.1:9/x.png" in result["noted"]
    assert "refused: inline" in result["noted"]
    assert result["hacked"] == "undefined"
