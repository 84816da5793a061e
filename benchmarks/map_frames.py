"""How long the map page takes to open, to draw a frame and to search, drawn in software.

    python -m benchmarks.map_frames [--sizes 100000,1000000] [--peers FOLDER]

Opens pages of made-up points in headless Chromium without a GPU (SwiftShader), 1,200 x 780 pixels.
A frame's time includes waiting for its pixels. `--peers` times regl-scatterplot and deck.gl on as
many points in the same run; FOLDER is where they are installed:

    npm install --prefix FOLDER regl-scatterplot @deck.gl/core @deck.gl/layers
    npm ci --prefix web

Prints the table and writes benchmarks/results/map_frames.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
FRAMES = 7
# Two rare words and a common one, typed into the search of the page.
_QUERIES = ("zebra", "quartz mail", "chess")

_FRAMES_JS = """frames => {
  const pane = document.getElementById('app').stage.panes[0], {points, view} = pane;
  const median = (draw) => { const times = [];
    for (let i = 0; i <= frames; i++) { view.pan(2, 1); const began = performance.now();
      draw(); points.finish(); if (i) times.push(performance.now() - began); }
    return times; };
  points.budget = 50000;
  const begin = () => points.begin(view, pane.size, 0.6);
  return {moving: median(begin),
          rest: median(() => { begin(); points.more(view, pane.size, 0.6, 1e9); }),
          overlay: median(() => pane.drawOver()), recolor: median(() => pane.repaint())};
}"""
_SEARCH_JS = """async query => {
  const {search} = document.getElementById('app').app; const began = performance.now();
  const rows = await search.find(query); return [rows.length, performance.now() - began]; }"""


def write_page(file: Path, n: int) -> None:
    """A page of n points in clumps, with short texts as long as package summaries."""
    from veclab.maps import columns
    from veclab.maps.page import Layer, Page

    rng = np.random.default_rng(0)
    clump = rng.integers(0, 10, n)
    centers = 30 * np.stack([np.cos(np.arange(10)), np.sin(np.arange(10) * 1.3)], axis=1)
    xy = (centers[clump] + rng.normal(size=(n, 2)) * (1 + clump[:, None] / 4)).astype(np.float32)
    common = ["chess", "engine", "game", "python", "library", "font", "music", "kernel", "mail"]
    letters = np.array(list("etaoinshrdlu"))
    rare = ["".join(word) for word in rng.choice(letters, size=(20_000, 6))]
    words = np.array([*common, *rare])
    chosen = words[np.minimum(rng.zipf(1.3, size=(n, 9)) - 1, len(words) - 1)]
    texts = [" ".join(row) for row in chosen]
    for row in rng.choice(n, 20, replace=False):
        texts[row] += " zebra"
    none = np.zeros((n, 0))
    layer = Layer("made up", xy, none.astype(np.int32), none.astype(np.float32))
    section = columns.category("section", [f"s{c}" for c in clump])
    page = Page("frames", [str(i) for i in range(n)], texts, [section], [layer], color="section")
    with file.open("w", encoding="utf-8", newline="") as out:
        out.writelines(page.write())


@contextmanager
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    path = os.environ.get("VECLAB_BROWSER") or shutil.which("chromium")
    with sync_playwright() as playwright:
        flags = ["--no-sandbox", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"]
        started = playwright.chromium.launch(executable_path=path, args=flags)
        yield started
        started.close()


def measure_page(started: Any, file: Path) -> dict[str, Any]:
    page = started.new_context(viewport={"width": 1200, "height": 780}, offline=True).new_page()
    began = time.perf_counter()
    page.goto(file.as_uri(), wait_until="commit")
    page.wait_for_selector(".pane canvas", state="attached", timeout=120_000)
    page.wait_for_selector(".pane[data-state]", timeout=120_000)
    first = time.perf_counter() - began
    page.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
    frames = page.evaluate(_FRAMES_JS, FRAMES)
    # On a busy machine the clock says little: the processor time of the page's thread as well.
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable", {"timeDomain": "threadTicks"})

    def processor_ms() -> float:
        metrics = devtools.send("Performance.getMetrics")["metrics"]
        return 1000 * next(m["value"] for m in metrics if m["name"] == "TaskDuration")

    searches = {}
    for i, query in enumerate(_QUERIES):
        before = processor_ms()
        hits, ms = page.evaluate(_SEARCH_JS, query)
        searches[("first: " if i == 0 else "") + query] = {
            "hits": hits,
            "ms": round(ms),
            "processor_ms": round(processor_ms() - before),
        }
    page.context.close()
    return {
        "file_mb": round(file.stat().st_size / 1e6, 1),
        "opened_s": round(first, 2),
        "ms": {name: round(statistics.median(times), 1) for name, times in frames.items()},
        "all_ms": {name: [round(t, 1) for t in times] for name, times in frames.items()},
        "search": searches,
    }


def build_peers(folder: Path, out: Path) -> Path:
    source = out / "peers.js"
    shutil.copy(HERE / "map_peers.js", folder / "map_peers.js")
    esbuild = HERE.parent / "web/node_modules/.bin/esbuild"
    subprocess.run(
        [esbuild, folder / "map_peers.js", "--bundle", "--minify", "--format=iife",
         "--global-name=peers", "--log-level=warning", f"--outfile={source}"],
        check=True,
    )  # fmt: skip
    script = source.read_text(encoding="utf-8").replace("</script", "<\\/script")
    page = out / "peers.html"
    page.write_text(f"<!doctype html><body style=margin:0><script>{script}</script>", "utf-8")
    return page


def measure_peer(started: Any, file: Path, name: str, n: int) -> dict[str, Any]:
    page = started.new_context(viewport={"width": 1200, "height": 780}, offline=True).new_page()
    page.goto(file.as_uri())
    frames = 1 if name == "deck" else FRAMES  # at half a minute each
    try:
        times = page.evaluate(f"([n, frames]) => peers.{name}(n, frames)", [n, frames])
    except Exception as error:  # a peer that fails is a result too
        return {"error": str(error).splitlines()[0]}
    finally:
        page.context.close()
    return {"ms": round(statistics.median(times), 1), "all_ms": [round(t, 1) for t in times]}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sizes", default="100000,1000000")
    parser.add_argument("--peers", type=Path)
    options = parser.parse_args()
    result: dict[str, Any] = {
        "machine": platform.platform(),
        "cores": os.cpu_count(),
        "load_before": round(os.getloadavg()[0], 1),
        "sizes": {},
    }
    with tempfile.TemporaryDirectory() as folder, browser() as started:
        out = Path(folder)
        result["browser"] = started.version
        peers = build_peers(options.peers, out) if options.peers else None
        for n in map(int, options.sizes.split(",")):
            write_page(out / "map.html", n)
            found = measure_page(started, out / "map.html")
            if peers:
                found["peers"] = {
                    label: measure_peer(started, peers, name, n)
                    for label, name in (("regl-scatterplot", "regl"), ("deck.gl", "deck"))
                }
            result["sizes"][str(n)] = found
            print(
                f"{n:,}", json.dumps({k: v for k, v in found.items() if k != "all_ms"}), flush=True
            )
    target = HERE / "results" / "map_frames.json"
    target.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
