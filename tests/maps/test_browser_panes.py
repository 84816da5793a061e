"""What is seen of the maps: beside panels, beside each other, on narrow screens, while moving."""

from dataclasses import replace

import numpy as np
import pytest

from tests.maps.sample import sample_page
from tests.maps.test_browser import hexes

# Of each map: how much of it the panels leave free, and where the rows given are on the screen.
SEEN = """rows => document.getElementById('app').stage.panes.map((pane) => {
  const {width, height, inset} = pane.view, box = pane.element.getBoundingClientRect();
  return {
    free: [width - inset.left - inset.right, height - inset.top - inset.bottom],
    at: rows.map((row) => pane.screen(row)).map(([x, y]) => [box.left + x, box.top + y]),
    clear: rows.map((row) => pane.clear(row)),
    size: pane.view.scale * (pane.view.frame.right - pane.view.frame.left) }; })"""
SETTLED = """() => new Promise((done) => { let was = '';
  const look = () => { const now = JSON.stringify(
      document.getElementById('app').stage.panes.map(({view}) => [view.x, view.y, view.scale]));
    if (now === was) done(); else { was = now; setTimeout(look, 400); } };
  look(); })"""


def pick(map, row=3):
    map.evaluate(
        """row => { const {app, stage} = document.getElementById('app');
        return app.pick(row).then(() => stage.reveal(row)); }""",
        row,
    )
    map.wait_for_selector(".card .near li")
    map.evaluate(SETTLED)


@pytest.mark.parametrize("width", [380, 1200, 2000])
def test_two_maps_get_equally_much_of_the_screen(opened, width):
    side = 1 if width < 720 else 0
    with opened(sample_page(900, second=True), width=width) as map:
        first, second = map.evaluate(SEEN, [])
        assert first["free"][side] == pytest.approx(second["free"][side], abs=48)
        without = first["free"][side]
        pick(map)
        first, second = map.evaluate(SEEN, [3])
        assert first["free"][side] == pytest.approx(second["free"][side], abs=48)
        assert first["free"][side] < without
        assert first["clear"] == second["clear"] == [True]


def test_magnified_maps_stay_where_they_are_when_a_panel_takes_room(opened):
    with opened(sample_page(900, second=True), "#v=2147483648_2147483648_4") as map:
        map.rest()
        rows = list(range(0, 900, 100))
        before = map.evaluate(SEEN, rows)
        map.search("chess")
        map.wait_for_selector(".words .chip")
        after = map.evaluate(SEEN, rows)
        for was, now in zip(before, after, strict=True):
            assert now["at"][0] == pytest.approx(was["at"][0], abs=1)
            assert np.array(now["at"]) == pytest.approx(np.array(was["at"]), abs=1)


@pytest.mark.parametrize("width", [380, 1200])
def test_a_picked_point_and_its_neighbors_are_not_under_the_card(opened, page, width):
    with opened(page, width=width) as map:
        map.focus(".over")
        map.keyboard.press("Enter")
        map.wait_for_selector(".card .near li")
        map.evaluate(SETTLED)
        rows = map.evaluate(
            """() => { const {app} = document.getElementById('app');
            return [app.state.picked, ...app.neighbors.rows]; }"""
        )
        (seen,) = map.evaluate(SEEN, rows)
        assert all(seen["clear"])
        map.keyboard.press("Escape")
        map.wait_for_selector(".card", state="hidden")
        map.evaluate(SETTLED)
        (after,) = map.evaluate(SEEN, [])
        assert after["size"] > seen["size"]  # the room is taken again


def test_moving_by_hand_ends_the_gliding(opened, page):
    with opened(page) as map:
        moved = map.evaluate(
            """() => { const {stage} = document.getElementById('app'), {view} = stage.panes[0];
            stage.frame(Uint32Array.of(5, 6, 7));
            stage.zoom(2);
            const after = view.zoom;
            return new Promise((done) => setTimeout(() => done(view.zoom === after), 400)); }"""
        )
        assert moved


def test_with_reduced_motion_nothing_glides(opened, page):
    there = """() => { const {stage} = document.getElementById('app'), {view} = stage.panes[0];
      const before = view.zoom;
      stage.frame(Uint32Array.of(5, 6, 7));
      return view.zoom !== before; }"""
    with opened(page, reduced_motion="reduce") as map:
        assert map.evaluate(there)
    with opened(page) as map:
        assert not map.evaluate(there)


