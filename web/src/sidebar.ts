// The panel on the left: title, search, colors.
import type { App } from "./app";
import { el, fill, iconButton } from "./dom";
import * as format from "./format";
import { Legend } from "./legend";

const SEARCH = "Search the texts";
const FIND = "Find an id"; // where a page holds no texts

export class Sidebar {
  readonly element = el("aside", { class: "sidebar", "aria-label": "Search and colors" });
  readonly input: HTMLInputElement = el("input", {
    type: "search", id: "search", autocomplete: "off", spellcheck: "false",
    "aria-describedby": "search-says",
    onfocus: () => void this.app.search.warm().catch(() => undefined), oninput: () => void this.look(),
  });
  private readonly says = el("p", { id: "search-says", class: "quiet", role: "status" });
  private readonly fold: HTMLButtonElement;

  constructor(private readonly app: App, actions: { frame(rows: Uint32Array): void; about(): void; changed(): void }) {
    this.fold = iconButton("menu", "Colors and filters", () => {
      const open = !this.element.classList.toggle("folded");
      this.fold.setAttribute("aria-expanded", String(open));
      actions.changed();
    }, { class: "icon fold", "aria-expanded": "true" });
    if (innerWidth < 720) {
      this.element.classList.add("folded");
      this.fold.setAttribute("aria-expanded", "false");
    }
    const { head } = app;
    const kept = head.maps.map((map) => map.honesty?.kept).filter((share) => typeof share === "number");
    const says = el("p", { class: "quiet" }, format.plural(head.n, "point"));
    if (kept.length)
      says.append(el("br"), el("button", { type: "button", class: "text-button", onclick: () => actions.about() }, `${kept.map((share) => `${Math.round(100 * share)}%`).join(" and ")} of true neighbors kept`));
    const moved = head.columns.find((column) => column.role === "moved");
    if (moved) void this.tellMoved(says, moved.key);
    if (head.overlay) {
      const name = app.data.column(head.overlay.column).levels?.[head.overlay.level] ?? "";
      says.append(el("br"), el("span", { class: "diamond", "aria-hidden": "true" }, "◆"), ` ${format.plural(head.overlay.n, "point")} of ${name}`);
    }
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && app.focus) actions.frame(app.focus);
    });
    this.input.placeholder = head.texts ? SEARCH : FIND;
    const search = app.search.possible
      ? el("div", { class: "search", role: "search" }, el("label", { for: "search", class: "hidden-label" }, head.texts ? SEARCH : FIND), this.input, this.says)
      : el("p", { class: "quiet" }, "This page holds no texts: there is nothing to search.");
    this.element.append(
      el("header", {}, el("h1", { dir: "auto" }, head.title), this.fold), says, search,
      el("div", { class: "foldable" }, new Legend(app).element),
    );
    app.listen((changes) => {
      if (changes.has("hits")) this.tell();
    });
  }

  /** Of two maps: how much the models differ; a click shows where. */
  private async tellMoved(says: HTMLElement, key: string): Promise<void> {
    const shares = await this.app.data.load(key);
    let sum = 0;
    for (const share of shares) sum += share;
    if (sum >= 0 && shares.length)
      says.append(el("br"), el("button", { type: "button", class: "text-button", onclick: () => void this.app.colorBy(key) }, `${Math.round((100 * sum) / shares.length)}% of neighbors differ: show where`));
  }

  private async look(): Promise<void> {
    try {
      await this.app.find(this.input.value);
    } catch (error) {
      fill(this.says, error instanceof Error ? error.message : String(error));
    }
  }

  private tell(): void {
    const { app } = this;
    if (this.input.value !== app.state.query && document.activeElement !== this.input) this.input.value = app.state.query;
    if (!app.state.query) {
      this.input.value = "";
      this.says.textContent = "";
    } else if (app.searching) {
      if (!this.says.textContent) this.says.textContent = "Searching…";
    } else this.says.textContent = app.hits?.length ? `${format.plural(app.hits.length, "text")} found` : "Nothing found";
  }
}
