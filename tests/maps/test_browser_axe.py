"""axe-core finds nothing wrong with the page, in any of its states."""

from pathlib import Path

import pytest

from tests.maps.sample import sample_page

AXE = Path(__file__).parents[2] / "web/node_modules/axe-core/axe.min.js"
WITHOUT_WEBGL2 = """const get = HTMLCanvasElement.prototype.getContext;
  HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
    return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"""


@pytest.fixture
def violations():
    """A function that gives what axe finds on a page, or in a part of it."""
    if not AXE.exists():
        pytest.skip("no axe-core; this brings it: npm ci --prefix web")
    script = AXE.read_text()

    def look(map, where="document"):
        map.evaluate(script)
        found = map.evaluate(f"axe.run({where}, {{resultTypes: ['violations']}})")["violations"]
        return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]

    return look


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_of_a_map_with_all_panels_open(opened, page, violations, scheme):
    with opened(page, color_scheme=scheme) as map:
        map.search("chess")
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.wait_for_selector(".card .near li")
        map.wait_for_selector(".words .chip")
        assert violations(map) == []
        map.choose("score")
        map.click(".over", position={"x": 600, "y": 760})
        for key in "ti?":
            map.focus(".over")
            map.keyboard.press(key)
            map.wait_for_selector("dialog dl, dialog table")
            assert violations(map, "'dialog, .sidebar'") == []
            map.keyboard.press("Escape")
            map.wait_for_selector("dialog", state="detached")


@pytest.mark.parametrize("width", [380, 1200])
def test_of_two_maps(opened, violations, width):
    with opened(sample_page(300, second=True), width=width, color_scheme="dark") as map:
        map.rest()
        assert violations(map) == []


def test_of_rows_laid_over_on_a_narrow_screen_with_the_legend_open(opened, violations):
    with opened(sample_page(300, overlay=20), width=380) as map:
        map.rest()
        map.get_by_label("Colors and filters").click()
        map.click(".level[data-code='1']")
        assert violations(map) == []


def test_of_the_table_without_webgl2(opened, page, violations):
    with opened(page, before=WITHOUT_WEBGL2) as map:
        map.click(".inline-table tbody button")
        map.wait_for_selector(".card .near li")
        assert violations(map) == []
