// What is known of a row, for tooltip, card and tables.
import { levelColor } from "./colors";
import type { Column, MapData } from "./data";
import type { App } from "./app";
import { el } from "./dom";
import * as format from "./format";

/** The value of a category or number column, as text. */
export function valueText(data: MapData, column: Column, row: number): string {
  const values = data.values.get(column.key);
  if (!values) return "…";
  if (column.kind === "category") return values[row] === 0 ? "missing" : (column.levels as string[])[values[row] - 1];
  return format.number(column, values[row]);
}

/** Every value of a row as text, text columns read from their chunk. */
export async function describe(data: MapData, row: number): Promise<{ text: string | null; id: string | null; values: [Column, string][] }> {
  const fields = data.fields().map((field) => field.name);
  const read = (name: string): Promise<string | null> =>
    fields.includes(name) ? data.string(name, row).catch(() => null) : Promise.resolve(null);
  const [text, id] = await Promise.all([read("text"), read("id")]);
  const values = await Promise.all(
    data.head.columns.map(async (column): Promise<[Column, string]> => {
      if (column.kind === "text") return [column, (await read(column.key)) ?? "missing"];
      await data.load(column.key);
      return [column, valueText(data, column, row)];
    }),
  );
  return { text, id, values };
}

/** A small mark in the row's color, where it is colored by this column. */
export function swatch(app: App, column: Column, row: number): HTMLElement | null {
  if (column.key !== app.state.color || column.kind !== "category") return null;
  const values = app.data.values.get(column.key);
  const mark = el("span", { class: "swatch" });
  mark.style.background = levelColor(app.head, app.theme, values ? values[row] : 0);
  return mark;
}

/** "Row 12", counted as in the file, or the id. */
export async function nameOf(app: App, row: number): Promise<string> {
  const id = app.data.fields().some((field) => field.name === "id") ? await app.data.string("id", row) : null;
  return id ?? `row ${(await app.fileRows())[row]}`;
}

export function shorten(text: string, most: number): string {
  return text.length <= most ? text : `${text.slice(0, most).trimEnd()}…`;
}
