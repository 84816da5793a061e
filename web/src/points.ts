// Points in WebGL2. Coordinates are 32-bit integers in two planes of 16 bits: the differences to
// the middle of the view are taken plane by plane, exactly, so nothing trembles at zoom 10,000.
import { SMALL } from "./size";
import { LARGEST, Splat } from "./splat";
import { type Tiles, tilesIn } from "./tiles";
import type { View } from "./view";

const VERTEX = `#version 300 es
in vec4 place;            // high x, high y, low x, low y
in vec4 tint;             // alpha 0: not drawn
uniform vec2 middleHigh, middleLow, perUnit;
uniform float size, opacity;
out mediump vec4 color;
void main() {
  vec2 away = (place.xy - middleHigh) * 65536.0 + (place.zw - middleLow);
  gl_Position = tint.a == 0.0 ? vec4(2.0, 2.0, 2.0, 1.0) : vec4(away * perUnit, 0.0, 1.0);
  gl_PointSize = size < ${SMALL} ? size : size + 1.0; // room for a soft edge
  float alpha = tint.a * opacity;
  color = vec4(tint.rgb * alpha, alpha);
}`;

const FRAGMENT = `#version 300 es
precision mediump float;
in mediump vec4 color;
uniform highp float size;
uniform vec3 edge; // color of the outline of what stands out
uniform float ring, diamond;
out vec4 result;
void main() {
  if (size < ${SMALL}) { result = color; return; }
  vec2 away = abs(gl_PointCoord - 0.5) * (size + 1.0);
  float distance = diamond > 0.0 ? away.x + away.y : length(away);
  float cover = clamp(0.5 * size + 0.5 - distance, 0.0, 1.0);
  if (cover <= 0.0) discard;
  float outline = ring * clamp(distance - 0.5 * size + 1.5, 0.0, 1.0);
  result = vec4(mix(color.rgb, edge * color.a, outline), color.a) * cover;
}`;

/** Points drawn per frame while moving, until this machine has been measured. */
const FIRST_BUDGET = 50_000;
const FIRST_BUDGET_OF_SPLAT = 500_000;
const LEAST_BUDGET = 20_000;
const MOST_BUDGET = 4_000_000;
const FRAME_MS = 22;
const SLOW_MS = 42;

export class PointRenderer {
  private readonly gl: WebGL2RenderingContext;
  private readonly multi: { multiDrawArraysWEBGL(mode: number, first: Int32Array, a: number, count: Int32Array, b: number, draws: number): void } | null;
  private readonly at: Record<string, WebGLUniformLocation | null> = {};
  private readonly tints: WebGLBuffer;
  private readonly litIndex: WebGLBuffer;
  private readonly markIndex: WebGLBuffer;
  private marks = 0;
  private readonly pixel = new Uint8Array(4);
  private lit = 0;
  private edge: [number, number, number] = [0, 0, 0];
  private readonly first: Int32Array;
  private readonly count: Int32Array;
  /** Share of each tile that is on the canvas by now. */
  private done = 0;
  /** Draws the points where there is no graphics card. */
  splat: Splat | null = null;
  /** Whether it draws the frame begun. */
  private splatted = false;
  /** Points a frame may draw while moving: learned from the frames drawn. */
  budget = FIRST_BUDGET;
  ratio = 1;

  /** Throws when the browser has no WebGL2. */
  constructor(readonly canvas: HTMLCanvasElement, x: Uint32Array, y: Uint32Array, private readonly tiles: Tiles) {
    const gl = canvas.getContext("webgl2", {
      antialias: false, depth: false, stencil: false, alpha: true,
      preserveDrawingBuffer: true, powerPreference: "high-performance",
    });
    if (!gl) throw new Error("no WebGL2");
    this.gl = gl;
    this.multi = gl.getExtension("WEBGL_multi_draw");
    this.first = new Int32Array(tiles.start.length);
    this.count = new Int32Array(tiles.start.length);
    const program = link(gl);
    gl.useProgram(program);
    for (const name of ["middleHigh", "middleLow", "perUnit", "size", "opacity", "edge", "ring", "diamond"])
      this.at[name] = gl.getUniformLocation(program, name);

    const n = x.length;
    const planes = new Uint16Array(4 * n);
    for (let i = 0; i < n; i++) {
      const row = tiles.order[i];
      planes[4 * i] = x[row] >>> 16;
      planes[4 * i + 1] = y[row] >>> 16;
      planes[4 * i + 2] = x[row] & 0xffff;
      planes[4 * i + 3] = y[row] & 0xffff;
    }
    attribute(gl, program, "place", planes, gl.UNSIGNED_SHORT, false, gl.STATIC_DRAW);
    this.tints = attribute(gl, program, "tint", new Uint8Array(4 * n), gl.UNSIGNED_BYTE, true, gl.DYNAMIC_DRAW);
    this.litIndex = gl.createBuffer() as WebGLBuffer;
    this.markIndex = gl.createBuffer() as WebGLBuffer;
    gl.enable(gl.BLEND);
    gl.blendFunc(gl.ONE, gl.ONE_MINUS_SRC_ALPHA);
    if (inSoftware(gl)) {
      this.splat = new Splat(gl, x, y, tiles);
      this.budget = FIRST_BUDGET_OF_SPLAT;
    }
  }

