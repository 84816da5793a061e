"""The map page in a real browser, opened from a file with the network cut."""

import csv
import io
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.maps.sample import AWKWARD, sample_page
from veclab.maps import pack
from veclab.maps.page import Layer, Page

N = 3000
WEB = Path(__file__).parents[2] / "web"


@pytest.fixture(scope="module")
def page():
    return sample_page(N)


@pytest.fixture(scope="module")
def order(page):
    """The page's row i is row order[i] of the file."""
    return pack.hilbert_order(pack.fixed_point(page.layers[0].xy)[0])


def row_of(order, file_row: int) -> int:
    return int(np.flatnonzero(order == file_row)[0])


def says(map, text: str) -> None:
    """Wait for a text anywhere on the page."""
    map.get_by_text(text, exact=True).first.wait_for()


def search(map, query: str) -> None:
    map.fill("#search", query)


def choose(map, column: str) -> None:
    map.select_option("#color-by", label=column)


def hexes(drawn) -> set[str]:
    return {"#" + "".join(f"{int(part):02x}" for part in color.split(",")) for color in drawn}


def colorful(drawn) -> int:
    """How many pixels are not gray."""
    parts = {color: [int(part) for part in color.split(",")] for color in drawn}
    return sum(n for color, n in drawn.items() if max(parts[color]) - min(parts[color]) > 40)


def test_points_are_on_the_canvas_each_in_the_color_of_its_category(opened, page):
    with opened(page) as map:
        drawn = map.drawn()
        assert sum(drawn.values()) > 2000
        swatches = map.eval_on_selector_all(
            ".level .swatch", "all => all.map((one) => getComputedStyle(one).backgroundColor)"
        )
        assert len(swatches) == 11  # ten sections, and missing
        for color in swatches[:10]:
            wanted = [int(part) for part in re.findall(r"\d+", color)]
            # Points are a little transparent over nothing; their color is all the same theirs.
            near = [
                count
                for found, count in drawn.items()
                if max(abs(int(a) - b) for a, b in zip(found.split(","), wanted, strict=True)) < 9
            ]
            assert sum(near) > 20, color


def test_search_finds_what_python_finds_and_lights_it(opened, page):
    has = [t for t in page.texts if t and "chess" in t.lower() and "font" in t.lower()]
    with opened(page) as map:
        search(map, "FONT chess")
        says(map, f"{len(has)} texts found")
        says(map, f"{len(has)} texts")  # the panel's title
        assert colorful(map.drawn()) > 100
        search(map, '"chess font"')
        phrase = [t for t in page.texts if t and "chess font" in t.lower()]
        says(map, f"{len(phrase)} texts found")
        search(map, "no such thing")
        says(map, "Nothing found")
        assert colorful(map.drawn()) == 0  # all has faded to gray
        search(map, "")
        map.wait_for_selector(".set", state="hidden")


@pytest.mark.parametrize("query", ["日本語", "🎉", "שלום", "</SCRIPT><IMG", "\x00 a nul", "ID-57"])
def test_search_takes_any_script_and_whole_ids(opened, page, query):
    with opened(page) as map:
        search(map, query)
        says(map, "1 text found")


def test_texts_are_texts(opened, page, order):
    with opened(page) as map:
        for i, text in enumerate(AWKWARD):
            if not text:
                continue
            map.evaluate("row => document.getElementById('app').app.pick(row)", row_of(order, i))
            map.get_by_role("heading", name=f"id-{i}", exact=True).wait_for()
            shown = map.text_content(".card .text")
            assert shown == text.replace("\x00", "␀")[: pack.MOST_CHARACTERS]
        map.keyboard.press("t")
        map.wait_for_selector("dialog table")
        assert map.evaluate("window.hurt") is None
        assert map.query_selector("#app img") is None


def test_the_legend_hides_isolates_and_shows_all(opened, page):
    counts = np.bincount(page.columns[0].values)
    with opened(page) as map:
        before = sum(map.drawn().values())
        map.click(".level[data-code='1']")
        says(map, f"{N - counts[1]:,} of {N:,} shown, filtered by section")
        assert map.get_attribute(".level[data-code='1']", "aria-pressed") == "false"
        assert sum(map.drawn().values()) < before
        map.click(".level[data-code='2']", modifiers=["Alt"])
        says(map, f"{counts[2]:,} of {N:,} shown, filtered by section")
        map.click(".level[data-code='2']", modifiers=["Alt"])  # once more: all again
        map.wait_for_selector(".filter-note", state="hidden")
        map.hover(".levels li:nth-child(3)")
        map.click(".levels li:nth-child(3) .only")
        says(map, f"{counts[3]:,} of {N:,} shown, filtered by section")
        map.get_by_text("Show all", exact=True).click()
        assert sum(map.drawn().values()) == before


