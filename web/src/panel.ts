// The set found or selected: how many, what is special about them, the rows, files of them.
import type { App } from "./app";
import { describe, shorten, swatch } from "./describe";
import { el, fill, iconButton } from "./dom";
import { saveCsv, saveIds } from "./exports";
import * as format from "./format";
import { debounce } from "./later";
import { distinctive } from "./words";

const LISTED = 100;
const WORDS = 14;

export class Panel {
  readonly element = el("section", { class: "panel set", "aria-label": "Found or selected", hidden: true });
  private turn = 0;
  private readonly drawSoon = debounce(120, () => void this.draw());

  constructor(
    private readonly app: App,
    private readonly actions: { table(): void; frame(rows: Uint32Array): void; look(query: string): void; changed(): void },
  ) {
    app.listen((changes) => {
      if (changes.has("hits") || changes.has("selection") || changes.has("shown") || changes.has("theme")) this.drawSoon();
    });
  }

  private async draw(): Promise<void> {
    const turn = ++this.turn;
    const { app } = this;
    const rows = app.focus;
    const visible = rows !== null;
    if (this.element.hidden === visible) {
      this.element.hidden = !visible;
      this.actions.changed();
    }
    if (!rows) return fill(this.element);
    const by = [app.hits && `found by “${shorten(app.state.query, 40)}”`, app.selected && "inside the selection", app.filtered && "shown by the filters"].filter(Boolean).join(", ");
    const words = el("div", { class: "words" });
    const list = el("ol", { class: "rows" });
    const busy = el("span", { class: "quiet", role: "status" });
    const file = (save: (app: App, rows: Uint32Array) => Promise<void>) => async (): Promise<void> => {
      busy.textContent = "Writing…";
      await save(app, rows);
      busy.textContent = "";
    };
    fill(this.element,
      el("header", {},
        el("h2", {}, format.plural(rows.length, app.head.texts ? "text" : "point")),
        iconButton("close", "Clear search and selection", () => this.actions.look("")),
      ),
      el("p", { class: "quiet" }, `${((100 * rows.length) / Math.max(1, app.data.n)).toFixed(rows.length * 100 < app.data.n ? 2 : 0)}% of the map, ${by}`),
      rows.length > 0 && el("div", { class: "actions" },
        app.stage !== null && el("button", { type: "button", class: "button", onclick: () => this.actions.frame(rows) }, "Zoom to them"),
        el("button", { type: "button", class: "button", onclick: () => this.actions.table() }, "Table"),
        el("button", { type: "button", class: "button", onclick: () => void file(saveCsv)() }, "CSV"),
        el("button", { type: "button", class: "button", onclick: () => void file(saveIds)() }, "IDs"), busy),
      words, list,
      rows.length > LISTED && el("p", { class: "quiet" }, `The first ${LISTED} of ${format.count(rows.length)}. The table has all.`),
    );
    await this.list(rows, list, turn);
    const found = await distinctive(app.data, rows, WORDS);
    if (turn !== this.turn || found.length === 0) return;
    fill(words, el("h3", {}, "Distinctive words"), el("ul", {}, ...found.map(({ word, share }) =>
      el("li", {}, el("button", { type: "button", class: "chip", title: `in ${Math.round(100 * share)}% of them; click to search for it`, onclick: () => this.actions.look(word) }, word)))));
  }

  private async list(rows: Uint32Array, list: HTMLElement, turn: number): Promise<void> {
    const { app } = this;
    const slice = [...rows.slice(0, LISTED)];
    const key = app.state.color;
    const details = await Promise.all(slice.map((row) => describe(app.data, row)));
    if (turn !== this.turn) return;
    const column = key === null ? null : app.data.column(key);
    details.forEach((one, i) => {
      list.append(el("li", {}, el("button", { type: "button", class: "row-button", dir: "auto", onclick: () => void app.pick(slice[i]) },
        column && swatch(app, column, slice[i]), shorten(one.text ?? one.id ?? `row ${slice[i]}`, 160))));
    });
  }
}