  /**
   * Give colors: four bytes a drawing position, the positions drawn again on top, larger, and the
   * color of their outline.
   */
  paint(tints: Uint8Array, lit: Uint32Array, edge: [number, number, number]): void {
    const gl = this.gl;
    this.edge = edge;
    gl.bindBuffer(gl.ARRAY_BUFFER, this.tints);
    gl.bufferSubData(gl.ARRAY_BUFFER, 0, tints);
    this.splat?.paint(tints);
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.litIndex);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, lit, gl.DYNAMIC_DRAW);
    this.lit = lit.length;
  }

  /** Positions drawn as diamonds over all the rest. */
  mark(positions: Uint32Array): void {
    const gl = this.gl;
    gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, this.markIndex);
    gl.bufferData(gl.ELEMENT_ARRAY_BUFFER, positions, gl.STATIC_DRAW);
    this.marks = positions.length;
  }

  resize(width: number, height: number, ratio: number): void {
    this.ratio = ratio;
    this.canvas.width = Math.max(1, Math.round(width * ratio));
    this.canvas.height = Math.max(1, Math.round(height * ratio));
  }

  /** Begin a frame: as many points as the budget has room for. */
  begin(view: View, size: number, opacity: number): void {
    const gl = this.gl;
    gl.viewport(0, 0, this.canvas.width, this.canvas.height);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.look(view, size, opacity);
    const diameter = this.diameter(size);
    this.splatted = this.splat !== null && diameter <= LARGEST;
    if (this.splatted) this.splat?.begin(this.canvas.width, this.canvas.height, diameter);
    const visible = this.inSight(view);
    this.done = 0;
    this.advance(view, opacity, visible === 0 ? 1 : Math.min(1, this.budget / visible));
    this.drawLit(size, this.litBudget);
  }

  /** Draw some more of the frame that `begin` began; true when nothing is left. */
  more(view: View, size: number, opacity: number, points: number): boolean {
    if (this.done >= 1) return true;
    this.look(view, size, opacity);
    const visible = this.inSight(view);
    this.advance(view, opacity, Math.min(1, this.done + points / Math.max(1, visible)));
    if (this.done >= 1 || this.lit + this.marks > 0) this.drawLit(size, this.done >= 1 ? Infinity : this.litBudget);
    return this.done >= 1;
  }

  get finished(): boolean {
    return this.done >= 1;
  }

  /** Wait until all that was asked for is drawn. */
  finish(): void {
    this.gl.readPixels(0, 0, 1, 1, this.gl.RGBA, this.gl.UNSIGNED_BYTE, this.pixel);
  }

  /**
   * Learn what this machine draws in a frame, from the time between two frames while moving. (To
   * wait for a frame to be drawn would stall the pipeline.)
   */
  learn(ms: number): void {
    if (ms > SLOW_MS) this.budget = Math.max(LEAST_BUDGET, Math.round(this.budget * Math.max(0.5, FRAME_MS / ms)));
    else if (ms < FRAME_MS) this.budget = Math.min(MOST_BUDGET, Math.round(this.budget * 1.25));
  }

  inSight(view: View): number {
    let points = 0;
    for (const t of tilesIn(this.tiles, view.area(16))) points += this.tiles.start[t + 1] - this.tiles.start[t];
    return points;
  }

  private look(view: View, size: number, opacity: number): void {
    const gl = this.gl;
    const highX = Math.floor(view.x / 65536);
    const highY = Math.floor(view.y / 65536);
    gl.uniform2f(this.at.middleHigh, highX, highY);
    gl.uniform2f(this.at.middleLow, view.x - 65536 * highX, view.y - 65536 * highY);
    gl.uniform2f(this.at.perUnit, (2 * view.scale) / view.width, (2 * view.scale) / view.height);
    gl.uniform1f(this.at.size, this.diameter(size));
    gl.uniform1f(this.at.opacity, opacity);
    gl.uniform1f(this.at.ring, 0);
    gl.uniform1f(this.at.diamond, 0);
  }

  /** What stands out is always drawn by WebGL. */
  private get litBudget(): number {
    return this.splatted ? Math.min(this.budget, FIRST_BUDGET) : this.budget;
  }

  /** In pixels of the canvas. */
  private diameter(size: number): number {
    return Math.max(1, size * this.ratio);
  }

  private advance(view: View, opacity: number, to: number): void {
    const { start } = this.tiles;
    let draws = 0;
    for (const t of tilesIn(this.tiles, view.area(16))) {
      const length = start[t + 1] - start[t];
      const a = Math.floor(length * this.done);
      const b = to >= 1 ? length : Math.floor(length * to);
      if (b <= a) continue;
      this.first[draws] = start[t] + a;
      this.count[draws++] = b - a;
    }
    this.done = to;
    if (this.splatted) this.splat?.draw(view, this.ratio, opacity, this.first, this.count, draws);
    else if (this.multi) this.multi.multiDrawArraysWEBGL(this.gl.POINTS, this.first, 0, this.count, 0, draws);
    else for (let i = 0; i < draws; i++) this.gl.drawArrays(this.gl.POINTS, this.first[i], this.count[i]);
  }

  /** What stands out, over the rest: points found or selected, then marked ones. */
  private drawLit(size: number, most: number): void {
    const gl = this.gl;
    gl.uniform1f(this.at.opacity, 1);
    gl.uniform1f(this.at.ring, 0.7);
    gl.uniform3f(this.at.edge, this.edge[0] / 255, this.edge[1] / 255, this.edge[2] / 255);
    const draw = (index: WebGLBuffer, count: number, diameter: number, diamond: number): void => {
      if (count === 0) return;
      gl.bindBuffer(gl.ELEMENT_ARRAY_BUFFER, index);
      gl.uniform1f(this.at.size, diameter * this.ratio);
      gl.uniform1f(this.at.diamond, diamond);
      gl.drawElements(gl.POINTS, count, gl.UNSIGNED_INT, 0);
    };
    draw(this.litIndex, Math.min(this.lit, most), Math.max(this.lit > 3000 ? 3.2 : 5, size * 1.5), 0);
    gl.uniform1f(this.at.ring, 1); // a mark may have no color of its own
    draw(this.markIndex, Math.min(this.marks, most), Math.max(10, size * 2.2), 1);
  }
}

