// The maps on the screen, one or two side by side: laid out, linked, and moved together.
import type { App, Stage } from "./app";
import type { Neighbors } from "./data";
import { el } from "./dom";
import { attach, type Hands, type Tool } from "./gestures";
import { Pane } from "./pane";
import type { Area } from "./state";
import type { Tooltip } from "./tooltip";
import type { Rectangle, View } from "./view";

type Inset = View["inset"];

/** Room for the title of a map beside another. */
const TITLE = 44;

export class Panes implements Stage {
  readonly element = el("div", { class: "stage" });
  readonly panes: Pane[] = [];
  tool: Tool = "pan";
  /** Whether two maps move as one. */
  linked = true;
  /** The map last touched: the keyboard moves it. */
  active!: Pane;
  private fitted = true;

  static async make(app: App, tooltip: Tooltip): Promise<Panes> {
    const stage = new Panes(app, tooltip);
    for (const map of app.head.maps) {
      const [{ x, y }, labels] = await Promise.all([app.data.coordinates(map.key), app.data.labels(map.key)]);
      const pane = new Pane(app, map, x, y, labels);
      stage.panes.push(pane);
      stage.element.append(pane.element);
      attach(pane, stage.hands);
      pane.over.addEventListener("focus", () => (stage.active = pane));
      pane.over.addEventListener("pointerdown", () => (stage.active = pane));
    }
    stage.element.classList.toggle("two", stage.panes.length > 1);
    stage.active = stage.panes[0];
    new ResizeObserver(() => stage.resize()).observe(stage.element);
    app.listen((changes) => {
      if (["color", "shown", "hits", "selection", "theme"].some((change) => changes.has(change as never)))
        for (const pane of stage.panes) pane.repaint();
      else if (changes.has("picked")) for (const pane of stage.panes) pane.drawOver();
    });
    return stage;
  }

  private constructor(private readonly app: App, private readonly tooltip: Tooltip) {}

  private readonly hands: Hands = {
    tool: () => this.tool,
    move: (pane, change) => {
      this.active = pane;
      this.turn(pane, change);
    },
    hovered: (pane, row, px, py) => {
      for (const one of this.panes) one.hover(row);
      pane.over.style.cursor = row >= 0 ? "pointer" : this.tool === "pan" ? "grab" : "crosshair";
      if (row >= 0) {
        const box = pane.element.getBoundingClientRect();
        this.tooltip.show(row, box.left + px, box.top + py);
      } else this.tooltip.hide();
    },
    clicked: (_, row) => void this.app.pick(row).then(() => row >= 0 && this.reveal(row)),
    drawn: (pane, corners) => this.app.select({ map: pane.map.key, corners }),
  };

  /** Panels cover parts of the screen. The map does not jump for it: the next framing heeds it. */
  cover(inset: Inset, panels: Rectangle[]): void {
    // Two maps lie side by side, on narrow screens one below the other: only the outer edges are covered.
    const column = getComputedStyle(this.element).flexDirection === "column";
    this.panes.forEach((pane, i) => {
      const [first, last] = [i === 0, i === this.panes.length - 1];
      const covered = {
        left: first || column ? inset.left : 0, right: last || column ? inset.right : 0,
        top: first || !column ? inset.top : 0, bottom: last || !column ? inset.bottom : 0,
      };
      for (const side of ["left", "right", "bottom"] as const) pane.element.style.setProperty(`--${side}`, `${covered[side]}px`);
      pane.view.inset = { ...covered, bottom: covered.bottom + (this.panes.length > 1 ? TITLE : 0) };
    });
    this.share(inset, column);
    for (const pane of this.panes) {
      const { left, top } = pane.element.getBoundingClientRect();
      const title = pane.element.querySelector(".pane-title")?.getBoundingClientRect();
      pane.view.covered = [...panels, ...(title ? [title] : [])].map((one) => ({ left: one.left - left, right: one.right - left, top: one.top - top, bottom: one.bottom - top }));
      pane.drawOver();
    }
  }

  /** Two maps get equally much of the screen that the panels leave free, so that they are of one size. */
  private share(inset: Inset, column: boolean): void {
    if (this.panes.length < 2) return;
    const [before, after, whole] = column
      ? [inset.top, inset.bottom, this.element.clientHeight]
      : [inset.left, inset.right, this.element.clientWidth];
    const first = this.panes[0].element;
    const flex = `0 0 ${Math.round(before + Math.max(160, whole - before - after) / 2)}px`;
    if (first.dataset.flex === flex) return;
    const was = this.panes.map(middle);
    first.style.flex = first.dataset.flex = flex;
    this.panes.forEach((pane, i) => {
      const { view } = pane;
      const { scale } = view;
      pane.resize();
      if (this.fitted) return view.fit();
      const [x, y] = middle(pane);
      view.stay(scale, x - was[i][0], y - was[i][1]);
    });
  }