def test_numbers_are_brushed_on_their_histogram(opened, page):
    score = page.columns[2].values
    with opened(page) as map:
        choose(map, "score")
        says(map, f"{int(np.isnan(score).sum())} rows without a value, in gray")
        box = map.locator(".histogram canvas").bounding_box()
        y = box["y"] + 40
        map.mouse.move(box["x"] + box["width"] / 2, y)
        map.mouse.down()
        map.mouse.move(box["x"] + box["width"] + 30, y, steps=4)
        map.mouse.up()
        map.wait_for_selector(".filter-note:has-text('filtered by score')")
        low, high = map.evaluate("document.getElementById('app').app.state.range.get('c2')")
        assert low == pytest.approx((np.nanmin(score) + np.nanmax(score)) / 2, abs=0.1)
        shown = int(((score >= low) & (score <= high)).sum())
        says(map, f"{shown:,} of {N:,} shown, filtered by score")
        map.focus("[aria-label='At least score']")  # and by the keyboard
        for _ in range(3):
            map.keyboard.press("PageUp")
        map.locator(f".filter-note:not(:has-text('{shown:,} of'))").wait_for()


def test_hover_tells_text_and_columns(opened, page, order):
    row = row_of(order, 57)
    with opened(page) as map:
        map.evaluate(
            """row => { const {stage} = document.getElementById('app'), pane = stage.panes[0];
            stage.setView([pane.x[row], pane.y[row], 3000]); }""",
            row,
        )
        x, y = map.where(row)
        map.mouse.move(x + 2, y + 2)
        map.wait_for_selector(".tooltip:not([hidden])")
        tip = map.inner_text(".tooltip")
        assert page.texts[57] in tip
        assert "section" in tip and "year" in tip and str(1990 + 57 % 35) in tip
        map.mouse.move(x + 200, y + 200)
        map.wait_for_selector(".tooltip", state="hidden")


def test_a_click_shows_the_true_nearest_neighbors_and_their_similarity(opened, page, order):
    file_row = 1234
    layer = page.layers[0]
    row = row_of(order, file_row)
    with opened(page) as map:
        map.evaluate(
            """row => { const {stage} = document.getElementById('app'), pane = stage.panes[0];
            stage.setView([pane.x[row], pane.y[row], 3000]); }""",
            row,
        )
        map.mouse.click(*map.where(row))
        map.wait_for_selector(".card .near li")
        assert map.inner_text(".card h2") == f"id-{file_row}"
        found = map.eval_on_selector_all(
            ".card .near .similarity", "all => all.map((one) => Number(one.textContent))"
        )
        assert found == pytest.approx(layer.scores[file_row], abs=0.003)
        rows = map.evaluate("document.getElementById('app').app.neighbors.rows")
        assert order[rows].tolist() == layer.positions[file_row].tolist()
        map.click(".card .near li:nth-child(2) button")  # go on to a neighbor
        map.get_by_role("heading", name=f"id-{layer.positions[file_row][1]}", exact=True).wait_for()


@pytest.mark.parametrize("tool", ["Select by box (B)", "Select by lasso (L)"])
def test_what_is_drawn_around_is_selected(opened, page, order, tool):
    with opened(page) as map:
        map.get_by_label(tool).click()
        corners = [(340, 400), (700, 400), (700, 760), (340, 760)]
        if "box" in tool:
            corners = [corners[0], corners[2]]
        map.mouse.move(*corners[0])
        map.mouse.down()
        for x, y in corners[1:]:
            map.mouse.move(x, y, steps=6)
        map.mouse.up()
        where = map.evaluate(
            """() => { const pane = document.getElementById('app').stage.panes[0];
            return Array.from(pane.x, (_, row) => pane.screen(row)); }"""
        )
        xy = np.array(where)
        inside = (xy[:, 0] > 340) & (xy[:, 0] < 700) & (xy[:, 1] > 400) & (xy[:, 1] < 760)
        assert inside.sum() > 50
        map.get_by_role("heading", name=f"{inside.sum():,} texts", exact=True).wait_for()
        map.wait_for_selector(".words .chip")
        with map.expect_download() as download:
            map.get_by_role("button", name="CSV", exact=True).click()
        text = Path(download.value.path()).read_text(encoding="utf-8-sig")
        table = list(csv.DictReader(io.StringIO(text, newline="")))
        rows = order[np.flatnonzero(inside)]
        assert [int(line["row"]) for line in table] == rows.tolist()
        assert [line["section"] for line in table] == [
            page.columns[0].levels[code - 1] if (code := page.columns[0].values[row]) else ""
            for row in rows
        ]
        with map.expect_download() as download:
            map.get_by_role("button", name="IDs", exact=True).click()
        ids = Path(download.value.path()).read_text().split("\n")[:-1]
        assert ids == [f"id-{row}" for row in rows]


