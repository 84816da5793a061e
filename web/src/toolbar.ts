// The tools at the top right and bottom right.
import { el, iconButton } from "./dom";
import type { Tool } from "./gestures";

export interface Tools {
  tool(name: Tool): void;
  zoom(factor: number): void;
  fit(): void;
  /** Of two maps: whether they move together. */
  link(on: boolean): void;
  theme(): void;
  picture(): void;
  table(): void;
  about(): void;
  keys(): void;
}

export class Toolbar {
  readonly element = el("section", { class: "toolbar", "aria-label": "Tools" });
  private readonly tools = new Map<Tool, HTMLButtonElement>();

  constructor(actions: Tools, maps: number) {
    const drawn = maps > 0;
    if (drawn) {
      const tool = (name: Tool, label: string): HTMLButtonElement => {
        const button = iconButton(name, label, () => actions.tool(name), { "aria-pressed": "false" });
        this.tools.set(name, button);
        return button;
      };
      this.element.append(
        el("div", { class: "group" }, tool("pan", "Move (V)"), tool("box", "Select by box (B)"), tool("lasso", "Select by lasso (L)")),
        el("div", { class: "group" }, iconButton("plus", "Zoom in (+)", () => actions.zoom(1.6)), iconButton("minus", "Zoom out (−)", () => actions.zoom(1 / 1.6)), iconButton("fit", "Show all (0)", () => actions.fit())),
      );
    }
    if (maps > 1) {
      const link = iconButton("link", "Move both maps together", () => {
        const on = link.getAttribute("aria-pressed") === "false";
        link.setAttribute("aria-pressed", String(on));
        actions.link(on);
      }, { "aria-pressed": "true", class: "icon link-button" });
      this.element.append(el("div", { class: "group" }, link));
    }
    const group = el("div", { class: "group" }, iconButton("table", "Table (T)", () => actions.table()));
    if (drawn) group.append(iconButton("image", "Save as PNG", () => actions.picture()));
    group.append(
      iconButton("theme", "Dark or light (D)", () => actions.theme()),
      iconButton("info", "About this map (I)", () => actions.about()),
      iconButton("keys", "Keys and gestures (?)", () => actions.keys(), { class: "icon keys-button" }),
    );
    this.element.append(group);
    this.mark("pan");
  }

  mark(tool: Tool): void {
    for (const [name, button] of this.tools) button.setAttribute("aria-pressed", String(name === tool));
  }
}
