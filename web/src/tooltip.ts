// What the point under the pointer is.
import type { App } from "./app";
import { describe, shorten, swatch } from "./describe";
import { el, fill } from "./dom";

export class Tooltip {
  readonly element = el("div", { class: "tooltip", role: "status", hidden: true });
  private row = -1;
  private readonly drawn = el("div");

  constructor(private readonly app: App) {
    this.element.append(this.drawn);
  }

  show(row: number, px: number, py: number): void {
    if (row !== this.row) {
      this.row = row;
      void this.describe(row, px, py);
    }
    this.place(px, py);
  }

  hide(): void {
    this.row = -1;
    this.element.hidden = true;
  }

  private async describe(row: number, px: number, py: number): Promise<void> {
    const { text, id, values } = await describe(this.app.data, row);
    if (row !== this.row) return;
    const list = el("dl");
    for (const [column, value] of values.slice(0, 8)) {
      if (value === "missing") continue;
      list.append(
        el("dt", {}, column.name),
        el("dd", { dir: "auto" }, swatch(this.app, column, row), shorten(value.replaceAll("\0", "␀"), 120)),
      );
    }
    const title = text ?? id ?? `Point ${row}`;
    fill(this.drawn, el("p", { class: "text", dir: "auto" }, shorten(title.replaceAll("\0", "␀"), 280)), list);
    this.element.hidden = false;
    this.place(px, py);
  }

  private place(px: number, py: number): void {
    const { offsetWidth: w, offsetHeight: h } = this.element;
    const x = px + 16 + w > innerWidth ? Math.max(8, px - 16 - w) : px + 16;
    const y = py + 16 + h > innerHeight ? Math.max(8, py - 16 - h) : py + 16;
    this.element.style.transform = `translate(${x}px, ${y}px)`;
  }
}
