"""A live map in a notebook: the page in a frame, its selection back in Python.

The page runs in a sandboxed frame, as in a saved notebook: it can reach neither the notebook nor
the network. It tells which rows are selected, and nothing else is listened to.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from veclab.errors import MissingExtra

if TYPE_CHECKING:
    from veclab.maps.map import Map

_SCRIPT = """
function render({ model, el }) {
  const frame = document.createElement("iframe");
  frame.setAttribute("sandbox", "allow-scripts allow-downloads");
  frame.title = "map";
  frame.style.cssText = "width:100%;height:600px;border:1px solid #8884";
  frame.srcdoc = model.get("page");
  const listen = (event) => {
    if (event.source !== frame.contentWindow || event.data?.veclab !== "selection") return;
    const rows = event.data.rows;
    if (!Array.isArray(rows) || !rows.every(Number.isInteger)) return;
    model.set("rows", rows);
    model.save_changes();
  };
  window.addEventListener("message", listen);
  el.appendChild(frame);
  return () => window.removeEventListener("message", listen);
}
export default { render };
"""


def make_widget(map: Map) -> Any:
    """An anywidget that shows a map; its `rows` are those selected in the page, ascending.

    Raises:
        MissingExtra: anywidget is not installed.
    """
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingExtra("notebook", "a live map") from None

    class MapWidget(anywidget.AnyWidget):  # type: ignore[misc]
        _esm = _SCRIPT
        page = traitlets.Unicode().tag(sync=True)
        rows = traitlets.List(traitlets.Int()).tag(sync=True)

    return MapWidget(page="".join(map.page().write()))
