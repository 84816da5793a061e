// What the colors mean, which also filters: a click hides a category, Alt and a click (or "only")
// isolates it; numbers are brushed on their histogram.
import type { App } from "./app";
import { levelColor } from "./colors";
import type { Column } from "./data";
import { el, fill } from "./dom";
import * as format from "./format";
import { Histogram } from "./histogram";

const AT_FIRST = 40;
const FOUND_AT_MOST = 100;

export class Legend {
  readonly element = el("section", { class: "legend", "aria-labelledby": "legend-title" });
  private readonly select = el("select", { id: "color-by", onchange: () => void this.app.colorBy(this.select.value || null) });
  private readonly body = el("div");
  private readonly note = el("div", { class: "filter-note", role: "status" });
  private built: string | null | undefined;
  private needle = "";
  private histogram: Histogram | null = null;

  constructor(private readonly app: App) {
    const label = el("label", { for: "color-by", id: "legend-title" }, "Color by");
    this.select.append(el("option", { value: "" }, "nothing"));
    for (const [title, own] of [["Columns", true], ["What the map says of itself", false]] as const) {
      const columns = app.head.columns.filter((column) => column.kind !== "text" && (column.role === "own") === own);
      const group = el("optgroup", { label: title });
      for (const column of columns) group.append(el("option", { value: column.key }, column.name));
      if (columns.length) this.select.append(group);
    }
    this.element.append(el("div", { class: "row" }, label, this.select), this.body, this.note);
    app.listen((changes) => {
      if (changes.has("color")) this.rebuild();
      else if (changes.has("theme")) this.rebuild(true);
      else if (changes.has("shown")) this.mark();
      if (changes.has("shown") || changes.has("color")) this.tellFiltered();
    });
  }

  private rebuild(force = false): void {
    const key = this.app.state.color;
    if (key === this.built && !force) return this.mark();
    if (key !== this.built) this.needle = "";
    this.built = key;
    this.select.value = key ?? "";
    this.histogram = null;
    if (key === null) return fill(this.body);
    const column = this.app.data.column(key);
    if (column.kind === "number") {
      this.histogram = new Histogram(this.app, column);
      fill(this.body, this.histogram.element);
    } else this.categories(column);
  }

  private categories(column: Column): void {
    const levels = column.levels ?? [];
    const colored = this.app.head.palette.light.length;
    const list = el("ul", { class: "levels" });
    const found = el("p", { class: "quiet" });
    const show = (): void => {
      const needle = this.needle.trim().toLowerCase();
      const codes: number[] = [];
      let more = 0;
      for (let code = 1; code <= levels.length; code++) {
        if (needle && !levels[code - 1].toLowerCase().includes(needle)) continue;
        if (codes.length < (needle ? FOUND_AT_MOST : AT_FIRST)) codes.push(code);
        else more++;
      }
      if (column.missing && !needle) codes.push(0);
      fill(list, ...codes.map((code) => this.level(column, code)));
      found.textContent = more > 0
        ? `and ${format.count(more)} more: type to find one`
        : codes.length === 0 ? "No category of that name." : "";
      if (levels.length > colored && !needle) found.textContent += `${more ? ". " : ""}The first ${colored} have colors of their own; Alt and a click shows any one alone.`;
      this.mark();
    };
    const box = levels.length > AT_FIRST
      ? el("input", {
          type: "search", class: "find-level", placeholder: `Find among ${format.count(levels.length)}`, "aria-label": `Find a category of ${column.name}`,
          value: this.needle, oninput: (event: Event) => { this.needle = (event.target as HTMLInputElement).value; show(); },
        })
      : null;
    fill(this.body, box, list, found);
    show();
  }

  private level(column: Column, code: number): HTMLElement {
    const name = code === 0 ? "missing" : (column.levels as string[])[code - 1];
    const size = code === 0 ? (column.missing ?? 0) : (column.counts?.[code - 1] ?? 0);
    const mark = el("span", { class: "swatch" });
    mark.style.background = levelColor(this.app.head, this.app.theme, code);
    return el("li", {},
      el("button", {
        type: "button", class: "level", "data-code": code, "aria-pressed": "true",
        title: "Click: hide or show. Alt and click: only this one.",
        onclick: (event: MouseEvent) => (event.altKey ? this.isolate(column, code) : this.toggle(column, code)),
      }, mark, el("span", { class: "name", dir: "auto" }, name || "(empty)"), el("span", { class: "count" }, format.count(size))),
      el("button", {
        type: "button", class: "only", "aria-label": `Show only ${name || "(empty)"}`,
        onclick: () => this.isolate(column, code),
      }, "only"),
    );
  }

  private toggle(column: Column, code: number): void {
    const hidden = new Set(this.app.state.hidden.get(column.key));
    if (!hidden.delete(code)) hidden.add(code);
    this.app.setHidden(column.key, hidden);
  }

  /** Only this one; once more: all again. */
  private isolate(column: Column, code: number): void {
    const total = (column.levels?.length ?? 0) + 1;
    const now = this.app.state.hidden.get(column.key);
    const hidden = new Set<number>();
    if (!(now && now.size === total - 1 && !now.has(code)))
      for (let other = 0; other < total; other++) if (other !== code) hidden.add(other);
    this.app.setHidden(column.key, hidden);
  }

  private mark(): void {
    const hidden = this.built ? this.app.state.hidden.get(this.built) : undefined;
    for (const button of this.body.querySelectorAll<HTMLElement>("button.level"))
      button.setAttribute("aria-pressed", String(!hidden?.has(Number(button.dataset.code))));
    this.histogram?.draw();
  }

  private tellFiltered(): void {
    const { app } = this;
    if (!app.filtered) return fill(this.note);
    const names = [...app.state.hidden.keys(), ...app.state.range.keys()].map((key) => app.data.column(key).name);
    fill(this.note,
      el("span", {}, `${format.count(app.shownCount)} of ${format.count(app.data.n)} shown, filtered by ${names.join(", ")}`),
      el("button", { type: "button", class: "text-button", onclick: () => app.clearFilters() }, "Show all"),
    );
  }
}
