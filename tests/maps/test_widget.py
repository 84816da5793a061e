"""The widget's script, in a browser with a stand-in for the notebook's model."""

from tests.maps.sample import sample_page
from veclab.maps.widget import _SCRIPT

HOST = """async ([script, html]) => {
  const url = URL.createObjectURL(new Blob([script], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  window.model = {
    page: html,
    get(name) { return this[name]; },
    set(name, value) { this[name] = value; },
    save_changes() { this.saved = (this.saved ?? 0) + 1; },
  };
  window.stop = widget.render({ model, el: document.body });
  // Another frame or script says the same: it is not the map, so nobody listens.
  window.postMessage({ veclab: "selection", rows: [1, 2, 3] }, "*");
}"""


def test_what_is_selected_in_the_frame_reaches_the_model_and_nothing_else_does(browser):
    page = sample_page(100)
    context = browser.new_context(viewport={"width": 1100, "height": 700}, offline=True)
    try:
        outer = context.new_page()
        outer.set_content("<!doctype html><body>")
        outer.evaluate(HOST, [_SCRIPT, "".join(page.write())])
        frame = outer.frame_locator("iframe")
        frame.locator(".pane[data-state=rest]").wait_for()
        assert outer.evaluate("model.rows ?? []") == []
        frame.locator("#search").fill("font chess")
        outer.wait_for_function("model.rows && model.rows.length")
        has = [i for i, t in enumerate(page.texts) if t and "chess" in t and "font" in t]
        assert outer.evaluate("model.rows") == has
        assert outer.evaluate("model.saved") >= 1
        assert "allow-same-origin" not in outer.get_attribute("iframe", "sandbox")
    finally:
        context.close()