def test_the_address_brings_back_view_color_filter_search_selection_and_point(opened, page):
    with opened(page) as map:
        choose(map, "region")
        map.click(".level[data-code='3']")
        search(map, "music")
        map.evaluate(
            """() => { const {app, stage} = document.getElementById('app');
            stage.setView([2 ** 31, 2 ** 31, 1.5]); app.moved();
            app.select({map: 'a', corners: [[0, 0], [4e9, 0], [4e9, 4e9], [0, 3e9]]});
            return app.pick(7); }"""
        )
        map.wait_for_selector(".card .near li")
        title = map.inner_text(".set h2")
        note = map.inner_text(".filter-note span")
        map.wait_for_url(re.compile(r"#.*p=7"))
        address = map.url
    with opened(page, "#" + address.split("#")[1]) as map:
        map.get_by_role("heading", name=title, exact=True).wait_for()
        map.wait_for_selector(".card .near li")
        assert map.inner_text(".filter-note span") == note
        assert map.input_value("#search") == "music"
        assert map.locator("#color-by option:checked").inner_text() == "region"
        assert map.evaluate("document.getElementById('app').stage.view()") == [2**31, 2**31, 1.5]


@pytest.mark.parametrize(
    "hash", ["#v=x_y_z&c=c99&h.c0=a&r.c2=1&s=a_1&p=9999999&t=pink", "#%E0%A4%A", "#c=c5"]
)
def test_an_address_that_makes_no_sense_is_left_aside(opened, page, hash):
    with opened(page, hash) as map:
        assert sum(map.drawn().values()) > 2000


def test_the_keyboard_does_it_all(opened, page):
    with opened(page) as map:
        view = "document.getElementById('app').stage.panes[0].view"
        map.keyboard.press("+")
        assert map.evaluate(f"{view}.zoom") == pytest.approx(1.5)
        x = map.evaluate(f"{view}.x")
        map.keyboard.press("ArrowRight")
        assert map.evaluate(f"{view}.x") > x
        map.keyboard.press("0")
        assert map.evaluate(f"{view}.zoom") == 1
        map.keyboard.press("/")
        map.keyboard.type("chess")
        map.wait_for_selector(".set h2")
        map.keyboard.press("Escape")
        map.wait_for_selector(".set", state="hidden")
        map.focus(".over")
        map.keyboard.press("Enter")
        map.wait_for_selector(".card h2")
        map.keyboard.press("Escape")
        map.wait_for_selector(".card", state="hidden")
        for key, what in (("t", "Table"), ("i", "About this map"), ("?", "Keys and gestures")):
            map.keyboard.press(key)
            map.get_by_role("heading", name=what, exact=True).wait_for()
            map.keyboard.press("Escape")
            map.wait_for_selector("dialog", state="detached")


def test_dark_and_light(opened, page):
    ground = "getComputedStyle(document.body).backgroundColor"
    with opened(page, color_scheme="dark") as map:
        dark = map.evaluate(ground)
        points = hexes(map.drawn())
        map.keyboard.press("d")
        light = map.evaluate(ground)
        assert sum(int(part) for part in re.findall(r"\d+", dark)) < 150
        assert sum(int(part) for part in re.findall(r"\d+", light)) > 600
        assert hexes(map.drawn()) != points


def test_provenance_and_honesty_are_in_the_page(opened, page):
    with opened(page) as map:
        map.keyboard.press("i")
        about = map.inner_text("dialog")
        assert "41.0%" in about and "0.970" in about and "<b>not bold</b>" in about


