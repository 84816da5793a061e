// Numbers as people read them.
import type { Column } from "./data";

const whole = new Intl.NumberFormat("en-US");
const short = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 4 });
const tenths = new Intl.NumberFormat("en-US", { maximumFractionDigits: 1 });

export const count = (value: number): string => whole.format(value);

export const plural = (value: number, one: string, many = `${one}s`): string => `${count(value)} ${value === 1 ? one : many}`;

export function number(column: Column, value: number): string {
  if (Number.isNaN(value)) return "missing";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  switch (column.format) {
    case "share":
      return `${tenths.format(100 * value)}%`;
    case "integer":
      return Math.abs(value) < 10_000 ? String(value) : whole.format(value); // years want no comma
    case "date": {
      const date = new Date(value);
      if (Number.isNaN(date.getTime())) return short.format(value);
      const text = date.toISOString();
      return text.endsWith("T00:00:00.000Z") ? text.slice(0, 10) : text.slice(0, 16).replace("T", " ");
    }
    default:
      if (value !== 0 && (Math.abs(value) < 1e-4 || Math.abs(value) >= 1e15)) return value.toExponential(3);
      return Math.abs(value) >= 10_000 && Number.isInteger(value) ? whole.format(value) : short.format(value);
  }
}
