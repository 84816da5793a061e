"""Pages of the map opened in a browser from files, the network cut."""

from contextlib import contextmanager

import pytest

from tests.maps.sample import sample_page
from veclab.maps import pack


class Opened:
    """A page that is open: what it asked of the network, what it said to the console."""

    def __init__(self, page):
        self.page = page
        self.asked: list[str] = []
        self.said: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on(
            "console",
            lambda message: message.type == "error" and self.said.append(message.text),
        )

    def __getattr__(self, name):
        return getattr(self.page, name)

    def go(self, url: str) -> None:
        self.page.goto(url)
        self.page.wait_for_selector("html[data-ready]", state="attached")
        assert self.page.get_attribute("html", "data-ready") == "true"

    def rest(self) -> None:
        """Wait until every point is drawn."""
        self.page.wait_for_selector(".pane[data-state=rest]")

    def says(self, text: str) -> None:
        """Wait for a text anywhere on the page."""
        self.page.get_by_text(text, exact=True).first.wait_for()

    def search(self, query: str) -> None:
        self.page.fill("#search", query)

    def choose(self, column: str) -> None:
        """Color by a column."""
        self.page.select_option("#color-by", label=column)

    def where(self, row: int, pane: int = 0) -> list[float]:
        """Where the row of the page (not of the file) is on the screen."""
        return self.page.evaluate(
            "([row, pane]) => document.getElementById('app').stage.panes[pane].screen(row)",
            [row, pane],
        )

    def drawn(self, pane: int = 0) -> dict[str, int]:
        """Pixels of the map by color, "r,g,b"; only those that a point covers fully or nearly."""
        self.rest()
        return self.page.evaluate(
            """async (pane) => {
              const {points} = document.getElementById('app').stage.panes[pane];
              const image = await createImageBitmap(points.canvas);
              const canvas = new OffscreenCanvas(image.width, image.height);
              const context = canvas.getContext('2d');
              context.drawImage(image, 0, 0);
              const {data} = context.getImageData(0, 0, image.width, image.height);
              const found = {};
              for (let i = 0; i < data.length; i += 4) if (data[i + 3] > 200) {
                const color = [...data.slice(i, i + 3)].join();
                found[color] = (found[color] ?? 0) + 1;
              }
              return found;
            }""",
            pane,
        )


@pytest.fixture(scope="session")
def opened(browser, tmp_path_factory):
    """Write pages to files and open them: `with opened(page, width=380) as map: ...`.

    On leaving, the page must have asked nothing of the network and reported no error.
    """
    written: dict[int, str] = {}
    kept = []

    def address(page) -> str:
        if id(page) not in written:
            path = tmp_path_factory.mktemp("map") / "map.html"
            with path.open("w", encoding="utf-8", newline="") as file:
                file.writelines(page.write())
            written[id(page)] = path.as_uri()
            kept.append(page)  # so that its id is not given to another
        return written[id(page)]

    @contextmanager
    def open_page(page, hash="", *, width=1200, height=780, before=None, **context_options):
        context = browser.new_context(
            viewport={"width": width, "height": height}, accept_downloads=True, **context_options
        )
        context.set_default_timeout(180_000)  # for a busy machine; nothing here waits for time
        context.set_offline(True)
        url = address(page) + hash
        context.route(lambda asked: asked.startswith("http"), lambda route: route.abort())
        found = Opened(context.new_page())
        if before:
            found.page.add_init_script(before)
        try:
            found.go(url)
            yield found
            strangers = [asked for asked in found.asked if not asked.startswith(("file:", "blob:"))]
            assert not strangers
            assert not found.said
        finally:
            context.close()

    return open_page


@pytest.fixture(scope="session")
def page():
    return sample_page(3000)


@pytest.fixture(scope="session")
def order(page):
    """The page's row i is row order[i] of the file."""
    return pack.hilbert_order(pack.fixed_point(page.layers[0].xy)[0])
