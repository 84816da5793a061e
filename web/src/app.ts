// The one place where the state is kept and what follows from it is worked out: which rows are
// shown, which stand out, and who has to be told.
import { rowColors, type Theme } from "./colors";
import { type Head, late, type MapData, type Neighbors } from "./data";
import { debounce } from "./later";
import { Search } from "./search";
import { type Area, emptyState, fromHash, type State, toHash } from "./state";

export type Change = "color" | "shown" | "hits" | "selection" | "picked" | "theme" | "view" | "columns";

/** A part that draws maps: what the app needs of it. */
export interface Stage {
  rowsIn(area: Area): Uint32Array;
  view(): [number, number, number] | null;
  setView(view: [number, number, number] | null): void;
  neighborsOf(row: number): Promise<{ neighbors: Neighbors; of: string }>;
}

export class App {
  state: State;
  readonly head: Head;
  readonly search: Search;
  /** 1 for each row that passes the filters. */
  shown: Uint8Array;
  shownCount = 0;
  hits: Uint32Array | null = null;
  selected: Uint32Array | null = null;
  /** Rows found and selected and shown; null while nothing is searched or selected. */
  focus: Uint32Array | null = null;
  neighbors: Neighbors | null = null;
  /** Title of the map whose vectors these neighbors are of. */
  neighborsOf = "";
  searching = false;
  stage: Stage | null = null;
  private readonly listeners: ((changes: Set<Change>) => unknown)[] = [];
  private readonly system = matchMedia("(prefers-color-scheme: dark)");
  private numbers: Promise<Uint32Array> | null = null;
  private written = "";
  private readonly saveSoon = debounce(250, () => this.save());

  constructor(readonly data: MapData) {
    this.head = data.head;
    this.search = new Search(data);
    this.shown = new Uint8Array(data.n).fill(1);
    this.shownCount = data.n;
    this.state = fromHash(location.hash, this.head);
    this.system.addEventListener("change", () => this.tell("theme"));
    addEventListener("hashchange", () => {
      if (location.hash !== this.written) void this.restore(fromHash(location.hash, this.head));
    });
  }

  get theme(): Theme {
    return this.state.theme ?? (this.system.matches ? "dark" : "light");
  }

  listen(listener: (changes: Set<Change>) => unknown): void {
    this.listeners.push(listener);
  }

  tell(...changes: Change[]): void {
    const set = new Set(changes);
    for (const listener of this.listeners) listener(set);
    this.saveSoon();
  }

  /** Numbers of the rows in the file of vectors. */
  fileRows(): Promise<Uint32Array> {
    this.numbers ??= this.data.fileRows();
    return this.numbers;
  }

  colors(plain: string): Uint8Array {
    return rowColors(this.data, this.theme, this.state.color, plain);
  }

  /** Take over a whole state, as an address gives it. */
  async restore(state: State): Promise<void> {
    this.state = state;
    const needed = [state.color, ...state.hidden.keys(), ...state.range.keys()].filter((key) => key !== null);
    await Promise.all(needed.map((key) => this.data.load(key)));
    this.stage?.setView(state.view);
    this.filter();
    this.selected = state.area && this.stage ? this.stage.rowsIn(state.area) : null;
    this.focusAgain();
    this.tell("color", "theme", "shown", "selection", "view");
    await this.find(state.query);
    await late();
    await this.pick(state.picked);
  }

  async colorBy(key: string | null): Promise<void> {
    if (key !== null) await this.data.load(key);
    this.state.color = key;
    this.tell("color");
  }

  setHidden(key: string, codes: Set<number>): void {
    if (codes.size) this.state.hidden.set(key, codes);
    else this.state.hidden.delete(key);
    this.refilter();
  }

  setRange(key: string, range: [number, number] | null): void {
    if (range) this.state.range.set(key, range);
    else this.state.range.delete(key);
    this.refilter();
  }

  clearFilters(): void {
    this.state.hidden.clear();
    this.state.range.clear();
    this.refilter();
  }

  get filtered(): boolean {
    return this.state.hidden.size > 0 || this.state.range.size > 0;
  }

  async find(query: string): Promise<void> {
    this.state.query = query;
    if (!query.trim()) {
      this.search.cancel();
      this.searching = false;
      this.hits = null;
    } else {
      this.searching = true;
      this.tell("hits");
      const hits = await this.search.find(query);
      if (hits === null) return; // a newer query is on its way
      this.searching = false;
      this.hits = hits;
    }
    this.focusAgain();
    this.tell("hits");
  }

  select(area: Area | null): void {
    this.state.area = area;
    this.selected = area && this.stage ? this.stage.rowsIn(area) : null;
    this.focusAgain();
    this.tell("selection");
  }

  async pick(row: number): Promise<void> {
    this.state.picked = row;
    this.neighbors = null;
    this.tell("picked");
    if (row < 0) return;
    await late();
    const [map] = this.head.maps;
    const found = this.stage ? await this.stage.neighborsOf(row) : { neighbors: await this.data.neighbors(map, row), of: map.title };
    if (this.state.picked !== row) return;
    this.neighbors = found.neighbors;
    this.neighborsOf = found.of;
    this.tell("picked");
  }

  setTheme(theme: Theme): void {
    this.state.theme = theme;
    this.tell("theme");
  }

  moved(): void {
    this.state.view = this.stage?.view() ?? null;
    this.tell("view");
  }

  reset(): void {
    const { theme } = this.state;
    void this.restore({ ...emptyState(this.head.color), theme });
  }

  private refilter(): void {
    this.filter();
    this.focusAgain();
    this.tell("shown");
  }

  private filter(): void {
    const { shown, data } = this;
    shown.fill(1);
    for (const [key, codes] of this.state.hidden) {
      const values = data.values.get(key);
      if (!values) continue;
      const hide = new Uint8Array((data.column(key).levels?.length ?? 0) + 1);
      for (const code of codes) hide[code] = 1;
      for (let row = 0; row < shown.length; row++) if (hide[values[row]]) shown[row] = 0;
    }
    for (const [key, [low, high]] of this.state.range) {
      const values = data.values.get(key);
      if (!values) continue;
      for (let row = 0; row < shown.length; row++) if (!(values[row] >= low && values[row] <= high)) shown[row] = 0;
    }
    let count = 0;
    for (let row = 0; row < shown.length; row++) count += shown[row];
    this.shownCount = count;
  }

  private focusAgain(): void {
    const { hits, selected, shown } = this;
    if (!hits && !selected) this.focus = null;
    else {
      const base = hits && selected ? both(hits, selected) : ((hits ?? selected) as Uint32Array);
      this.focus = base.filter((row) => shown[row] === 1);
    }
  }

  private save(): void {
    const hash = toHash(this.state, this.head);
    if (hash === location.hash || (hash === "" && location.hash === "")) return;
    this.written = hash;
    try {
      history.replaceState(null, "", hash || "#");
    } catch {
      // A page in a frame has no address of its own.
    }
  }
}

/** What two ascending lists share. */
function both(a: Uint32Array, b: Uint32Array): Uint32Array {
  const rows: number[] = [];
  for (let i = 0, j = 0; i < a.length && j < b.length; ) {
    if (a[i] === b[j]) {
      rows.push(a[i++]);
      j++;
    } else if (a[i] < b[j]) i++;
    else j++;
  }
  return Uint32Array.from(rows);
}
