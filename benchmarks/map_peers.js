// Frames of other people's point renderers, for map_frames.py, which bundles this.
import { Deck, OrthographicView } from "@deck.gl/core";
import { ScatterplotLayer } from "@deck.gl/layers";
import createScatterplot from "regl-scatterplot";

const WIDTH = 1200;
const HEIGHT = 780;

function canvas() {
  const made = document.createElement("canvas");
  made.width = WIDTH;
  made.height = HEIGHT;
  made.style.width = `${WIDTH}px`;
  made.style.height = `${HEIGHT}px`;
  document.body.replaceChildren(made);
  return made;
}

/** Clumps like those of the sample map, in -1 to 1. */
function points(n) {
  let seed = 1;
  const random = () => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  const normal = () => Math.sqrt(-2 * Math.log(random() + 1e-12)) * Math.cos(2 * Math.PI * random());
  const x = new Float32Array(n);
  const y = new Float32Array(n);
  const group = new Uint8Array(n);
  for (let i = 0; i < n; i++) {
    const c = (group[i] = Math.floor(random() * 10));
    x[i] = 0.8 * Math.cos(c) + (normal() * (1 + c / 4)) / 40;
    y[i] = 0.8 * Math.sin(1.3 * c) + (normal() * (1 + c / 4)) / 40;
  }
  return { x, y, group };
}

function wait(gl) {
  gl.readPixels(0, 0, 1, 1, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(4));
}

async function timed(frames, draw) {
  await draw(0);
  const times = [];
  for (let i = 1; i <= frames; i++) {
    const began = performance.now();
    await draw(i);
    times.push(performance.now() - began);
  }
  return times;
}

const COLORS = ["#5000bf", "#ff9f10", "#700010", "#70cfdf", "#8f70af", "#507050", "#804070", "#af8fff", "#209f8f", "#600060"];

export async function regl(n, frames) {
  const target = canvas();
  const plot = createScatterplot({
    canvas: target, width: WIDTH, height: HEIGHT, pointSize: 1.5, opacity: 0.6, pointColor: COLORS, colorBy: "valueA",
  });
  const { x, y, group } = points(n);
  await plot.draw({ x, y, valueA: group }, { zDataType: "categorical" });
  const gl = target.getContext("webgl") ?? plot.get("regl")._gl;
  const times = await timed(frames, async (i) => {
    const drawn = new Promise((resolve) => plot.subscribe("draw", resolve, 1));
    plot.view(Float32Array.from([1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0.002 * i, 0, 0, 1]), { preventEvent: true });
    await drawn;
    wait(gl);
  });
  plot.destroy();
  return times;
}

export async function deck(n, frames) {
  const target = canvas();
  const { x, y, group } = points(n);
  const position = new Float32Array(2 * n);
  const color = new Uint8Array(4 * n);
  for (let i = 0; i < n; i++) {
    position.set([x[i], y[i]], 2 * i);
    const value = parseInt(COLORS[group[i]].slice(1), 16);
    color.set([value >> 16, (value >> 8) & 255, value & 255, 150], 4 * i);
  }
  const layer = new ScatterplotLayer({
    id: "points", radiusUnits: "pixels", getRadius: 0.75,
    data: { length: n, attributes: { getPosition: { value: position, size: 2 }, getFillColor: { value: color, size: 4, normalized: true } } },
  });
  const see = (i) => ({ target: [0.002 * i, 0, 0], zoom: 8.3 });
  const plot = await new Promise((resolve) => {
    const made = new Deck({
      canvas: target, width: WIDTH, height: HEIGHT, views: new OrthographicView({}), viewState: see(0), layers: [layer],
      onAfterRender: () => resolve(made), useDevicePixels: 1,
    });
  });
  const gl = target.getContext("webgl2");
  const times = await timed(frames, async (i) => {
    plot.setProps({ viewState: see(i) });
    plot.redraw("measured");
    wait(gl);
  });
  plot.finalize();
  return times;
}