def test_while_moving_a_fair_part_is_drawn_and_at_rest_all(opened, page):
    with opened(page) as map:
        map.rest()
        part, whole, of_few = map.evaluate(
            """async () => {
              const {points, view} = document.getElementById('app').stage.panes[0];
              const covered = async () => {
                const image = await createImageBitmap(points.canvas);
                const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
                context.drawImage(image, 0, 0);
                const {data} = context.getImageData(0, 0, image.width, image.height);
                let [n, left] = [0, 0];
                for (let i = 3; i < data.length; i += 4) if (data[i] > 0) {
                  n++;
                  if (((i - 3) / 4) % image.width < image.width * 0.6) left++;
                }
                return [n, left / n];
              };
              points.budget = 300;  // of 3,000
              points.begin(view, 1.4, 0.9);
              points.finish();
              const unfinished = !points.finished, part = await covered();
              points.more(view, 1.4, 0.9, 1e9);
              points.finish();
              const whole = await covered();
              view.zoomAt(40, 600, 400);
              return [[...part, unfinished], [...whole, points.finished], points.inSight(view)];
            }"""
        )
        assert part[2] and whole[2]
        assert 0.05 < part[0] / whole[0] < 0.25
        assert part[1] == pytest.approx(whole[1], abs=0.1)  # of all places, not of one corner
        assert of_few < 3000  # tiles out of sight are skipped


def test_one_stray_point_does_not_shrink_the_rest(opened, page):
    xy = page.layers[0].xy.copy()
    spread = float(np.ptp(xy, axis=0).max())
    xy[0] = xy.max(axis=0) + 20 * spread
    far = replace(page, layers=[replace(page.layers[0], xy=xy)])
    with opened(page) as map:
        (usual,) = map.evaluate(SEEN, [])
    with opened(far) as map:
        (seen,) = map.evaluate(SEEN, [])
        # 21 times as wide in all, and yet as large on the screen.
        assert seen["size"] == pytest.approx(usual["size"], rel=0.1)
        assert sum(map.drawn().values()) > 2000


@pytest.mark.parametrize(("width", "most"), [(380, 2), (1200, 3)])
def test_on_a_narrow_screen_labels_are_short(opened, page, width, most):
    layer = page.layers[0]
    long = [replace(label, text="one, two, three") for label in layer.labels]
    with opened(replace(page, layers=[replace(layer, labels=long)]), width=width) as map:
        map.rest()
        texts = map.evaluate(
            """() => { const drawn = new Set(), draw = CanvasRenderingContext2D.prototype.fillText;
              CanvasRenderingContext2D.prototype.fillText = function (text, ...at) {
                drawn.add(text); return draw.call(this, text, ...at); };
              document.getElementById('app').stage.panes[0].drawOver();
              return [...drawn]; }"""
        )
        assert texts == [", ".join(["one", "two", "three"][:most])]


@pytest.mark.parametrize(("scheme", "outline"), [("light", "#1e2126"), ("dark", "#e9eaec")])
def test_rows_laid_over_show_on_either_ground_also_without_a_color(opened, scheme, outline):
    page = sample_page(600, overlay=40)
    bare = replace(page.columns[0], values=np.zeros_like(page.columns[0].values))
    with opened(replace(page, columns=[bare, *page.columns[1:]]), color_scheme=scheme) as map:
        assert outline in hexes(map.drawn())


def test_two_maps_say_both_figures_and_how_much_differs(opened):
    page = sample_page(900, second=True)
    moved = next(c for c in page.columns if c.role == "moved")
    with opened(page) as map:
        map.says("41% and 41% of true neighbors kept")
        share = f"{round(100 * float(moved.values.mean()))}%"
        map.get_by_role("button", name=f"{share} of neighbors differ: show where").click()
        map.wait_for_selector(".histogram")
        assert map.locator("#color-by option:checked").inner_text() == "moved"
        map.keyboard.press("i")
        assert map.locator("dialog h3").all_inner_texts() == ["first model", "second model"]


def test_what_was_measured_on_some_points_is_said_of_them_alone(opened, page):
    layer = page.layers[0]
    some = replace(layer, honesty=layer.honesty | {"rows": 1000, "exact": False})
    with opened(replace(page, layers=[some])) as map:
        map.keyboard.press("i")
        about = map.inner_text("dialog")
        assert "Trustworthiness was measured on 1,000 points" in about and "Estimated" not in about


def test_two_fingers_zoom_and_a_tap_picks(opened, page):
    with opened(page, width=380, has_touch=True, is_mobile=True) as map:
        map.rest()
        cdp = map.context.new_cdp_session(map.page)

        def touch(kind, *points):
            fingers = [{"x": x, "y": y, "id": i} for i, (x, y) in enumerate(points)]
            cdp.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": fingers})

        zoom = "document.getElementById('app').stage.panes[0].view.zoom"
        before = map.evaluate(zoom)
        touch("touchStart", (180, 400), (200, 400))
        for step in range(1, 6):
            touch("touchMove", (180 - 8 * step, 400), (200 + 8 * step, 400))
        touch("touchEnd")
        assert map.evaluate(zoom) == pytest.approx(5 * before, rel=0.1)
        map.evaluate("document.getElementById('app').stage.fit()")
        map.touchscreen.tap(*map.where(1500))
        map.wait_for_selector(".card .near li")
