// What the user has set, and its form in the address: view, color, filters, search, selection.

export interface Area {
  /** Which map it was drawn on. */
  map: string;
  /** Corners in units of the map. */
  corners: [number, number][];
}

export interface State {
  color: string | null;
  /** Hidden category codes, by column. */
  hidden: Map<string, Set<number>>;
  /** Shown numbers, by column. */
  range: Map<string, [number, number]>;
  query: string;
  area: Area | null;
  picked: number;
  /** null: as the system says. */
  theme: "light" | "dark" | null;
  /** x, y, zoom of the first map; null: all. */
  view: [number, number, number] | null;
}

export function emptyState(color: string | null): State {
  return { color, hidden: new Map(), range: new Map(), query: "", area: null, picked: -1, theme: null, view: null };
}

interface Shape {
  columns: { key: string; kind: string; levels?: string[] }[];
  maps: { key: string }[];
  n: number;
  color: string | null;
}

export function toHash(state: State, head: Shape): string {
  const parts = new URLSearchParams();
  if (state.view) {
    const [x, y, zoom] = state.view;
    parts.set("v", [x.toFixed(zoom > 1000 ? 2 : 0), y.toFixed(zoom > 1000 ? 2 : 0), Number(zoom.toPrecision(7))].join("_"));
  }
  if (state.color !== head.color) parts.set("c", state.color ?? "");
  if (state.query) parts.set("q", state.query);
  for (const [key, codes] of state.hidden) {
    const levels = head.columns.find((column) => column.key === key)?.levels?.length ?? 0;
    if (codes.size === 0) continue;
    if (2 * codes.size <= levels + 1) parts.set(`h.${key}`, [...codes].join("_"));
    else parts.set(`o.${key}`, Array.from({ length: levels + 1 }, (_, code) => code).filter((code) => !codes.has(code)).join("_"));
  }
  for (const [key, [low, high]] of state.range) parts.set(`r.${key}`, `${low}_${high}`);
  if (state.area) {
    const corners = state.area.corners.map(([x, y]) => `${Math.round(x).toString(36)}.${Math.round(y).toString(36)}`);
    parts.set("s", [state.area.map, ...corners].join("_"));
  }
  if (state.picked >= 0) parts.set("p", String(state.picked));
  if (state.theme) parts.set("t", state.theme);
  const text = parts.toString();
  return text ? `#${text}` : "";
}

/** Read an address; what does not belong to this page is left out. */
export function fromHash(hash: string, head: Shape): State {
  const parts = new URLSearchParams(hash.replace(/^#/, ""));
  const state = emptyState(head.color);
  const numbers = (text: string): number[] => text.split("_").filter(Boolean).map(Number).filter(Number.isFinite);
  for (const [name, value] of parts) {
    const [kind, key] = name.split(".", 2);
    const column = head.columns.find((one) => one.key === key);
    if (kind === "v") {
      const [x, y, zoom] = numbers(value);
      if (zoom > 0) state.view = [x, y, zoom];
    } else if (kind === "c") {
      if (value === "") state.color = null;
      else if (head.columns.some((one) => one.key === value && one.kind !== "text")) state.color = value;
    } else if (kind === "q") state.query = value;
    else if (kind === "h" && column?.kind === "category") state.hidden.set(key, new Set(numbers(value)));
    else if (kind === "o" && column?.kind === "category") {
      const shown = new Set(numbers(value));
      const hidden = new Set<number>();
      for (let code = 0; code <= (column.levels?.length ?? 0); code++) if (!shown.has(code)) hidden.add(code);
      state.hidden.set(key, hidden);
    } else if (kind === "r" && column?.kind === "number") {
      const [low, high] = numbers(value);
      if (high >= low) state.range.set(key, [low, high]);
    } else if (kind === "s") {
      const [map, ...corners] = value.split("_");
      const points = corners.map((corner) => corner.split(".").map((text) => parseInt(text, 36)) as [number, number]);
      if (head.maps.some((one) => one.key === map) && points.length >= 3 && points.flat().every(Number.isFinite))
        state.area = { map, corners: points };
    } else if (kind === "p") {
      const row = Number(value);
      if (Number.isInteger(row) && row >= 0 && row < head.n) state.picked = row;
    } else if (kind === "t" && (value === "light" || value === "dark")) state.theme = value;
  }
  return state;
}
