"""The map page put to the test: deep zoom, little and much, other shapes, bad input."""

import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.maps.sample import sample_page
from veclab.maps import columns, pack
from veclab.maps.page import Layer, Page

WEB = Path(__file__).parents[2] / "web"


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
        map.search("font chess")
        has = [t for t in page.texts if t and "chess" in t and "font" in t]
        map.says(f"{len(has)} rows found or selected")
        assert map.get_by_role("button", name="Zoom to them").count() == 0
        map.click(".inline-table tbody button")  # and the true neighbors are there
        assert map.locator(".card .near li").count() == 5 or map.wait_for_selector(".near li")
        table, card = (map.locator(one).bounding_box() for one in (".inline-table", ".card"))
        assert table["x"] + table["width"] <= card["x"]


def test_without_texts_rows_are_found_by_their_ids(opened):
    with opened(sample_page(60, texts=False)) as map:
        assert map.get_attribute("#search", "placeholder") == "Find an id"
        map.search("id-7")
        map.says("1 point")
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.wait_for_selector(".card .near li")
        assert map.locator(".card .text").count() == 0
        map.keyboard.press("Escape")


def test_a_browser_that_cannot_read_base64_by_itself_shows_the_same(opened, page):
    with opened(page, before="delete Uint8Array.fromBase64") as map:
        assert map.evaluate("Uint8Array.fromBase64") is None
        without = map.drawn()
    with opened(page) as map:
        assert map.drawn() == without


@pytest.mark.parametrize("n", [0, 1, 2])
def test_hardly_any_points(opened, n):
    with opened(sample_page(n, k=0)) as map:
        if n:
            assert sum(map.drawn().values()) > 4 * n
        else:
            map.says("There are no points on this map.")


def test_all_points_in_one_place(opened):
    none = np.zeros((9, 0))
    xy = np.ones((9, 2), np.float32)
    layer = Layer("m", xy, none.astype(np.int32), none.astype(np.float32))
    with opened(Page("one place", [str(i) for i in range(9)], None, [], [layer])) as map:
        assert sum(map.drawn().values()) > 4


def test_ten_thousand_categories(opened):
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
        map.says(
            "and 9,960 more: type to find one. The first 16 have colors of their own; "
            "Alt and a click shows any one alone.",
        )
        map.fill(".find-level", "name 9876")
        map.click(".level", modifiers=["Alt"])
        map.says(f"1 of {n:,} shown, filtered by maintainer")
        map.wait_for_url(re.compile(r"#o\.c0=\d+$"))  # the one shown, not 9,999 hidden


@pytest.mark.parametrize(
    "name", ["カテゴリ", "عمود", "🎉", "<img src=x onerror='hurt = 1'>", "a & b"]
)
def test_column_names_in_any_script_and_as_markup_are_names(opened, name):
    page = sample_page(60)
    columns_ = [replace(page.columns[0], name=name), *page.columns[1:]]
    with opened(replace(page, columns=columns_, color=name)) as map:
        assert map.locator("#color-by option:checked").inner_text() == name
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.locator(".card dt").get_by_text(name, exact=True).wait_for()
        map.click(".level[data-code='1']")
        assert map.inner_text(".filter-note span").endswith(f"filtered by {name}")
        assert map.evaluate("window.hurt") is None


def test_a_second_file_is_told_by_its_shape(opened):
    with opened(sample_page(600, overlay=40)) as map:
        map.says("◆")
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