def test_zoomed_in_ten_thousand_times_points_are_where_they_belong(opened):
    """Neighbors a few of 2^32 steps apart keep their distance to the pixel."""
    corner = np.array([[0.0, 0.0], [1.0, 1.0]])
    step = 1 / (2**32 - 1)
    close = 0.3 + np.array([[0, 0], [200_000, 0], [0, 123_450]]) * step
    xy = np.concatenate([corner, close]).astype(np.float64)
    none = np.zeros((5, 0))
    layer = Layer("m", xy, none.astype(np.int32), none.astype(np.float32))
    page = Page("deep", [str(i) for i in range(5)], None, [], [layer])
    with opened(page, "#v=1288490188.5_1288490188.5_10000") as map:
        map.rest()
        scale = map.evaluate("document.getElementById('app').stage.panes[0].view.scale")
        assert scale * 2**32 > 5_000_000  # ten thousand screens wide
        wanted = [
            [600 + dx * scale, 390 - dy * scale] for dx, dy in ((0, 0), (200_000, 0), (0, 123_450))
        ]
        found = map.evaluate(
            """async (places) => {
              const {points} = document.getElementById('app').stage.panes[0];
              const image = await createImageBitmap(points.canvas);
              const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
              context.drawImage(image, 0, 0);
              return places.map(([x, y]) => {
                const {data} = context.getImageData(Math.round(x) - 20, Math.round(y) - 20, 41, 41);
                let sx = 0, sy = 0, n = 0;
                for (let i = 0; i < 41 * 41; i++) { const a = data[4 * i + 3];
                  sx += a * (i % 41); sy += a * Math.floor(i / 41); n += a; }
                return [sx / n + Math.round(x) - 20 + 0.5, sy / n + Math.round(y) - 20 + 0.5];
              });
            }""",
            wanted,
        )
        assert np.abs(np.array(found) - np.array(wanted)).max() < 0.6


def test_without_webgl2_a_message_and_the_table(opened, page):
    without = """const get = HTMLCanvasElement.prototype.getContext;
      HTMLCanvasElement.prototype.getContext = function (kind, ...more) {
        return kind === 'webgl2' ? null : get.call(this, kind, ...more); };"""
    with opened(page, before=without) as map:
        assert "no WebGL2" in map.inner_text("[role=alert]")
        assert map.locator(".inline-table tbody tr").count() == 50
        search(map, "font chess")
        has = [t for t in page.texts if t and "chess" in t and "font" in t]
        says(map, f"{len(has)} rows found or selected")


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_points(opened, n):
    with opened(sample_page(n, k=0)) as map:
        if n:
            assert sum(map.drawn().values()) > 4 * n
        else:
            says(map, "There are no points on this map.")


def test_all_points_in_one_place(opened):
    none = np.zeros((9, 0))
    xy = np.ones((9, 2), np.float32)
    layer = Layer("m", xy, none.astype(np.int32), none.astype(np.float32))
    with opened(Page("one place", [str(i) for i in range(9)], None, [], [layer])) as map:
        assert sum(map.drawn().values()) > 4


def test_ten_thousand_categories(opened):
    from veclab.maps import columns

    n = 12_000
    rng = np.random.default_rng(0)
    none = np.zeros((n, 0))
    layer = Layer(
        "m",
        rng.normal(size=(n, 2)).astype(np.float32),
        none.astype(np.int32),
        none.astype(np.float32),
    )
    many = columns.category("maintainer", [f"name {i % 10_000}" for i in range(n)])
    page = Page("many", [str(i) for i in range(n)], None, [many], [layer], color="maintainer")
    with opened(page) as map:
        says(
            map,
            "and 9,960 more: type to find one. The first 16 have colors of their own; "
            "Alt and a click shows any one alone.",
        )
        map.fill(".find-level", "name 9876")
        map.click(".level", modifiers=["Alt"])
        says(map, f"1 of {n:,} shown, filtered by maintainer")
        map.wait_for_url(re.compile(r"#o\.c0=\d+$"))  # the one shown, not 9,999 hidden


def test_a_second_file_is_told_by_its_shape(opened):
    with opened(sample_page(600, overlay=40)) as map:
        says(map, "◆")
        with_marks = sum(map.drawn().values())
        map.evaluate("document.getElementById('app').stage.panes[0].mark([], 1)")
        assert sum(map.drawn().values()) < with_marks


def test_two_maps_of_the_same_rows_are_linked(opened):
    page = sample_page(900, second=True)
    with opened(page) as map:
        assert map.locator(".pane").count() == 2
        assert sum(map.drawn(0).values()) > 500 and sum(map.drawn(1).values()) > 500
        map.click(".level[data-code='1']", modifiers=["Alt"])
        few = [sum(map.drawn(pane).values()) for pane in (0, 1)]
        assert few[0] == pytest.approx(few[1], rel=0.5)
        map.evaluate("document.getElementById('app').app.pick(5)")
        map.wait_for_selector(".card h2")


