// Full-text search over every string of the page. Each chunk is decompressed once and kept as one
// lower-case string with the offsets of its rows: `indexOf` runs over a gigabyte in a second.
import type { MapData, Strings } from "./data";
import { breathe } from "./later";

interface Lower {
  text: string;
  /** Where each row begins; one more for the end. */
  start: Uint32Array;
}

const AT_ONCE = 6;

export class Search {
  private readonly lower = new Map<string, Lower>();
  private readonly decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  private readonly fields: string[];
  private ready: Promise<void> | null = null;
  private turn = 0;

  constructor(private readonly data: MapData) {
    this.fields = data.fields().map((field) => field.name);
  }

  get possible(): boolean {
    return this.fields.length > 0;
  }

  /** Give up what is being looked for. */
  cancel(): void {
    this.turn++;
  }

  /** Decompress what will be searched. */
  warm(): Promise<void> {
    this.ready ??= this.readAll();
    return this.ready;
  }

  /**
   * Rows that hold every term of a query: words, or phrases in double quotes, upper and lower case
   * and accents alike; or whose id one of them is. Null when a newer query came meanwhile.
   */
  async find(query: string): Promise<Uint32Array | null> {
    const turn = ++this.turn;
    const terms = termsOf(query);
    await this.warm();
    const rows: number[] = [];
    const { chunks } = this.data.head;
    for (let chunk = 0; chunk < chunks.length; chunk++) {
      if (await breathe()) if (turn !== this.turn) return null;
      const count = this.data.chunkEnd(chunk) - chunks[chunk];
      let all: Uint8Array | null = null;
      for (const term of terms) {
        const has = new Uint8Array(count);
        let any = false;
        for (const field of this.fields) any = mark(this.lower.get(`${field}-${chunk}`) as Lower, term, has, field === "id") || any;
        if (!any) {
          all = null;
          break;
        }
        if (all) for (let i = 0; i < count; i++) all[i] &= has[i];
        else all = has;
      }
      if (all) for (let i = 0; i < count; i++) if (all[i]) rows.push(chunks[chunk] + i);
    }
    return turn === this.turn ? Uint32Array.from(rows) : null;
  }

  private async readAll(): Promise<void> {
    const jobs: [string, number][] = [];
    for (let chunk = 0; chunk < this.data.head.chunks.length; chunk++)
      for (const field of this.fields) jobs.push([field, chunk]);
    const work = async (): Promise<void> => {
      for (let job = jobs.pop(); job; job = jobs.pop()) {
        const strings = await this.data.strings(job[0], job[1]);
        await breathe();
        this.lower.set(`${job[0]}-${job[1]}`, this.lowered(strings));
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }

  private lowered(strings: Strings): Lower {
    const { bytes, start, length } = strings;
    const whole = this.decoder.decode(bytes);
    const offsets = new Uint32Array(start.length + 1);
    if (whole.length === bytes.length) offsets.set(start);
    else if (MARKS.test(whole)) {
      // Letters and their accents one by one: composed they take less room, row by row.
      const rows = Array.from(start, (from, i) => fold(this.decoder.decode(bytes.subarray(from, from + Math.max(0, length[i])))));
      rows.reduce((at, row, i) => (offsets[i + 1] = at + row.length), 0);
      return { text: rows.join(""), start: offsets };
    } else {
      // Count UTF-16 units: one a character, two where UTF-8 takes four bytes.
      let units = 0;
      for (let i = 0; i < start.length; i++) {
        offsets[i] = units;
        const end = start[i] + Math.max(0, length[i]);
        for (let at = start[i]; at < end; at++) {
          const byte = bytes[at];
          if ((byte & 0xc0) !== 0x80) units += byte >= 0xf0 ? 2 : 1;
        }
      }
    }
    offsets[start.length] = whole.length;
    return { text: fold(whole), start: offsets };
  }
}

const MARKS = /[\u0300-\u036f]/;
const ACCENTED = /[\u00df-\u024f\u0386-\u03ff\u1e00-\u1fff]/g;
const PLAIN = new Map<string, string>([["ø", "o"], ["ł", "l"], ["đ", "d"], ["ħ", "h"], ["ı", "i"], ["ς", "σ"]]);

/**
 * Lower case without accents. What has no loose accents keeps its length: İ is the one letter that
 * grows in lower case.
 */
function fold(text: string): string {
  if (/^[\0-\x7f]*$/.test(text)) return text.toLowerCase();
  const composed = MARKS.test(text) ? text.normalize("NFC") : text;
  return composed.replaceAll("İ", "i").toLowerCase().replace(ACCENTED, plain).replace(/[\u0300-\u036f]/g, "");
}

/** A Latin or Greek letter without its accents. */
function plain(letter: string): string {
  let found = PLAIN.get(letter);
  if (found === undefined) PLAIN.set(letter, (found = letter.normalize("NFD")[0]));
  return found;
}

export function termsOf(query: string): string[] {
  const terms: string[] = [];
  for (const match of fold(query).matchAll(/"([^"]+)"?|(\S+)/g)) {
    const term = (match[1] ?? match[2]).trim();
    if (term && term !== '"') terms.push(term);
  }
  return terms;
}

/** Mark the rows that hold a term; with `whole`, those that are it: an id is not a text. */
function mark(lower: Lower, term: string, has: Uint8Array, whole: boolean): boolean {
  const { text, start } = lower;
  let row = 0;
  let any = false;
  for (let at = text.indexOf(term); at >= 0; ) {
    while (start[row + 1] <= at) row++;
    const within = at + term.length <= start[row + 1]; // or it reaches into the next row's text
    if (within && (!whole || (at === start[row] && at + term.length === start[row + 1]))) {
      has[row] = 1;
      any = true;
      at = text.indexOf(term, start[row + 1]);
    } else at = text.indexOf(term, at + 1);
  }
  return any;
}
