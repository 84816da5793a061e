// The point that was clicked: its text, its columns, its true nearest neighbors.
import type { App } from "./app";
import { describe, nameOf, shorten, swatch } from "./describe";
import { el, fill, iconButton } from "./dom";

export class Card {
  readonly element = el("section", { class: "panel card", "aria-label": "The picked point", hidden: true });
  private turn = 0;

  constructor(private readonly app: App, private readonly actions: { reveal(row: number): void; changed(): void }) {
    app.listen((changes) => {
      if (changes.has("picked") || changes.has("theme")) void this.draw();
    });
  }

  private async draw(): Promise<void> {
    const turn = ++this.turn;
    const { app } = this;
    const row = app.state.picked;
    if (this.element.hidden === row >= 0) {
      this.element.hidden = row < 0;
      this.actions.changed();
    }
    if (row < 0) return fill(this.element);
    const { text, values } = await describe(app.data, row);
    const name = await nameOf(app, row);
    const near = app.neighbors ? await Promise.all(app.neighbors.rows.map((other) => describe(app.data, other))) : null;
    if (turn !== this.turn) return;
    const facts = el("dl");
    for (const [column, value] of values) {
      facts.append(el("dt", {}, column.name), el("dd", { dir: "auto" }, swatch(app, column, row), shorten(value, 400)));
    }
    const held = document.activeElement instanceof HTMLElement && this.element.contains(document.activeElement);
    const close = iconButton("close", "Let go of this point", () => void app.pick(-1));
    fill(this.element,
      el("header", {}, el("h2", { dir: "auto" }, shorten(name, 80)), close),
      text !== null && el("p", { class: "text", dir: "auto", tabindex: 0, role: "region", "aria-label": "Text" }, text.replaceAll("\0", "␀")),
      facts,
    );
    if (near && app.neighbors && near.length > 0) {
      const { rows, similarity } = app.neighbors;
      this.element.append(el("h3", {}, `Nearest neighbors, by the vectors ${app.head.maps.length > 1 && app.neighborsOf ? `of ${app.neighborsOf}` : "themselves"}`),
        el("ol", { class: "rows near" }, ...near.map((one, i) => el("li", {},
          el("button", { type: "button", class: "row-button", onclick: () => { this.actions.reveal(rows[i]); void app.pick(rows[i]); } },
            el("span", { class: "similarity" }, similarity[i].toFixed(3)),
            el("span", { dir: "auto" }, shorten(one.text ?? one.id ?? `row ${rows[i]}`, 140)))))));
    } else if (app.neighbors) this.element.append(el("p", { class: "quiet" }, "This page holds no neighbors: there were too few points."));
    if (held) close.focus();
  }
}
