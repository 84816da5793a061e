// The distribution of a number, brushed to filter by it.
import type { App } from "./app";
import { ramp, scaleOf } from "./colors";
import type { Column } from "./data";
import { el } from "./dom";
import * as format from "./format";

const BINS = 48;

export class Histogram {
  readonly element = el("div", { class: "histogram" });
  private readonly canvas = el("canvas", { "aria-hidden": "true" });
  private readonly low: number;
  private readonly high: number;
  private readonly scale: [number, number];
  private readonly counts = new Uint32Array(BINS);
  private readonly from: HTMLInputElement;
  private readonly to: HTMLInputElement;
  private readonly says = el("p", { class: "quiet" });

  constructor(private readonly app: App, private readonly column: Column) {
    const values = app.data.values.get(column.key) as ArrayLike<number>;
    this.low = column.low ?? 0;
    this.high = column.high ?? 1;
    this.scale = scaleOf(column, values);
    for (let i = 0; i < values.length; i++) if (Number.isFinite(values[i])) this.counts[this.bin(values[i])]++;
    const input = (name: string): HTMLInputElement => el("input", {
      type: "range", min: 0, max: 1000, step: 1, "aria-label": `${name} ${column.name}`, oninput: () => this.fromInputs(),
    });
    this.from = input("At least");
    this.to = input("At most");
    const missing = column.missing ? el("p", { class: "quiet" }, `${format.plural(column.missing, "row")} without a value, in gray`) : null;
    this.element.append(
      this.canvas,
      el("div", { class: "ends" }, el("span", {}, format.number(column, this.low)), el("span", {}, format.number(column, this.high))),
      el("div", { class: "brushes" }, this.from, this.to), this.says,
    );
    if (missing) this.element.append(missing);
    this.brush();
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  private bin(value: number): number {
    const span = this.high - this.low || 1;
    return Math.max(0, Math.min(BINS - 1, Math.floor(((value - this.low) / span) * BINS)));
  }

  private at(share: number): number {
    const value = this.low + (this.high - this.low) * share;
    return this.column.format === "integer" ? Math.round(value) : value;
  }

  private share(value: number): number {
    return this.high > this.low ? Math.max(0, Math.min(1, (value - this.low) / (this.high - this.low))) : 0;
  }

  private set(a: number, b: number): void {
    const [low, high] = a < b ? [a, b] : [b, a];
    const all = low <= 0 && high >= 1;
    this.app.setRange(this.column.key, all ? null : [this.at(low), this.at(high)]);
  }

  private fromInputs(): void {
    this.set(Number(this.from.value) / 1000, Number(this.to.value) / 1000);
  }

  /** Drag over the bars. */
  private brush(): void {
    let start: number | null = null;
    const share = (event: PointerEvent): number => {
      const box = this.canvas.getBoundingClientRect();
      return Math.max(0, Math.min(1, (event.clientX - box.left) / box.width));
    };
    this.canvas.addEventListener("pointerdown", (event) => {
      this.canvas.setPointerCapture(event.pointerId);
      start = share(event);
    });
    this.canvas.addEventListener("pointermove", (event) => {
      if (start !== null && Math.abs(share(event) - start) > 0.01) this.set(start, share(event));
    });
    this.canvas.addEventListener("pointerup", (event) => {
      if (start !== null && Math.abs(share(event) - start) <= 0.01) this.set(0, 1);
      start = null;
    });
  }

  draw(): void {
    const ratio = Math.min(2, devicePixelRatio || 1);
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    const context = this.canvas.getContext("2d");
    if (!width || !context) return;
    this.canvas.width = width * ratio;
    this.canvas.height = height * ratio;
    context.scale(ratio, ratio);
    const colors = ramp(this.app.head.palette.scale[this.app.theme]);
    const range = this.app.state.range.get(this.column.key) ?? [this.low, this.high];
    const [a, b] = range.map((value) => this.share(value));
    const most = Math.max(1, ...this.counts);
    const step = width / BINS;
    for (let i = 0; i < BINS; i++) {
      const middle = this.low + ((i + 0.5) / BINS) * (this.high - this.low);
      const place = (middle - this.scale[0]) / (this.scale[1] - this.scale[0] || 1);
      const [r, g, bl] = colors[Math.max(0, Math.min(255, Math.round(255 * place)))];
      const within = (i + 1) / BINS > a && i / BINS < b;
      context.globalAlpha = within ? 1 : 0.22;
      context.fillStyle = `rgb(${r} ${g} ${bl})`;
      const tall = this.counts[i] ? Math.max(2, Math.sqrt(this.counts[i] / most) * (height - 2)) : 0;
      context.fillRect(i * step + 0.5, height - tall, Math.max(1, step - 1), tall);
    }
    this.from.value = String(Math.round(1000 * a));
    this.to.value = String(Math.round(1000 * b));
    const filtered = this.app.state.range.has(this.column.key);
    this.says.textContent = filtered
      ? `${format.number(this.column, range[0])} to ${format.number(this.column, range[1])}`
      : "Drag over the bars to filter. Bar height: square root of the count.";
  }
}