  /** While all is shown: keep it so beside the panels that have opened or closed. */
  makeRoom(): void {
    if (!this.fitted) return;
    for (const pane of this.panes) pane.glide(...pane.view.fitTarget(), 1, () => undefined);
  }

  private resize(): void {
    for (const pane of this.panes) {
      pane.resize();
      if (this.fitted) pane.view.fit();
      pane.request();
    }
  }

  fit(): void {
    this.fitted = true;
    for (const pane of this.panes) {
      pane.view.fit();
      pane.request();
    }
    this.app.moved();
  }

  zoom(factor: number): void {
    this.turn(this.active, (view) =>
      view.zoomAt(factor, (view.width + view.inset.left - view.inset.right) / 2, (view.height + view.inset.top - view.inset.bottom) / 2));
  }

  pan(dx: number, dy: number): void {
    this.turn(this.active, (view) => view.pan(dx, dy));
  }

  /** Bring a row into sight, when it is not; its neighbors too, while all is shown. */
  reveal(row: number): void {
    const near = this.app.neighbors?.rows ?? [];
    if (this.fitted && this.panes.some((pane) => [row, ...near].some((one) => !pane.clear(one)))) return this.makeRoom();
    for (const pane of this.panes) {
      if (pane.clear(row)) continue;
      const { view } = pane;
      const { left, right, top, bottom } = view.inset;
      const x = pane.x[row] - (left - right) / 2 / view.scale;
      const y = pane.y[row] + (top - bottom) / 2 / view.scale;
      this.fitted = false;
      pane.glide(x, y, view.zoom, () => this.app.moved());
    }
  }

  /** Show the rows given as large as they fit. */
  frame(rows: Uint32Array): void {
    if (rows.length === 0) return;
    this.fitted = false;
    for (const pane of this.panes) {
      let left = Infinity, right = -Infinity, bottom = Infinity, top = -Infinity;
      for (const row of rows) {
        left = Math.min(left, pane.x[row]);
        right = Math.max(right, pane.x[row]);
        bottom = Math.min(bottom, pane.y[row]);
        top = Math.max(top, pane.y[row]);
      }
      const { view } = pane;
      const one = view.scale / view.zoom;
      const width = Math.max(80, view.width - view.inset.left - view.inset.right);
      const height = Math.max(80, view.height - view.inset.top - view.inset.bottom);
      const scale = 0.8 * Math.min(width / Math.max(right - left, 1), height / Math.max(top - bottom, 1));
      const zoom = Math.min(Math.max(scale / one, 0.5), 2000);
      const x = (left + right) / 2 - (view.inset.left - view.inset.right) / 2 / (one * zoom);
      const y = (bottom + top) / 2 + (view.inset.top - view.inset.bottom) / 2 / (one * zoom);
      pane.glide(x, y, zoom, () => this.app.moved());
    }
  }

  pickMiddle(): void {
    const { view } = this.active;
    const px = (view.width + view.inset.left - view.inset.right) / 2;
    const py = (view.height + view.inset.top - view.inset.bottom) / 2;
    const row = this.active.rowAt(px, py, 200);
    void this.app.pick(row).then(() => row >= 0 && this.reveal(row));
  }

  rowsIn(area: Area): Uint32Array {
    const pane = this.panes.find((one) => one.map.key === area.map) ?? this.panes[0];
    return pane.rowsIn(area.corners);
  }

  view(): [number, number, number] | null {
    const { x, y, zoom } = this.panes[0].view;
    return this.fitted ? null : [x, y, zoom];
  }

  setView(view: [number, number, number] | null): void {
    if (!view) {
      this.fitted = true;
      this.resize();
      return;
    }
    for (const pane of this.panes) {
      pane.resize();
      pane.view.fit();
    }
    this.turn(this.panes[0], (first) => ([first.x, first.y, first.zoom] = view), false);
  }

  async neighborsOf(row: number): Promise<{ neighbors: Neighbors; of: string }> {
    const { map } = this.active;
    return { neighbors: await this.app.data.neighbors(map, row), of: map.title };
  }

  /** Change where one looks on a map; the other, if linked, comes along. */
  private turn(pane: Pane, change: (view: View) => void, tell = true): void {
    this.fitted = false;
    for (const one of this.panes) one.halt();
    const { x, y, zoom } = pane.view;
    change(pane.view);
    for (const one of this.panes) {
      if (one !== pane && this.linked) one.view.follow(pane.view, { x, y, zoom });
      if (one === pane || this.linked) one.request();
    }
    if (tell) this.app.moved();
  }
}

/** Where the middle of a map is on the screen. */
function middle(pane: Pane): [number, number] {
  const { left, top, width, height } = pane.element.getBoundingClientRect();
  return [left + width / 2, top + height / 2];
}
