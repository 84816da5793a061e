// Words that a set of rows holds far more often than the rest: log odds of document frequencies
// against a sample of all rows, times how many standard errors they are from 0. By the errors alone
// "to" and "of" would lead in every large set of somewhat longer texts.
import type { MapData } from "./data";
import { breathe } from "./later";

const SAMPLE = 4000;
const WORD = /\p{L}[\p{L}\p{N}'’-]*\p{L}|\p{Script=Han}/gu;
/** A word that so large a share of all texts hold says nothing. */
const COMMON = 0.6;
/** Of a very long text the beginning says what it is about. */
const MOST_CHARACTERS = 4000;

type Counts = Map<string, number>;
const background = new WeakMap<MapData, Promise<[Counts, number]>>();

export interface Distinctive {
  word: string;
  /** Share of the set's texts that hold it. */
  share: number;
}

export async function distinctive(data: MapData, rows: Uint32Array, most: number): Promise<Distinctive[]> {
  if (!data.head.texts || rows.length === 0) return [];
  let all = background.get(data);
  if (!all) background.set(data, (all = countWords(data, spread(data))));
  const [[counts, n], [rest, total]] = await Promise.all([countWords(data, sampled(rows)), all]);
  const scored: [number, string, number][] = [];
  for (const [word, has] of counts) {
    if (has < 2 && n > 3) continue;
    const other = rest.get(word) ?? 0;
    if (other > COMMON * total) continue;
    const odds = Math.log((has + 0.5) / (n - has + 0.5)) - Math.log((other + 0.5) / (total - other + 0.5));
    const error = Math.sqrt(1 / (has + 0.5) + 1 / (other + 0.5));
    if (odds > 0) scored.push([(odds * odds) / error, word, has / n]);
  }
  scored.sort((a, b) => b[0] - a[0]);
  return scored.slice(0, most).map(([, word, share]) => ({ word, share }));
}

async function countWords(data: MapData, rows: Uint32Array): Promise<[Counts, number]> {
  const counts: Counts = new Map();
  for (const row of rows) {
    const text = await data.string("text", row);
    if (text) for (const word of new Set(text.slice(0, MOST_CHARACTERS).toLowerCase().match(WORD) ?? [])) counts.set(word, (counts.get(word) ?? 0) + 1);
    await breathe();
  }
  return [counts, rows.length];
}

function sampled(rows: Uint32Array): Uint32Array {
  if (rows.length <= SAMPLE) return rows;
  // Runs of rows, so that few chunks are decompressed.
  const runs = 40;
  const length = SAMPLE / runs;
  const found: number[] = [];
  for (let run = 0; run < runs; run++) {
    const first = Math.floor(((rows.length - length) * run) / (runs - 1));
    for (let i = 0; i < length; i++) found.push(rows[first + i]);
  }
  return Uint32Array.from(found);
}

function spread(data: MapData): Uint32Array {
  return sampled(Uint32Array.from({ length: data.n }, (_, row) => row));
}
