// Frequent words stand in texts as codes of two or three bytes: veclab/maps/shorthand.py writes them.

const FIRST = 0xc0; // 0xC0 and 0xC1, then 0xF5 to 0xFC, begin codes of two bytes
const SECOND = 0xf5;
const LONG = 0xfd; // begins a code of three
const END = 0xfe; // this and 0xFF end strings
const SHORT_CODES = 10 * END;

export class Shorthand {
  private readonly bytes: Uint8Array;
  /** Word i is the bytes start[i] to start[i + 1] - 1, with a line end after it. */
  private readonly start: number[] = [0];

  constructor(table: ArrayBuffer) {
    this.bytes = new Uint8Array(table);
    for (let at = this.bytes.indexOf(10); at >= 0; at = this.bytes.indexOf(10, at + 1)) this.start.push(at + 1);
    this.start.push(this.bytes.length + 1);
  }

  /** The bytes with the words in place of their codes. */
  read(short: Uint8Array): Uint8Array {
    const { bytes, start } = this;
    let whole = new Uint8Array(3 * short.length + 1024);
    let to = 0;
    for (let at = 0; at < short.length; at++) {
      const byte = short[at];
      if (byte < FIRST || byte >= END || (byte > FIRST + 1 && byte < SECOND)) {
        if (to === whole.length) whole = larger(whole);
        whole[to++] = byte;
        continue;
      }
      const number =
        byte === LONG ? SHORT_CODES + short[at + 1] * END + short[at + 2]
        : (byte < SECOND ? byte - FIRST : byte - SECOND + 2) * END + short[at + 1];
      at += byte === LONG ? 2 : 1;
      const end = start[number + 1] - 1;
      while (to + end - start[number] > whole.length) whole = larger(whole);
      for (let from = start[number]; from < end; from++) whole[to++] = bytes[from];
    }
    return whole.subarray(0, to);
  }
}

function larger(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const grown = new Uint8Array(2 * bytes.length);
  grown.set(bytes);
  return grown;
}