/** Whether the browser imitates a graphics card (Chrome: SwiftShader or WARP, Firefox: llvmpipe or WARP). */
function inSoftware(gl: WebGL2RenderingContext): boolean {
  const named = gl.getExtension("WEBGL_debug_renderer_info");
  const name = String(gl.getParameter(named ? named.UNMASKED_RENDERER_WEBGL : gl.RENDERER));
  return /swiftshader|llvmpipe|softpipe|basic render|software/i.test(name);
}

function link(gl: WebGL2RenderingContext): WebGLProgram {
  const program = gl.createProgram() as WebGLProgram;
  for (const [kind, source] of [[gl.VERTEX_SHADER, VERTEX], [gl.FRAGMENT_SHADER, FRAGMENT]] as const) {
    const shader = gl.createShader(kind) as WebGLShader;
    gl.shaderSource(shader, source);
    gl.compileShader(shader);
    gl.attachShader(program, shader);
  }
  gl.linkProgram(program);
  if (!gl.getProgramParameter(program, gl.LINK_STATUS)) throw new Error(gl.getProgramInfoLog(program) ?? "no WebGL2");
  return program;
}

function attribute(
  gl: WebGL2RenderingContext, program: WebGLProgram, name: string,
  values: Uint16Array | Uint8Array, type: number, normalized: boolean, usage: number,
): WebGLBuffer {
  const buffer = gl.createBuffer() as WebGLBuffer;
  const location = gl.getAttribLocation(program, name);
  gl.bindBuffer(gl.ARRAY_BUFFER, buffer);
  gl.bufferData(gl.ARRAY_BUFFER, values, usage);
  gl.enableVertexAttribArray(location);
  gl.vertexAttribPointer(location, 4, type, normalized, 0, 0);
  return buffer;
}
