// One map on the screen: a canvas of points, a canvas of lines and labels over it, and its view.
import type { App } from "./app";
import { rgb } from "./colors";
import { type Label, type MapHead, unit } from "./data";
import { el } from "./dom";
import { placeLabels } from "./labels";
import { drawOverlay, type Ink } from "./overlay";
import { PointRenderer } from "./points";
import { hilbertOrder, inside, makeTiles, nearest, type Tiles } from "./tiles";
import { frameOf, View } from "./view";

const REST_MS = 140;

export class Pane {
  readonly element: HTMLElement;
  readonly over: HTMLCanvasElement;
  readonly view: View;
  readonly tiles: Tiles;
  readonly points: PointRenderer;
  hovered = -1;
  /** Corners of the lasso or box being drawn, in units of the map. */
  drawing: [number, number][] = [];
  onframe: (() => void) | null = null;
  private ink: Ink;
  private frame = 0;
  private dirty = true;
  private movedAt = 0;
  private drawnAt = 0;
  private animation = 0;

  constructor(readonly app: App, readonly map: MapHead, readonly x: Uint32Array, readonly y: Uint32Array, private readonly labels: Label[]) {
    const canvas = el("canvas", { class: "points", "aria-hidden": "true" });
    this.over = el("canvas", {
      class: "over", tabindex: 0, role: "application", "aria-roledescription": "map",
      "aria-label": `Map of ${app.head.n} points${app.head.maps.length > 1 ? `, ${map.title}` : ""}. Arrows move, plus and minus zoom, Enter picks the point in the middle, T lists what is shown.`,
    });
    this.element = el("div", { class: "pane" }, canvas, this.over);
    if (app.head.maps.length > 1) this.element.append(el("h2", { class: "pane-title" }, map.title));
    this.view = new View(frameOf(map.view));
    this.tiles = map === app.head.maps[0] ? makeTiles(x, y) : makeTiles(x, y, hilbertOrder(x, y));
    this.points = new PointRenderer(canvas, x, y, this.tiles);
    this.ink = readInk();
    canvas.addEventListener("webglcontextlost", () => dispatchEvent(new Event("map-lost")));
  }

  /** Sizes from the layout. */
  resize(): void {
    const { width, height } = this.element.getBoundingClientRect();
    const ratio = Math.min(2, devicePixelRatio || 1);
    this.view.resize(width, height);
    this.points.resize(width, height, ratio);
    this.over.width = Math.max(1, Math.round(width * ratio));
    this.over.height = Math.max(1, Math.round(height * ratio));
    this.request();
  }

  /** Colors, filters or what stands out have changed. */
  repaint(): void {
    this.ink = readInk();
    const { app, tiles } = this;
    const n = tiles.order.length;
    const colors = app.colors(this.ink.plain);
    const tints = new Uint8Array(4 * n);
    const out = app.focus ? new Uint8Array(n) : null;
    if (app.focus && out) for (const row of app.focus) out[row] = 1;
    const [r, g, b] = this.ink.dim;
    // What is found must be seen, also where its category has no color of its own.
    const rest = rgb(app.head.palette.rest[app.theme]);
    const accent = rgb(this.ink.accent);
    const lit = new Uint32Array(app.focus?.length ?? 0);
    let found = 0;
    for (let at = 0; at < n; at++) {
      const row = tiles.order[at];
      if (!app.shown[row]) continue;
      if (out && !out[row]) {
        tints[4 * at] = r;
        tints[4 * at + 1] = g;
        tints[4 * at + 2] = b;
        tints[4 * at + 3] = 70;
        continue;
      }
      const gray = out && colors[3 * row] === rest[0] && colors[3 * row + 1] === rest[1] && colors[3 * row + 2] === rest[2];
      for (let i = 0; i < 3; i++) tints[4 * at + i] = gray ? accent[i] : colors[3 * row + i];
      tints[4 * at + 3] = 255;
      if (out) lit[found++] = at;
    }
    // In drawing order a prefix of the lit points would be one corner of the map: deal them out.
    this.points.paint(tints, lit.length > 20_000 ? dealt(lit) : lit, rgb(this.ink.text));
    this.request();
  }

  request(): void {
    this.dirty = true;
    this.element.dataset.state = "moving";
    this.movedAt = performance.now();
    this.frame ||= requestAnimationFrame(() => this.tick());
  }

  /** Rows of a second file, told apart by their shape. */
  mark(values: ArrayLike<number>, code: number): void {
    this.points.mark(Uint32Array.from(this.tiles.order.keys()).filter((at) => values[this.tiles.order[at]] === code));
    this.request();
  }

