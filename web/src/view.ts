// Where one looks: the map's coordinates are unsigned 32-bit integers with y upwards, the screen's
// are CSS pixels with y downwards. Doubles hold both exactly.
import type { Box } from "./tiles";

export interface Rectangle {
  left: number;
  top: number;
  right: number;
  bottom: number;
}

const MOST_ZOOM = 200_000;
const LEAST_ZOOM = 0.3;

export class View {
  width = 1;
  height = 1;
  /** The place in the middle of the screen. */
  x = 2 ** 31;
  y = 2 ** 31;
  /** 1 shows the whole frame. */
  zoom = 1;
  private base = 1;
  /** Screen room that panels cover, which framing keeps free. */
  inset = { left: 0, right: 0, top: 0, bottom: 0 };
  /** The panels themselves, in pixels: nothing is written under them. */
  covered: Rectangle[] = [];

  constructor(readonly frame: Box) {}

  /** CSS pixels to one unit of the map. */
  get scale(): number {
    return this.base * this.zoom;
  }

  /** The scale at which the frame fits into what the panels leave free. */
  private settle(): void {
    const { left, right, bottom, top } = this.frame;
    const width = Math.max(80, this.width - this.inset.left - this.inset.right);
    const height = Math.max(80, this.height - this.inset.top - this.inset.bottom);
    this.base = 0.92 * Math.min(width / (right - left), height / (top - bottom));
  }

  resize(width: number, height: number): void {
    this.width = Math.max(1, width);
    this.height = Math.max(1, height);
    this.settle();
  }

  /** After a change of size: as large as before, and still where it was on the screen. */
  stay(scale: number, dx: number, dy: number): void {
    this.zoom = scale / this.base;
    this.x += dx / scale;
    this.y -= dy / scale;
  }

  fit(): void {
    this.zoom = 1;
    this.settle();
    [this.x, this.y] = this.middle();
  }

  /** Where to go to show all, after the panels have changed; what is seen now stays as it is. */
  fitTarget(): [number, number] {
    const { scale } = this;
    this.settle();
    this.zoom = scale / this.base;
    return this.middle();
  }

  /** The place in the middle of the screen when the frame is in the middle of what is free. */
  private middle(): [number, number] {
    const { left, right, bottom, top } = this.frame;
    return [
      (left + right) / 2 - (this.inset.left - this.inset.right) / 2 / this.base,
      (bottom + top) / 2 + (this.inset.top - this.inset.bottom) / 2 / this.base,
    ];
  }

  toScreen(x: number, y: number): [number, number] {
    return [this.width / 2 + (x - this.x) * this.scale, this.height / 2 - (y - this.y) * this.scale];
  }

  toMap(px: number, py: number): { x: number; y: number } {
    return { x: this.x + (px - this.width / 2) / this.scale, y: this.y - (py - this.height / 2) / this.scale };
  }

  /** What is in sight, with a margin in pixels. */
  area(margin = 0): Box {
    const w = (this.width / 2 + margin) / this.scale;
    const h = (this.height / 2 + margin) / this.scale;
    return { left: this.x - w, right: this.x + w, bottom: this.y - h, top: this.y + h };
  }

  pan(dx: number, dy: number): void {
    this.x -= dx / this.scale;
    this.y += dy / this.scale;
    this.keepNear();
  }

  /** Move as another view has moved from `was`: as far on the screen, magnified as much more. */
  follow(other: View, was: { x: number; y: number; zoom: number }): void {
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, (this.zoom * other.zoom) / was.zoom));
    this.x += ((other.x - was.x) * other.scale) / this.scale;
    this.y += ((other.y - was.y) * other.scale) / this.scale;
    this.keepNear();
  }

  /** Zoom by a factor, the place under (px, py) staying where it is. */
  zoomAt(factor: number, px: number, py: number): void {
    const before = this.toMap(px, py);
    this.zoom = Math.min(MOST_ZOOM, Math.max(LEAST_ZOOM, this.zoom * factor));
    const after = this.toMap(px, py);
    this.x += before.x - after.x;
    this.y += before.y - after.y;
    this.keepNear();
  }

  /** Never lose the map: its middle cannot go farther than the coordinates do. */
  private keepNear(): void {
    this.x = Math.min(2 ** 32, Math.max(0, this.x));
    this.y = Math.min(2 ** 32, Math.max(0, this.y));
  }
}

/** The part of the map to show at first, from the shares of the head; never without extent. */
export function frameOf(share: [number, number, number, number]): Box {
  const [left, bottom, right, top] = share.map((value) => value * (2 ** 32 - 1));
  const grow = (a: number, b: number): [number, number] => {
    const least = 2 ** 20; // one point, or all equal: some room around it all the same
    return b - a >= least ? [a, b] : [(a + b - least) / 2, (a + b + least) / 2];
  };
  const [l, r] = grow(left, right);
  const [b, t] = grow(bottom, top);
  return { left: l, right: r, bottom: b, top: t };
}
