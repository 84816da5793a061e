// Points drawn by the processor itself, for browsers without a graphics card: they imitate one on
// the processor, which takes many times as long for each point as these loops. The rules are those
// of the shaders in points.ts, so the picture is the same.
import { SMALL } from "./size";
import type { Tiles } from "./tiles";
import type { View } from "./view";

/** A point's middle is rounded to a sixteenth of a pixel, as graphics cards do. */
const STEPS = 16;
/** Pixels around the canvas: points on its edge need no care. */
const MARGIN = 32;
/** Largest diameter that is drawn so. */
export const LARGEST = MARGIN - 4;

/** Which pixels around a middle a point covers, and how much, for each place within a pixel. */
interface Kernels {
  /** Kernel k holds the entries start[k] to start[k + 1]. */
  start: Int32Array;
  /** Distance in the array of pixels. */
  offset: Int32Array;
  /** 0 to 256. */
  cover: Int32Array;
}

export class Splat {
  private pixels = new Uint32Array(0);
  private tints: Uint32Array = new Uint32Array(0);
  private width = 0;
  private height = 0;
  private kernels: Kernels | null = null;
  private size = 0;
  private texture: WebGLTexture | null = null;
  private readonly target: WebGLFramebuffer | null;

  constructor(private readonly gl: WebGL2RenderingContext, private readonly x: Uint32Array, private readonly y: Uint32Array, private readonly tiles: Tiles) {
    this.target = gl.createFramebuffer();
  }

  paint(tints: Uint8Array): void {
    this.tints = new Uint32Array(tints.buffer, tints.byteOffset, tints.length / 4);
  }

  /** Begin an empty picture of points of this diameter. */
  begin(width: number, height: number, size: number): void {
    if (width !== this.width || height !== this.height) this.resize(width, height);
    else this.pixels.fill(0);
    if (!this.kernels || size !== this.size) this.kernels = makeKernels(size, width + 2 * MARGIN);
    this.size = size;
  }

  /** Blend in drawing positions `first[i]` and the `count[i]` next, of the first `draws` runs. */
  draw(view: View, ratio: number, opacity: number, first: Int32Array, count: Int32Array, draws: number): void {
    const { x, y, pixels, tints, width, height, kernels } = this;
    if (!kernels) return;
    const { order } = this.tiles;
    const { start, offset, cover } = kernels;
    const row = width + 2 * MARGIN;
    // All in sixteenths of a pixel; where the place (0, 0) of the map would be:
    const step = STEPS * view.scale * ratio;
    const left = STEPS * (width / 2 + MARGIN) - view.x * step + 0.5;
    const bottom = STEPS * (height / 2 + MARGIN) - view.y * step + 0.5;
    const least = (STEPS * MARGIN) / 2;
    const right = STEPS * row - least;
    const top = STEPS * (height + 2 * MARGIN) - least;
    const strength = Int32Array.from({ length: 256 }, (_, alpha) => Math.round(alpha * opacity));
    for (let d = 0; d < draws; d++) {
      for (let at = first[d], end = at + count[d]; at < end; at++) {
        const tint = tints[at];
        const alpha = strength[tint >>> 24];
        const place = order[at];
        const px = left + x[place] * step;
        const py = bottom + y[place] * step;
        if (alpha === 0 || !(px >= least && px < right && py >= least && py < top)) continue;
        const column = px | 0;
        const line = py | 0;
        const kernel = (line % STEPS) * STEPS + (column % STEPS);
        const middle = ((line / STEPS) | 0) * row + ((column / STEPS) | 0);
        // Red and blue, green and alpha, two at a time; by 256ths, so that 255 stays 255.
        const weight = alpha + (alpha >> 7);
        const even = times(tint & 0xff00ff, weight);
        const odd = times((tint >>> 8) & 0xff, weight) | (alpha << 16);
        for (let e = start[kernel], last = start[kernel + 1]; e < last; e++) {
          const i = middle + offset[e];
          const below = pixels[i];
          const redBlue = times(even, cover[e]);
          const greenAlpha = times(odd, cover[e]);
          const rest = 255 - (greenAlpha >>> 16);
          const kept = rest + (rest >> 7);
          // No sum is over 255: a color is no more than its alpha, what is kept no more than the rest.
          pixels[i] = (redBlue + times(below & 0xff00ff, kept)) | ((greenAlpha + times((below >>> 8) & 0xff00ff, kept)) << 8);
        }
      }
    }
    this.show();
  }

  /** Copy the picture to the canvas. */
  private show(): void {
    const { gl, width, height } = this;
    gl.pixelStorei(gl.UNPACK_ROW_LENGTH, width + 2 * MARGIN);
    gl.pixelStorei(gl.UNPACK_SKIP_PIXELS, MARGIN);
    gl.pixelStorei(gl.UNPACK_SKIP_ROWS, MARGIN);
    gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(this.pixels.buffer));
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.target);
    gl.blitFramebuffer(0, 0, width, height, 0, 0, width, height, gl.COLOR_BUFFER_BIT, gl.NEAREST);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
  }

  /** A texture of the canvas's size, to copy from. */
  private resize(width: number, height: number): void {
    const { gl } = this;
    this.pixels = new Uint32Array((width + 2 * MARGIN) * (height + 2 * MARGIN));
    this.kernels = null;
    gl.deleteTexture(this.texture);
    this.texture = gl.createTexture();
    gl.bindTexture(gl.TEXTURE_2D, this.texture);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, width, height);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.target);
    gl.framebufferTexture2D(gl.READ_FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.texture, 0);
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, null);
    [this.width, this.height] = [width, height];
  }
}

/** Two numbers of 8 bits, 16 bits apart, times 256ths, rounded. */
function times(two: number, share: number): number {
  return ((Math.imul(two, share) + 0x800080) >>> 8) & 0xff00ff;
}

function makeKernels(size: number, row: number): Kernels {
  const reach = Math.ceil(size / 2 + 1);
  const start = new Int32Array(STEPS * STEPS + 1);
  const offset: number[] = [];
  const cover: number[] = [];
  const covered = size < SMALL ? inSquare : inDisc;
  for (let k = 0; k < STEPS * STEPS; k++) {
    const [cx, cy] = [(k % STEPS) / STEPS, Math.floor(k / STEPS) / STEPS];
    for (let j = -reach; j <= reach; j++) {
      for (let i = -reach; i <= reach; i++) {
        const share = Math.round(256 * covered(i + 0.5 - cx, j + 0.5 - cy, size));
        if (share === 0) continue;
        offset.push(j * row + i);
        cover.push(share);
      }
    }
    start[k + 1] = offset.length;
  }
  return { start, offset: Int32Array.from(offset), cover: Int32Array.from(cover) };
}

/** Whether a pixel's middle lies in a square: as WebGL draws points. */
function inSquare(x: number, y: number, size: number): number {
  return x >= -size / 2 && x < size / 2 && y >= -size / 2 && y < size / 2 ? 1 : 0;
}

/** How much of a pixel a disc with a soft edge covers: as the shader says. */
function inDisc(x: number, y: number, size: number): number {
  return Math.min(1, Math.max(0, 0.5 * size + 0.5 - Math.hypot(x, y)));
}
