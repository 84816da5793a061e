"""The map page in a real browser, opened from a file with the network cut."""

import csv
import io
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.maps.sample import AWKWARD, sample_page
from veclab.maps import pack

N = 3000


def row_of(order, file_row: int) -> int:
    return int(np.flatnonzero(order == file_row)[0])


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
        map.search("FONT chess")
        map.says(f"{len(has)} texts found")
        map.says(f"{len(has)} texts")  # the panel's title
        assert colorful(map.drawn()) > 100
        map.search('"chess font"')
        phrase = [t for t in page.texts if t and "chess font" in t.lower()]
        map.says(f"{len(phrase)} texts found")
        map.search("no such thing")
        map.says("Nothing found")
        assert colorful(map.drawn()) == 0  # all has faded to gray
        map.search("")
        map.wait_for_selector(".set", state="hidden")


def test_what_is_found_stands_out_also_where_its_category_has_no_color(opened, page):
    with opened(page) as map:
        map.choose("package")  # 300 of them, and all but 16 are gray
        map.search("chess")
        map.wait_for_selector(".set h2")
        accent = map.evaluate(
            "getComputedStyle(document.documentElement).getPropertyValue('--accent')"
        )
        assert accent in hexes(map.drawn())


@pytest.mark.parametrize("query", ["日本語", "🎉", "שלום", "</SCRIPT><IMG", "\x00 a nul", "ID-57"])
def test_search_takes_any_script_and_whole_ids(opened, page, query):
    with opened(page) as map:
        map.search(query)
        map.says("1 text found")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("creme BRULEE", 2),
        ("crème brûlée", 2),
        ("lodz", 1),
        ("Łódź", 1),
        ("αθηνα", 1),
        ("ISTANBUL", 1),
    ],
)
def test_search_takes_accents_alike(opened, accented, query, found):
    with opened(accented) as map:
        map.search(query)
        map.says("1 text found" if found == 1 else f"{found} texts found")


@pytest.fixture(scope="module")
def accented():
    """Accents composed and, in the second text, loose; each with another text after it."""
    page = sample_page(60)
    texts = ["Crème brûlée", "a cre\u0300me bru\u0302le\u0301e, loose", "Łódź", "ΑΘΉΝΑ", "İstanbul"]
    return replace(page, texts=[*texts, *page.texts[len(texts) :]])


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
        map.says(f"{N - counts[1]:,} of {N:,} shown, filtered by section")
        assert map.get_attribute(".level[data-code='1']", "aria-pressed") == "false"
        assert sum(map.drawn().values()) < before
        map.click(".level[data-code='2']", modifiers=["Alt"])
        map.says(f"{counts[2]:,} of {N:,} shown, filtered by section")
        map.click(".level[data-code='2']", modifiers=["Alt"])  # once more: all again
        map.wait_for_selector(".filter-note", state="hidden")
        map.hover(".levels li:nth-child(3)")
        map.click(".levels li:nth-child(3) .only")
        map.says(f"{counts[3]:,} of {N:,} shown, filtered by section")
        map.get_by_text("Show all", exact=True).click()
        assert sum(map.drawn().values()) == before


def test_numbers_are_brushed_on_their_histogram(opened, page):
    score = page.columns[2].values
    with opened(page) as map:
        map.choose("score")
        map.says(f"{int(np.isnan(score).sum())} rows without a value, in gray")
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
        map.says(f"{shown:,} of {N:,} shown, filtered by score")
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
        map.choose("region")
        map.click(".level[data-code='3']")
        map.search("music")
        map.get_by_text(re.compile("texts? found")).first.wait_for()
        map.evaluate(
            """() => { const {app, stage} = document.getElementById('app');
            stage.setView([2 ** 31, 2 ** 31, 1.5]); app.moved();
            app.select({map: 'a', corners: [[0, 0], [4e9, 0], [4e9, 4e9], [0, 3e9]]});
            return app.pick(7); }"""
        )
        map.wait_for_selector(".card .near li")
        map.wait_for_url(re.compile(r"#.*c=.*q=music.*s=.*p=7"))
        title = map.inner_text(".set h2")
        note = map.inner_text(".filter-note span")
        address = map.url
    with opened(page, "#" + address.split("#")[1]) as map:
        map.get_by_role("heading", name=title, exact=True).wait_for()
        map.wait_for_selector(".card .near li")
        map.locator(".filter-note span").get_by_text(note, exact=True).wait_for()
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


def test_words_in_shorthand_are_read_as_they_were(opened):
    """More words than have codes of two bytes, among them letters of four bytes and nothing."""
    letters = np.array(list("bcdfghjklm"))
    words = [
        "".join(letters[[i // 1000, i // 100 % 10, i // 10 % 10, i % 10]]) for i in range(4000)
    ]
    texts = [" ".join(words[i : i + 8]) + " 🎉日" for i in range(3992)]
    page = replace(sample_page(3992), texts=["", *texts[1:]])
    with opened(page) as map:
        said = map.evaluate(
            """async () => {
              const {data} = document.getElementById('app').app;
              const found = [];
              for (let row = 0; row < data.n; row++) found.push(await data.string('text', row));
              return [data.head.words, found];
            }"""
        )
        assert said[0] > 3000
        assert sorted(said[1]) == sorted(page.texts)