def test_in_a_notebook_the_frame_tells_its_parent_what_is_selected(browser, page, order):
    """As a notebook shows it: an opaque origin, without an address or storage of its own."""
    host = (
        """<!doctype html><body><iframe sandbox="allow-scripts" width=1000 height=600></iframe>"""
    )
    context = browser.new_context(viewport={"width": 1100, "height": 700}, offline=True)
    try:
        outer = context.new_page()
        outer.set_content(host)
        outer.evaluate(
            """html => {
            window.got = new Promise(resolve => addEventListener('message', ({data}) =>
              data.veclab === 'selection' && data.rows.length && resolve(data.rows)));
            document.querySelector('iframe').srcdoc = html; }""",
            "".join(page.write()),
        )
        frame = outer.frame_locator("iframe")
        frame.locator(".pane[data-state=rest]").wait_for()
        frame.locator("#search").fill("font chess")
        rows = outer.evaluate("window.got")
        has = [i for i, t in enumerate(page.texts) if t and "chess" in t and "font" in t]
        assert rows == has
    finally:
        context.close()


def test_a_file_that_was_cut_short_says_so(browser, page, tmp_path):
    whole = "".join(page.write())
    cut = tmp_path / "cut.html"
    cut.write_text(whole[: whole.index('id="v:text-1:0"') - 20], encoding="utf-8")
    context = browser.new_context(offline=True)
    try:
        map = context.new_page()
        map.goto(cut.as_uri())
        map.wait_for_selector(".pane[data-state=rest]")  # what is there is shown
        map.locator("[role=alert]", has_text="Was the file cut short?").wait_for()
    finally:
        context.close()


def test_a_picture_of_the_map(opened, page):
    with opened(page) as map:
        with map.expect_download() as download:
            map.get_by_label("Save as PNG").click()
        assert download.value.suggested_filename == "a-sample-of-points.png"
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(b"\x89PNG") and len(data) > 10_000


@pytest.mark.parametrize("width", [380, 1200, 2000])
def test_nothing_overflows(opened, page, width):
    with opened(page, width=width) as map:
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.wait_for_selector(".card .near li")
        assert map.evaluate("document.documentElement.scrollWidth") <= width
        for name in (".sidebar", ".toolbar", ".card"):
            box = map.locator(name).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
            assert box["y"] >= 0 and box["y"] + box["height"] <= 780


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing(opened, page, scheme):
    axe = WEB / "node_modules/axe-core/axe.min.js"
    if not axe.exists():
        pytest.skip("no axe-core; this brings it: npm ci --prefix web")
    script = axe.read_text()

    def violations(map, where="document"):
        found = map.evaluate(f"axe.run({where}, {{resultTypes: ['violations']}})")["violations"]
        return [(one["id"], [node["html"][:200] for node in one["nodes"]]) for one in found]

    with opened(page, color_scheme=scheme) as map:
        map.evaluate(script)
        search(map, "chess")
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.wait_for_selector(".card .near li")
        map.wait_for_selector(".words .chip")
        assert violations(map) == []
        choose(map, "score")
        map.click(".over", position={"x": 600, "y": 760})
        for key in "ti":
            map.focus(".over")
            map.keyboard.press(key)
            map.wait_for_selector("dialog dl, dialog table")
            assert violations(map, "'dialog, .sidebar'") == []
            map.keyboard.press("Escape")
            map.wait_for_selector("dialog", state="detached")


def test_the_committed_bundle_is_what_the_sources_give(tmp_path):
    node = shutil.which("node")
    if node is None or not (WEB / "node_modules/esbuild").exists():
        pytest.skip("no node or no esbuild to build with; this brings it: npm ci --prefix web")
    subprocess.run([node, WEB / "build.mjs", tmp_path], check=True)
    for built in tmp_path.iterdir():
        committed = Path(pack.__file__).parent / "web" / built.name
        assert committed.read_bytes() == built.read_bytes(), "run: npm run build --prefix web"


def test_nothing_in_the_sources_makes_markup_of_texts():
    """Texts reach the page through `textContent` alone."""
    ways = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|eval\(")
    for source in (WEB / "src").glob("*.ts"):
        assert not ways.search(source.read_text()), source.name
