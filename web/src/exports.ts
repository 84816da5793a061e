// Out of the page: CSV, ids, a picture.
import type { App } from "./app";
import { describe } from "./describe";
import { el } from "./dom";
import { breathe } from "./later";
import type { Panes } from "./stage";

/** Give a file to the user. */
function hand(blob: Blob, name: string): void {
  const link = el("a", { href: URL.createObjectURL(blob), download: name });
  document.body.append(link);
  link.click();
  link.remove();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

export function fileName(app: App, ending: string): string {
  const stem = app.head.title.replace(/[^\p{L}\p{N}]+/gu, "-").replace(/^-+|-+$/g, "").slice(0, 60) || "map";
  return `${stem}.${ending}`;
}

/** A cell of RFC 4180; one that a spreadsheet would take for a formula is made text. */
function cell(value: string): string {
  const safe = /^[=+@\t\r]|^-[^\d.]/.test(value) ? `'${value}` : value;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

export async function saveCsv(app: App, rows: Uint32Array): Promise<void> {
  const numbers = await app.fileRows();
  const hasId = app.data.fields().some((field) => field.name === "id");
  const columns = app.head.columns;
  const header = ["row", ...(hasId ? ["id"] : []), ...(app.head.texts ? ["text"] : []), ...columns.map((column) => column.name)];
  const parts: string[] = ["\ufeff", header.map(cell).join(","), "\r\n"];
  for (const row of rows) {
    const one = await describe(app.data, row);
    const raw = one.values.map(([column, text]) => {
      const values = app.data.values.get(column.key);
      if (column.kind === "number" && values && column.format !== "date") return Number.isNaN(values[row]) ? "" : String(values[row]);
      return column.kind === "category" && values?.[row] === 0 ? "" : text;
    });
    parts.push([String(numbers[row]), ...(hasId ? [one.id ?? ""] : []), ...(app.head.texts ? [one.text ?? ""] : []), ...raw].map(cell).join(","), "\r\n");
    await breathe();
  }
  hand(new Blob(parts, { type: "text/csv" }), fileName(app, "csv"));
}

/** One id a line; without ids, the row numbers in the file. */
export async function saveIds(app: App, rows: Uint32Array): Promise<void> {
  const numbers = await app.fileRows();
  const hasId = app.data.fields().some((field) => field.name === "id");
  const lines: string[] = [];
  for (const row of rows) {
    const id = hasId ? await app.data.string("id", row) : null;
    lines.push((id ?? String(numbers[row])).replace(/[\r\n]+/g, " "), "\n");
    await breathe();
  }
  hand(new Blob(lines, { type: "text/plain" }), fileName(app, "ids.txt"));
}

export function savePicture(app: App, stage: Panes): void {
  const first = stage.panes[0].points.canvas;
  const picture = el("canvas", { width: stage.panes.reduce((sum, pane) => sum + pane.points.canvas.width, 0), height: first.height });
  const context = picture.getContext("2d") as CanvasRenderingContext2D;
  context.fillStyle = getComputedStyle(document.documentElement).getPropertyValue("--ground");
  context.fillRect(0, 0, picture.width, picture.height);
  let left = 0;
  for (const pane of stage.panes) {
    pane.complete();
    context.drawImage(pane.points.canvas, left, 0);
    context.drawImage(pane.over, left, 0);
    left += pane.points.canvas.width;
  }
  picture.toBlob((blob) => blob && hand(blob, fileName(app, "png")), "image/png");
}