  /** Draw everything now, for a picture. */
  complete(): void {
    this.points.begin(this.view, this.size, this.opacity);
    while (!this.points.more(this.view, this.size, this.opacity, 1e9));
    this.points.finish();
    this.drawOver();
  }

  /** Diameter of a point, in CSS pixels: more room, larger points. */
  get size(): number {
    const room = Math.sqrt((this.view.width * this.view.height) / Math.max(1, this.x.length));
    const base = Math.min(6.5, Math.max(1.4, 0.5 * room));
    return Math.min(11, base * Math.max(1, this.view.zoom) ** 0.33);
  }

  private get opacity(): number {
    const crowd = this.x.length / (this.view.width * this.view.height);
    const base = Math.min(0.88, Math.max(0.3, 0.9 - 0.6 * crowd));
    return Math.min(0.92, base * Math.max(1, this.view.zoom) ** 0.2);
  }

  /** The row under a place on the screen, or -1. */
  rowAt(px: number, py: number, reach = 9): number {
    const radius = Math.max(reach, this.size) / this.view.scale;
    return nearest(this.tiles, this.x, this.y, this.app.shown, this.view.toMap(px, py), radius);
  }

  rowsIn(corners: [number, number][]): Uint32Array {
    return inside(this.tiles, this.x, this.y, corners);
  }

  /** Whether no panel and no edge hides a row. */
  clear(row: number): boolean {
    const { width, height, inset } = this.view;
    const [px, py] = this.screen(row);
    return px > inset.left + 10 && px < width - inset.right - 10 && py > inset.top + 10 && py < height - inset.bottom - 10;
  }

  screen(row: number): [number, number] {
    return this.view.toScreen(this.x[row], this.y[row]);
  }

  hover(row: number): void {
    if (row === this.hovered) return;
    this.hovered = row;
    this.drawOver();
  }

  /** Stay where the gliding has come. */
  halt(): void {
    cancelAnimationFrame(this.animation);
  }

  /** Glide to a place, or jump where motion is unwanted. */
  glide(x: number, y: number, zoom: number, done: () => void): void {
    this.halt();
    const { view } = this;
    const from = { x: view.x, y: view.y, zoom: view.zoom };
    const arrive = (): void => {
      this.animation = 0;
      [view.x, view.y, view.zoom] = [x, y, zoom];
      this.request();
      done();
    };
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) return arrive();
    const began = performance.now();
    const step = (): void => {
      const share = Math.min(1, (performance.now() - began) / 260);
      if (share >= 1) return arrive();
      const ease = 1 - (1 - share) ** 3;
      view.zoom = from.zoom * (zoom / from.zoom) ** ease;
      view.x = from.x + (x - from.x) * ease;
      view.y = from.y + (y - from.y) * ease;
      this.request();
      this.animation = requestAnimationFrame(step);
    };
    this.animation = requestAnimationFrame(step);
  }

  drawOver(): void {
    drawOverlay(this, this.ink, placeLabels(this.labels, this.view, unit));
  }

  private tick(): void {
    this.frame = 0;
    const { points, view } = this;
    const now = performance.now();
    if (this.dirty) {
      this.dirty = false;
      // Two frames in a row: how long the first took says how many points fit in one.
      if (this.drawnAt && now - this.drawnAt < 500 && points.inSight(view) > points.budget / 2) points.learn(now - this.drawnAt);
      this.drawnAt = now;
      points.begin(view, this.size, this.opacity);
      this.drawOver();
      this.onframe?.();
    } else {
      this.drawnAt = 0;
      if (now - this.movedAt > REST_MS) points.more(view, this.size, this.opacity, 4 * points.budget);
    }
    this.element.dataset.state = points.finished ? "rest" : "moving";
    if (!points.finished) this.frame ||= requestAnimationFrame(() => this.tick());
  }
}

function dealt(values: Uint32Array): Uint32Array {
  const order = new Uint32Array(values.length);
  const step = 7919; // a prime: coprime to any length it does not divide
  if (values.length % step === 0) return values;
  for (let i = 0, at = 0; i < values.length; i++, at = (at + step) % values.length) order[i] = values[at];
  return order;
}

function readInk(): Ink {
  const style = getComputedStyle(document.documentElement);
  const color = (name: string): string => style.getPropertyValue(name).trim();
  const dim = color("--dim");
  return {
    plain: color("--plain"), dim: [1, 3, 5].map((i) => parseInt(dim.slice(i, i + 2), 16)) as [number, number, number],
    text: color("--text"), halo: color("--ground"), accent: color("--accent"), font: getComputedStyle(document.body).fontFamily,
  };
}
