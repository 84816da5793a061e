// Rows come along a Hilbert curve, so a run of consecutive rows is a small patch of the map: a tile.
// Inside a tile the drawing order is shuffled, so that the first part of every tile together is a
// fair sample of what is in sight.

export interface Tiles {
  /** Tile t holds the drawing positions start[t] to start[t + 1]. */
  start: Uint32Array;
  /** Drawing position -> row. */
  order: Uint32Array;
  /** left, bottom, right, top of each tile. */
  box: Float64Array;
}

export interface Box {
  left: number;
  bottom: number;
  right: number;
  top: number;
}

/** Tiles over `order`, rows sorted along a Hilbert curve; without it the rows are so sorted themselves. */
export function makeTiles(x: Uint32Array, y: Uint32Array, order = identity(x.length)): Tiles {
  const n = x.length;
  const rows = Math.max(1024, Math.ceil(n / 600));
  const count = Math.ceil(n / rows);
  const start = new Uint32Array(count + 1);
  const box = new Float64Array(4 * count);
  let random = 12345;
  for (let t = 0; t < count; t++) {
    const a = t * rows;
    const b = Math.min(n, a + rows);
    start[t + 1] = b;
    let left = Infinity, bottom = Infinity, right = -Infinity, top = -Infinity;
    for (let i = a; i < b; i++) {
      const row = order[i];
      if (x[row] < left) left = x[row];
      if (x[row] > right) right = x[row];
      if (y[row] < bottom) bottom = y[row];
      if (y[row] > top) top = y[row];
    }
    box.set([left, bottom, right, top], 4 * t);
    for (let i = b - 1; i > a; i--) {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      const j = a + ((random >>> 8) % (i - a + 1));
      const row = order[i];
      order[i] = order[j];
      order[j] = row;
    }
  }
  return { start, order, box };
}

function identity(n: number): Uint32Array {
  const order = new Uint32Array(n);
  for (let i = 0; i < n; i++) order[i] = i;
  return order;
}

/** Rows along a Hilbert curve, for a map whose rows do not come so. */
export function hilbertOrder(x: Uint32Array, y: Uint32Array): Uint32Array {
  // Place on the curve and row in one double: 28 and 25 bits.
  const keys = new Float64Array(x.length);
  for (let i = 0; i < keys.length; i++) keys[i] = along(x[i] >>> 18, y[i] >>> 18) * 2 ** 25 + i;
  keys.sort();
  return Uint32Array.from(keys, (key) => key % 2 ** 25);
}

function along(x: number, y: number): number {
  let place = 0;
  for (let side = 1 << 13; side > 0; side >>= 1) {
    const right = x & side ? 1 : 0;
    const top = y & side ? 1 : 0;
    place = place * 4 + ((3 * right) ^ top);
    x &= side - 1;
    y &= side - 1;
    if (!top) {
      if (right) {
        x = side - 1 - x;
        y = side - 1 - y;
      }
      [x, y] = [y, x];
    }
  }
  return place;
}

/** The tiles that touch a box. */
export function tilesIn(tiles: Tiles, area: Box): number[] {
  const found: number[] = [];
  const box = tiles.box;
  for (let t = 0; 4 * t < box.length; t++) {
    if (
      box[4 * t] <= area.right && box[4 * t + 2] >= area.left &&
      box[4 * t + 1] <= area.top && box[4 * t + 3] >= area.bottom
    ) found.push(t);
  }
  return found;
}

/** The shown row nearest to a place, not farther than `radius`; -1 when there is none. */
export function nearest(
  tiles: Tiles, x: Uint32Array, y: Uint32Array, shown: Uint8Array,
  at: { x: number; y: number }, radius: number,
): number {
  const area = { left: at.x - radius, right: at.x + radius, bottom: at.y - radius, top: at.y + radius };
  let best = -1;
  let least = radius * radius;
  for (const t of tilesIn(tiles, area)) {
    for (let i = tiles.start[t]; i < tiles.start[t + 1]; i++) {
      const row = tiles.order[i];
      const dx = x[row] - at.x;
      const dy = y[row] - at.y;
      const distance = dx * dx + dy * dy;
      if (distance <= least && shown[row]) {
        least = distance;
        best = row;
      }
    }
  }
  return best;
}

/** The rows inside a polygon (even-odd rule), ascending. */
export function inside(tiles: Tiles, x: Uint32Array, y: Uint32Array, polygon: [number, number][]): Uint32Array {
  if (polygon.length < 3) return new Uint32Array(0);
  const xs = polygon.map((p) => p[0]);
  const ys = polygon.map((p) => p[1]);
  const area = { left: Math.min(...xs), right: Math.max(...xs), bottom: Math.min(...ys), top: Math.max(...ys) };
  const rows: number[] = [];
  for (const t of tilesIn(tiles, area)) {
    for (let at = tiles.start[t]; at < tiles.start[t + 1]; at++) {
      const row = tiles.order[at];
      const px = x[row];
      const py = y[row];
      if (px < area.left || px > area.right || py < area.bottom || py > area.top) continue;
      let odd = false;
      for (let i = 0, j = xs.length - 1; i < xs.length; j = i++) {
        if (ys[i] > py !== ys[j] > py && px < ((xs[j] - xs[i]) * (py - ys[i])) / (ys[j] - ys[i]) + xs[i]) odd = !odd;
      }
      if (odd) rows.push(row);
    }
  }
  return Uint32Array.from(rows).sort();
}
