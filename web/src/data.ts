// Reads the data blocks of the page: see docs/map-format.md.
import { Shorthand } from "./shorthand";

export interface Column {
  key: string;
  name: string;
  role: "own" | "preservation" | "cluster" | "length" | "tokens" | "truncated" | "source" | "moved";
  kind: "category" | "number" | "text";
  levels?: string[];
  counts?: number[];
  missing?: number;
  format?: "number" | "integer" | "share" | "date";
  width?: number;
  low?: number | null;
  high?: number | null;
}

export interface Label {
  text: string;
  x: number;
  y: number;
  zoom: number;
  n: number;
}

export interface MapHead {
  key: string;
  title: string;
  frame: { x: number; y: number; size: number };
  view: [number, number, number, number];
  /** Empty where there are too few points to say. */
  honesty: { kept?: number; trustworthiness: number; k: number; rows: number; exact: boolean } | null;
  neighbors: { k: number; low: number; high: number } | null;
  facts: [string, string][];
}

export interface Head {
  format: number;
  title: string;
  n: number;
  chunks: number[];
  texts: boolean;
  words: number;
  shortened: number;
  color: string | null;
  overlay: { column: string; level: number; n: number } | null;
  palette: {
    light: string[];
    dark: string[];
    rest: { light: string; dark: string };
    scale: { light: string[]; dark: string[] };
  };
  columns: Column[];
  maps: MapHead[];
}

export interface Neighbors {
  rows: number[];
  similarity: number[];
}

/** Strings of one chunk: UTF-8 without gaps, and where each begins; a missing one has length -1. */
export interface Strings {
  bytes: Uint8Array;
  start: Uint32Array;
  length: Int32Array;
}

export const FORMAT = 3;
const STEPS = 2 ** 32 - 1;
/** After a string, and for a missing one: bytes that UTF-8 never has. */
const END = 0xff;
const MISSING = 0xfe;
/** Chunks of strings kept decompressed, for tooltips and tables. */
const KEPT_CHUNKS = 96;

type Values = Uint8Array | Uint16Array | Float32Array | Float64Array;

export class MapData {
  readonly n: number;
  /** Columns whose values have arrived. */
  readonly values = new Map<string, Values>();
  private readonly loading = new Map<string, Promise<Values>>();
  private shorthand: Promise<Shorthand> | undefined;
  private readonly chunks = new Map<string, Promise<Strings | Neighbors[]>>();
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(readonly head: Head) {
    this.n = head.n;
  }

  async coordinates(key: string): Promise<{ x: Uint32Array; y: Uint32Array }> {
    const [x, y] = await Promise.all(["x", "y"].map((axis) => blob(`${key}-${axis}`)));
    return { x: new Uint32Array(fromPlanes(x, 4)), y: new Uint32Array(fromPlanes(y, 4)) };
  }

  async labels(key: string): Promise<Label[]> {
    return JSON.parse(this.decoder.decode(await blob(`${key}-labels`))) as Label[];
  }

  column(key: string): Column {
    return this.head.columns.find((column) => column.key === key) as Column;
  }

  /** Values of a category (codes, 0 missing) or number (NaN missing) column. */
  load(key: string): Promise<Values> {
    let promise = this.loading.get(key);
    if (!promise) {
      const column = this.column(key);
      promise = blob(key).then((bytes) => {
        const values =
          column.kind === "category"
            ? bytes.byteLength === this.n ? new Uint8Array(bytes) : new Uint16Array(bytes)
            : column.format === "share" ? column.width === 8 ? new Float64Array(bytes) : new Float32Array(bytes)
            : column.width === 8 ? new Float64Array(fromPlanes(bytes, 8)) : new Float32Array(fromPlanes(bytes, 4));
        this.values.set(key, values);
        return values;
      });
      this.loading.set(key, promise);
    }
    return promise;
  }

  /** Numbers of the rows in the file of vectors. */
  async fileRows(): Promise<Uint32Array> {
    return new Uint32Array(fromPlanes(await blob("row"), 4));
  }