def test_two_maps_move_together_until_they_are_let_go(opened):
    views = """() => document.getElementById('app').stage.panes.map((pane) => {
      const {x, y, zoom, frame} = pane.view;
      const share = (at, low, high) => (at - low) / (high - low);
      return [share(x, frame.left, frame.right), share(y, frame.bottom, frame.top), zoom]; })"""

    def moved(map, do):
        before = np.array(map.evaluate(views))
        do()
        after = np.array(map.evaluate(views))
        return after[:, :2] - before[:, :2], after[:, 2] / before[:, 2]

    def drag():
        map.mouse.move(500, 600)
        map.mouse.down()
        map.mouse.move(420, 640, steps=4)
        map.mouse.up()

    with opened(sample_page(900, second=True), width=1200) as map:
        map.rest()
        (first, second), _ = moved(map, drag)
        assert first[0] > 0.05 and first[1] > 0.02
        assert second[0] == pytest.approx(first[0], rel=0.05)  # they are shown at one width,
        assert second[1] > 0.02  # and not of one height
        _, zoom = moved(map, lambda: map.keyboard.press("+"))
        assert zoom == pytest.approx([1.5, 1.5])
        _, zoom = moved(map, lambda: map.mouse.wheel(0, -300))
        assert zoom[0] == pytest.approx(zoom[1]) and zoom[0] > 1.1
        map.wait_for_function(
            """() => { const {zoom} = document.getElementById('app').stage.panes[0].view;
            return location.hash.includes(`_${Number(zoom.toPrecision(7))}`); }"""
        )
        address, seen = map.url, map.evaluate(views)
        map.get_by_label("Move both maps together").click()
        (first, second), _ = moved(map, drag)
        assert first[0] > 0.01 and (second == 0).all()
    with opened(sample_page(900, second=True), "#" + address.split("#")[1], width=1200) as map:
        assert np.array(map.evaluate(views)) == pytest.approx(np.array(seen), rel=0.02, abs=0.02)


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("width", [380, 1200, 2000])
def test_no_label_is_written_under_a_panel(opened, width, second):
    with opened(sample_page(900, second=second), width=width) as map:
        map.rest()
        hidden = map.evaluate(
            """async () => {
              const drawn = [], draw = CanvasRenderingContext2D.prototype.fillText;
              CanvasRenderingContext2D.prototype.fillText = function (text, x, y) {
                const {left, top} = this.canvas.getBoundingClientRect();
                const half = this.measureText(text).width / 2;
                drawn.push([text, left + x - half, left + x + half, top + y]);
                return draw.call(this, text, x, y); };
              for (const pane of document.getElementById('app').stage.panes) pane.drawOver();
              const panels = [...document.querySelectorAll('.sidebar, .toolbar, .pane-title')].map(
                (one) => one.getBoundingClientRect());
              return [drawn.length, drawn.filter(([, a, b, y]) => panels.some((p) =>
                a < p.right && b > p.left && y > p.top && y < p.bottom))]; }"""
        )
        assert hidden[0] > 2 and hidden[1] == []


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


@pytest.mark.parametrize("second", [False, True])
@pytest.mark.parametrize("width", [380, 1200, 2000])
def test_nothing_overflows(opened, width, second):
    with opened(sample_page(3000, second=second), width=width) as map:
        map.evaluate("document.getElementById('app').app.pick(3)")
        map.wait_for_selector(".card .near li")
        assert map.evaluate("document.documentElement.scrollWidth") <= width
        for name in (".sidebar", ".toolbar", ".card"):
            box = map.locator(name).bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width
            assert box["y"] >= 0 and box["y"] + box["height"] <= 780
        for button in map.locator(".toolbar .icon:visible").all():
            box = button.bounding_box()
            assert box["x"] >= 0 and box["x"] + box["width"] <= width and box["width"] >= 24


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


@pytest.mark.parametrize("ratio", [1, 2])
@pytest.mark.parametrize("zoom", [1, 7])
def test_the_processor_draws_what_a_graphics_card_would(opened, page, ratio, zoom):
    """Without a card points are drawn by a loop of the page's own, by the rules of the shaders."""
    with opened(page, device_scale_factor=ratio) as map:
        map.rest()
        apart = map.evaluate(
            """async (zoom) => {
              const pane = document.getElementById('app').stage.panes[0], {points, view} = pane;
              [view.zoom, view.x, view.y] = [zoom, pane.x[500], pane.y[500]];
              const drawn = async (size, opacity) => {
                points.begin(view, size, opacity);
                points.more(view, size, opacity, 1e9);
                points.finish();
                const image = await createImageBitmap(points.canvas);
                const canvas = new OffscreenCanvas(image.width, image.height);
                canvas.getContext('2d').drawImage(image, 0, 0);
                return canvas.getContext('2d').getImageData(0, 0, image.width, image.height).data;
              };
              const splat = points.splat, found = [];
              for (const [size, opacity] of [[1.4, 0.4], [1.4, 0.9], [3.5, 0.8], [8, 0.6]]) {
                points.splat = splat;
                const own = await drawn(size, opacity);
                points.splat = null;
                const card = await drawn(size, opacity);
                let differ = 0, ink = 0, inked = 0;
                for (let i = 3; i < own.length; i += 4) {
                  inked += own[i]; ink += card[i];
                  differ += Math.abs(own[i] - card[i]);
                  for (let c = i - 3; c < i; c++)
                    differ += Math.abs(own[i] * own[c] - card[i] * card[c]) / 255;
                }
                found.push([differ / 4 / ink, inked / ink]);
              }
              return [splat !== null, found];
            }""",
            zoom,
        )
        by_processor, found = apart
        assert by_processor
        # Of squares of 1.4 pixels, places in sixteenths of a pixel cover some 5% too much.
        for (differ, ink), most in zip(found, [0.1, 0.1, 0.01, 0.01], strict=True):
            assert differ < most
            assert abs(ink - 1) < most
