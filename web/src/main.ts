// The page: reads its data, puts the parts together.
import { showAbout, showKeys } from "./about";
import { App } from "./app";
import { Card } from "./card";
import { late, MapData, readHead } from "./data";
import { add, el, fill, iconButton } from "./dom";
import { savePicture } from "./exports";
import type { Tool } from "./gestures";
import { listenToKeys } from "./keys";
import { Panel } from "./panel";
import { Sidebar } from "./sidebar";
import { Panes } from "./stage";
import { dialog, listed, Table } from "./table";
import { Toolbar } from "./toolbar";
import { Tooltip } from "./tooltip";

/** Texts of a page this large are read for searching before anyone searches. */
const WARM_UP_TO = 100_000;
const NARROW = 720;

/** What went wrong after the page had opened. */
function complain(message: string): void {
  const note = el("div", { class: "toast problem", role: "alert" }, message, iconButton("close", "Close", () => note.remove()));
  document.querySelector(".toast")?.remove();
  document.body.append(note);
}

async function start(root: HTMLElement): Promise<void> {
  const data = new MapData(readHead());
  const app = new App(data);
  const setTheme = (): void => {
    document.documentElement.dataset.theme = app.theme;
  };
  setTheme();
  app.listen((changes) => changes.has("theme") && setTheme()); // first of all, since others read its colors
  const tooltip = new Tooltip(app);
  let problem = "";
  let stage: Panes | null = null;
  if (typeof DecompressionStream === "undefined") throw new Error("This browser is too old for this page: it cannot decompress data. Firefox 113, Chrome 80, Safari 16.4 and newer can.");
  if (data.n > 0) {
    try {
      stage = await Panes.make(app, tooltip);
    } catch (error) {
      if (!(error instanceof Error) || !/WebGL2/.test(error.message)) throw error;
      problem = "This browser offers no WebGL2, so the map itself cannot be drawn. Everything else works: the table below has every row, and search and filters narrow it.";
    }
  }
  app.stage = stage;

  const frame = (rows: Uint32Array): void => stage?.frame(rows);
  const showTable = (): void => {
    if (!stage) return void inline?.element.scrollIntoView();
    const table = new Table(app, (row) => {
      box.close();
      stage?.reveal(row);
      void app.pick(row);
    });
    const box = dialog("Table", table.element);
    void table.show(...listed(app));
  };
  const setTool = (name: Tool): void => {
    if (stage) stage.tool = name;
    toolbar.mark(name);
  };
  const flip = (): void => app.setTheme(app.theme === "dark" ? "light" : "dark");
  const clear = (query: string): void => {
    if (!query) app.select(null);
    void app.find(query);
  };
  const cover = (): void => {
    if (!stage) return;
    const wide = innerWidth >= NARROW;
    const side = sidebar.element.getBoundingClientRect();
    const right = panels.getBoundingClientRect();
    const open = !set.element.hidden || !card.element.hidden;
    stage.cover(wide
      ? { left: side.right, right: open ? innerWidth - right.left : 0, top: 56, bottom: 0 }
      : { left: 0, right: 0, top: side.bottom, bottom: open ? (data.head.maps.length > 1 ? 0.34 : 0.46) * innerHeight + 60 : 56 }, // the panels' greatest height, see map.css
      [sidebar.element, toolbar.element, card.element, set.element].map((panel) => panel.getBoundingClientRect()).filter((box) => box.width > 0));
  };
  const toolbar = new Toolbar({
    tool: setTool, zoom: (factor) => stage?.zoom(factor), fit: () => stage?.fit(), theme: flip,
    link: (on) => stage && (stage.linked = on),
    picture: () => stage && savePicture(app, stage), table: showTable, about: () => showAbout(app), keys: showKeys,
  }, stage?.panes.length ?? 0);
  const makeRoom = (): void => {
    cover();
    stage?.makeRoom();
  };
  const sidebar = new Sidebar(app, { frame, about: () => showAbout(app), changed: makeRoom });
  const card = new Card(app, { reveal: (row) => stage?.reveal(row), changed: () => (app.state.picked < 0 ? makeRoom() : cover()) });
  const set = new Panel(app, { table: showTable, frame, look: clear, changed: makeRoom });
  const panels = el("div", { class: "panels" }, card.element, set.element);
  const inline = stage ? null : new Table(app, (row) => void app.pick(row));

  const main = el("main", { id: "map" });
  if (stage) main.append(stage.element);
  else
    add(main, el("div", { class: "inline-table" },
      problem && el("p", { class: "problem", role: "alert" }, problem),
      data.n === 0 && el("p", { class: "problem" }, "There are no points on this map."), inline?.element));
  document.documentElement.classList.toggle("no-map", !stage);
  fill(root, main, sidebar.element, toolbar.element, panels, tooltip.element);
  Object.assign(root, { app, stage }); // for the console, and for tests
  listenToKeys(app, stage, {
    focusSearch: () => sidebar.input.focus(), table: showTable, about: () => showAbout(app), keys: showKeys, theme: flip, tool: setTool,
  });
  app.listen((changes) => {
    if (inline && ["shown", "hits", "selection"].some((change) => changes.has(change as never))) void inline.show(...listed(app));
  });
  if (window.parent !== window) tellParent(app);
  // The panels' size changes with what is in them.
  for (const panel of [sidebar.element, card.element, set.element]) new ResizeObserver(cover).observe(panel);
  addEventListener("resize", cover);
  cover();
  try {
    await fillIn(app, stage);
  } catch (error) {
    complain(error instanceof Error ? error.message : String(error)); // what is there stays in sight
  }
  document.documentElement.dataset.ready = "true";
}

/** What is not needed to put up the page: marks, the state from the address, columns, texts. */
async function fillIn(app: App, stage: Panes | null): Promise<void> {
  const { data } = app;
  const { overlay } = data.head;
  if (overlay && stage) {
    const values = await data.load(overlay.column);
    for (const pane of stage.panes) pane.mark(values, overlay.level + 1);
  }
  await app.restore(app.state);
  await late();
  for (const column of data.head.columns) if (column.kind !== "text") await data.load(column.key);
  app.tell("columns");
  if (data.n <= WARM_UP_TO && app.search.possible) await app.search.warm();
}

/** A notebook's widget hands the selection on to Python. */
function tellParent(app: App): void {
  app.listen(async (changes) => {
    if (!["hits", "selection", "shown"].some((change) => changes.has(change as never))) return;
    const numbers = await app.fileRows();
    const rows = Array.from(app.focus ?? [], (row) => numbers[row]).sort((a, b) => a - b);
    window.parent.postMessage({ veclab: "selection", rows }, "*");
  });
}

const root = document.getElementById("app") as HTMLElement;
addEventListener("unhandledrejection", (event) => complain(event.reason instanceof Error ? event.reason.message : String(event.reason)));
addEventListener("map-lost", () => complain("The graphics driver has dropped the drawing. Reload the page to get it back."));
start(root).catch((error: unknown) => {
  fill(root, el("p", { class: "problem", role: "alert" }, error instanceof Error ? error.message : String(error)));
  document.documentElement.dataset.ready = "failed";
});