  chunkOf(row: number): number {
    const starts = this.head.chunks;
    let low = 0;
    let high = starts.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (starts[middle] <= row) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  chunkEnd(chunk: number): number {
    return this.head.chunks[chunk + 1] ?? this.n;
  }

  /** Names of the blobs that hold strings: texts, ids, text columns. */
  fields(): { name: string; title: string }[] {
    const found: { name: string; title: string }[] = [];
    if (this.n === 0) return found;
    if (this.head.texts) found.push({ name: "text", title: "text" });
    found.push({ name: "id", title: "id" });
    for (const column of this.head.columns)
      if (column.kind === "text") found.push({ name: column.key, title: column.name });
    return found;
  }

  async strings(field: string, chunk: number): Promise<Strings> {
    if (this.head.words) this.shorthand ??= late().then(() => blob("words")).then((table) => new Shorthand(table));
    const shorthand = await this.shorthand;
    return (await this.chunk(`${field}-${chunk}`, (buffer) => {
      const bytes = new Uint8Array(buffer);
      return parseStrings(shorthand ? shorthand.read(bytes) : bytes);
    })) as Strings;
  }

  /** One string; null when it is missing. */
  async string(field: string, row: number): Promise<string | null> {
    const chunk = this.chunkOf(row);
    const strings = await this.strings(field, chunk);
    const i = row - this.head.chunks[chunk];
    return strings.length[i] < 0
      ? null
      : this.decoder.decode(strings.bytes.subarray(strings.start[i], strings.start[i] + strings.length[i]));
  }

  async neighbors(map: MapHead, row: number): Promise<Neighbors> {
    if (!map.neighbors) return { rows: [], similarity: [] };
    const { k, low, high } = map.neighbors;
    const chunk = this.chunkOf(row);
    const first = this.head.chunks[chunk];
    const count = this.chunkEnd(chunk) - first;
    const all = (await this.chunk(`near-${map.key}-${chunk}`, (buffer) =>
      parseNeighbors(new Uint8Array(buffer), first, count, k, low, high),
    )) as Neighbors[];
    return all[row - first];
  }

  private chunk(name: string, parse: (buffer: ArrayBuffer) => Strings | Neighbors[]): Promise<Strings | Neighbors[]> {
    let promise = this.chunks.get(name);
    if (promise) this.chunks.delete(name); // set again below: the first in the map is the least recent
    else promise = late().then(() => blob(name)).then(parse);
    this.chunks.set(name, promise);
    if (this.chunks.size > KEPT_CHUNKS) this.chunks.delete(this.chunks.keys().next().value as string);
    return promise;
  }
}

export function readHead(): Head {
  const element = document.getElementById("head");
  if (!element) throw new Error("This page has no data in it.");
  const head = JSON.parse(element.textContent ?? "") as Head;
  if (head.format !== FORMAT) throw new Error(`This page's data is of format ${head.format}; its script reads ${FORMAT}.`);
  return head;
}

/** 0..1 of the head -> units of the map. */
export const unit = (share: number): number => share * STEPS;

let parsed: Promise<void> | undefined;

/** The whole file has been parsed, so every blob is there. */
export function late(): Promise<void> {
  parsed ??= new Promise((resolve) => {
    if (document.readyState !== "loading") resolve();
    else document.addEventListener("DOMContentLoaded", () => resolve(), { once: true });
  });
  return parsed;
}

/** Bytes of a blob: its parts decoded, joined, decompressed. */
export async function blob(name: string): Promise<ArrayBuffer> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for (let i = 0; ; i++) {
    const element = document.getElementById(`v:${name}:${i}`);
    if (!element) break;
    parts.push(fromBase64(element.textContent ?? ""));
  }
  if (parts.length === 0) throw new Error(`The page is incomplete: it has no block ${name}. Was the file cut short?`);
  return inflate(parts);
}

/** Written and read by hand: five times as fast for small blobs as a pipe from Blob to Response. */
async function inflate(parts: Uint8Array<ArrayBuffer>[]): Promise<ArrayBuffer> {
  const stream = new DecompressionStream("gzip");
  const writer = stream.writable.getWriter();
  const ignore = (): void => undefined; // the reader fails too, and is listened to
  for (const part of parts) writer.write(part).catch(ignore);
  writer.close().catch(ignore);
  const reader = stream.readable.getReader();
  const found: Uint8Array[] = [];
  let length = 0;
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    found.push(next.value);
    length += next.value.length;
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of found) {
    whole.set(part, at);
    at += part.length;
  }
  return whole.buffer;
}

function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const native = (Uint8Array as unknown as { fromBase64?: (text: string) => Uint8Array<ArrayBuffer> }).fromBase64;
  if (native) return native.call(Uint8Array, text);
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  return bytes;
}

/** Numbers whose first bytes come first, then all second ones, and so on: put together. */
function fromPlanes(buffer: ArrayBuffer, width: number): ArrayBuffer {
  const planes = new Uint8Array(buffer);
  const whole = new Uint8Array(planes.length);
  const count = planes.length / width;
  for (let plane = 0, from = 0; plane < width; plane++)
    for (let i = 0, to = plane; i < count; i++, to += width) whole[to] = planes[from++];
  return whole.buffer;
}

function parseStrings(bytes: Uint8Array): Strings {
  const start: number[] = [];
  const length: number[] = [];
  let kept = 0;
  for (let at = 0; at < bytes.length; ) {
    start.push(kept);
    if (bytes[at] === MISSING) {
      length.push(-1);
      at++;
      continue;
    }
    const end = bytes.indexOf(END, at);
    bytes.copyWithin(kept, at, end);
    length.push(end - at);
    kept += end - at;
    at = end + 1;
  }
  return { bytes: bytes.subarray(0, kept), start: Uint32Array.from(start), length: Int32Array.from(length) };
}

function parseNeighbors(bytes: Uint8Array, first: number, count: number, k: number, low: number, high: number): Neighbors[] {
  const cells = count * k;
  const found: Neighbors[] = [];
  for (let i = 0; i < count; i++) {
    const rows: number[] = [];
    const similarity: number[] = [];
    let level = 0;
    for (let j = 0; j < k; j++) {
      const at = i * k + j;
      const zigzag = bytes[at] + 256 * bytes[cells + at] + 65536 * bytes[2 * cells + at] + 2 ** 24 * bytes[3 * cells + at];
      rows.push(first + i + (zigzag % 2 ? -(zigzag + 1) / 2 : zigzag / 2));
      const byte = bytes[4 * cells + j * count + i];
      level = j ? level - byte : byte;
      similarity.push(low + ((high - low) * level) / 255);
    }
    found.push({ rows, similarity });
  }
  return found;
}
