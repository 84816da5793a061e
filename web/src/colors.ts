// From a column to a color for each row.
import type { Column, Head, MapData } from "./data";

export type Theme = "light" | "dark";
export type Rgb = [number, number, number];

export function rgb(hex: string): Rgb {
  const value = parseInt(hex.slice(1), 16);
  return [value >> 16, (value >> 8) & 255, value & 255];
}

/** Color of a category by its code: 0 is missing, from the 17th on all are alike. */
export function levelColor(head: Head, theme: Theme, code: number): string {
  const palette = head.palette[theme];
  return code > 0 && code <= palette.length ? palette[code - 1] : head.palette.rest[theme];
}

/** 256 steps between the colors of a scale. */
export function ramp(colors: string[]): Rgb[] {
  const stops = colors.map(rgb);
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (stops.length - 1);
    const k = Math.min(stops.length - 2, Math.floor(at));
    const share = at - k;
    return [0, 1, 2].map((c) => Math.round(stops[k][c] + share * (stops[k + 1][c] - stops[k][c]))) as Rgb;
  });
}

/** The values that the ends of the color scale stand for: all but the outermost percent each side. */
export function scaleOf(column: Column, values: ArrayLike<number>): [number, number] {
  const low = column.low ?? 0;
  const high = column.high ?? 1;
  if (column.format === "share" || values.length < 100) return [low, high];
  const step = Math.max(1, Math.floor(values.length / 20_000));
  const sample: number[] = [];
  for (let i = 0; i < values.length; i += step) if (Number.isFinite(values[i])) sample.push(values[i]);
  if (sample.length === 0) return [low, high];
  const sorted = Float64Array.from(sample).sort();
  const a = sorted[Math.floor(0.01 * (sorted.length - 1))];
  const b = sorted[Math.ceil(0.99 * (sorted.length - 1))];
  return b > a ? [a, b] : [low, high];
}

/** Three bytes a row. */
export function rowColors(data: MapData, theme: Theme, key: string | null, plain: string): Uint8Array {
  const { head, n } = data;
  const colors = new Uint8Array(3 * n);
  const values = key === null ? undefined : data.values.get(key);
  const table: Rgb[] = [];
  let codeOf: (row: number) => number = () => 0;
  if (key === null || !values) table.push(rgb(plain));
  else {
    const column = data.column(key);
    if (column.kind === "category") {
      for (let code = 0; code <= (column.levels?.length ?? 0); code++) table.push(rgb(levelColor(head, theme, code)));
      codeOf = (row) => values[row];
    } else {
      table.push(...ramp(head.palette.scale[theme]), rgb(head.palette.rest[theme]));
      const [low, high] = scaleOf(column, values);
      const factor = high > low ? 255 / (high - low) : 0;
      codeOf = (row) => {
        const value = values[row];
        return Number.isNaN(value) ? 256 : Math.max(0, Math.min(255, Math.round((value - low) * factor) || 0));
      };
    }
  }
  for (let row = 0; row < n; row++) {
    const [r, g, b] = table[codeOf(row)];
    colors[3 * row] = r;
    colors[3 * row + 1] = g;
    colors[3 * row + 2] = b;
  }
  return colors;
}
