// Where the map comes from, and how far it can be trusted.
import type { App } from "./app";
import { el } from "./dom";
import * as format from "./format";
import { dialog } from "./table";

const percent = (share: number): string => `${(100 * share).toFixed(1)}%`;

export function showAbout(app: App): void {
  const parts: Node[] = [];
  for (const map of app.head.maps) {
    if (app.head.maps.length > 1) parts.push(el("h3", { dir: "auto" }, map.title));
    const { honesty } = map;
    if (typeof honesty?.kept === "number") {
      parts.push(el("div", { class: "figures" },
        figure(percent(honesty.kept), `of the ${honesty.k} true nearest neighbors of a point are also its neighbors on the map`),
        figure(honesty.trustworthiness.toFixed(3), "trustworthiness: 1 would mean that whatever looks near is near"),
      ));
      parts.push(el("p", { class: "quiet" },
        `${honesty.exact ? "" : `Trustworthiness was measured on ${format.plural(honesty.rows, "point")} chosen at random. `}Distances between far clusters, their sizes and their densities mean little on any such map. Color by the share of neighbors kept to see where this one can be trusted.`));
    }
    const list = el("dl", { class: "facts" });
    for (const [name, value] of map.facts) list.append(el("dt", {}, name), el("dd", { dir: "auto" }, value));
    parts.push(list);
  }
  if (app.head.shortened > 0)
    parts.push(el("p", { class: "quiet" }, `${format.plural(app.head.shortened, "text")} longer than 20,000 characters: the page holds the beginning.`));
  dialog(app.head.maps.length > 1 ? "About these maps" : "About this map", el("div", { class: "scroll prose", tabindex: 0 }, ...parts));
}

function figure(value: string, says: string): HTMLElement {
  return el("div", { class: "figure" }, el("strong", {}, value), el("span", {}, says));
}

const KEYS: [string, string][] = [
  ["Drag, arrows", "move the map"], ["Wheel, pinch, +  −", "zoom"], ["Click", "a point: its text and its true nearest neighbors"], ["0", "show all"], ["/", "search"],
  ["Enter", "on the map: pick the point nearest to the middle; in the search: zoom to what was found"],
  ["B, L, V", "select by box, by lasso; move"], ["T", "table of what is shown or found"],
  ["D", "dark or light"], ["I", "about this map"], ["?", "these keys"],
  ["Esc", "let go: of the point, then the selection, then the search, then the filters"],
  ["Shift and drag", "lasso"], ["Alt and click", "in the legend: only this category"], ["Double click", "zoom in"],
];

export function showKeys(): void {
  const list = el("dl", { class: "facts keys" });
  for (const [key, says] of KEYS) list.append(el("dt", {}, el("kbd", {}, key)), el("dd", {}, says));
  dialog("Keys and gestures", el("div", { class: "scroll prose", tabindex: 0 }, list));
}
