// Rows as a table: for screen readers, for browsers that cannot draw, and for reading.
import type { App } from "./app";
import { describe, shorten } from "./describe";
import { el, fill, iconButton } from "./dom";
import * as format from "./format";

const PAGE = 50;
/** More columns than this do not fit beside the text. */
const MOST_COLUMNS = 12;

export class Table {
  readonly element = el("div", { class: "table" });
  private readonly caption = el("p", { class: "caption", role: "status" });
  private readonly grid = el("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Rows" });
  private readonly pages = el("div", { class: "pages" });
  private page = 0;
  private turn = 0;
  private rows: Uint32Array = new Uint32Array(0);

  constructor(private readonly app: App, private readonly chosen: (row: number) => void) {
    this.element.append(this.caption, this.grid, this.pages);
  }

  /** Show these rows, from the first. */
  async show(rows: Uint32Array, what: string): Promise<void> {
    this.rows = rows;
    this.page = 0;
    this.caption.textContent = what;
    await this.draw();
  }

  private async draw(): Promise<void> {
    const turn = ++this.turn;
    const { app } = this;
    const from = this.page * PAGE;
    const slice = [...this.rows.slice(from, from + PAGE)];
    const columns = app.head.columns.slice(0, MOST_COLUMNS);
    const details = await Promise.all(slice.map((row) => describe(app.data, row)));
    const numbers = await app.fileRows();
    if (turn !== this.turn) return;
    const hasId = details.some((one) => one.id !== null);
    const head = el("tr", {}, el("th", { scope: "col" }, hasId ? "id" : "row"));
    if (app.head.texts) head.append(el("th", { scope: "col", class: "wide" }, "text"));
    for (const column of columns) head.append(el("th", { scope: "col" }, column.name));
    const body = el("tbody");
    details.forEach((one, i) => {
      const name = one.id ?? String(numbers[slice[i]]);
      const line = el("tr", {},
        el("th", { scope: "row" }, el("button", { type: "button", class: "text-button", onclick: () => this.chosen(slice[i]) }, shorten(name, 60))));
      if (app.head.texts) line.append(el("td", { class: "wide", dir: "auto" }, shorten(one.text ?? "missing", 400)));
      for (const [column, value] of one.values.slice(0, MOST_COLUMNS))
        line.append(el("td", { dir: "auto", class: column.kind === "number" ? "number" : undefined }, shorten(value, 160)));
      body.append(line);
    });
    fill(this.grid, el("table", {}, el("thead", {}, head), body));
    this.grid.scrollTop = 0;
    const last = Math.max(0, Math.ceil(this.rows.length / PAGE) - 1);
    const go = (to: number) => (): void => {
      this.page = Math.max(0, Math.min(last, to));
      void this.draw();
    };
    fill(this.pages,
      el("button", { type: "button", class: "button", onclick: go(this.page - 1), disabled: this.page === 0 }, "Previous"),
      el("span", {}, this.rows.length === 0 ? "No rows" : `${format.count(from + 1)} to ${format.count(Math.min(this.rows.length, from + PAGE))} of ${format.count(this.rows.length)}`),
      el("button", { type: "button", class: "button", onclick: go(this.page + 1), disabled: this.page >= last }, "Next"),
    );
  }
}

/** What the table is to list just now: what stands out, else all that is shown. */
export function listed(app: App): [Uint32Array, string] {
  if (app.focus) return [app.focus, `${format.plural(app.focus.length, "row")} found or selected`];
  if (app.shownCount === app.data.n)
    return [Uint32Array.from({ length: app.data.n }, (_, row) => row), `All ${format.plural(app.data.n, "row")}, near ones on the map next to each other`];
  const rows = new Uint32Array(app.shownCount);
  for (let row = 0, at = 0; row < app.data.n; row++) if (app.shown[row]) rows[at++] = row;
  return [rows, `${format.plural(rows.length, "row")} that the filters show, of ${format.count(app.data.n)}`];
}

/** A dialog over the page. */
export function dialog(title: string, ...content: (Node | string)[]): HTMLDialogElement {
  const box: HTMLDialogElement = el("dialog", { "aria-label": title },
    el("header", {}, el("h2", {}, title), iconButton("close", "Close", () => box.close())), ...content);
  box.addEventListener("close", () => box.remove());
  box.addEventListener("click", (event) => {
    if (event.target === box) box.close();
  });
  document.body.append(box);
  box.showModal();
  return box;
}
