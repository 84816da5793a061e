// Lines to neighbors, rings, the lasso and the labels, in a 2-D canvas over the points.
import type { Placed } from "./labels";
import type { Pane } from "./pane";

export interface Ink {
  plain: string;
  dim: [number, number, number];
  text: string;
  halo: string;
  accent: string;
  font: string;
}

export function drawOverlay(pane: Pane, ink: Ink, labels: Placed[]): void {
  const context = pane.over.getContext("2d");
  if (!context) return;
  const ratio = pane.points.ratio;
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, pane.view.width, pane.view.height);
  drawArea(context, pane, ink);
  drawLabels(context, labels, ink, pane.app.focus ? 0.4 : 1); // what stands out comes first
  drawNeighbors(context, pane, ink);
  const { picked } = pane.app.state;
  if (picked >= 0) ring(context, pane, picked, 8, 2.5, ink);
  if (pane.hovered >= 0 && pane.hovered !== picked) ring(context, pane, pane.hovered, 6, 1.5, ink);
}

function drawLabels(context: CanvasRenderingContext2D, labels: Placed[], ink: Ink, strength: number): void {
  context.textAlign = "center";
  context.textBaseline = "middle";
  context.lineJoin = "round";
  for (const label of labels) {
    context.font = `600 ${label.size}px ${ink.font}`;
    context.globalAlpha = 0.85 * strength;
    context.strokeStyle = ink.halo;
    context.lineWidth = 4;
    context.strokeText(label.text, label.x, label.y);
    context.globalAlpha = strength;
    context.fillStyle = ink.text;
    context.fillText(label.text, label.x, label.y);
  }
  context.globalAlpha = 1;
}

function drawNeighbors(context: CanvasRenderingContext2D, pane: Pane, ink: Ink): void {
  const { neighbors, state } = pane.app;
  if (state.picked < 0 || !neighbors) return;
  const [x, y] = pane.screen(state.picked);
  context.strokeStyle = ink.accent;
  for (let i = neighbors.rows.length - 1; i >= 0; i--) {
    const [nx, ny] = pane.screen(neighbors.rows[i]);
    context.globalAlpha = 0.9 - (0.6 * i) / neighbors.rows.length;
    context.lineWidth = Math.max(0.75, 2.2 - (1.5 * i) / neighbors.rows.length);
    context.beginPath();
    context.moveTo(x, y);
    context.lineTo(nx, ny);
    context.stroke();
  }
  context.globalAlpha = 1;
  const taken: [number, number][] = [[x, y]];
  neighbors.rows.forEach((row, i) => {
    ring(context, pane, row, 4.5, 1.5, ink);
    const [nx, ny] = pane.screen(row);
    const far = Math.hypot(nx - x, ny - y) || 1;
    const tx = nx + ((nx - x) / far) * 18;
    const ty = ny + ((ny - y) / far) * 13;
    if (far < 26 || taken.some(([ox, oy]) => Math.abs(ox - tx) < 30 && Math.abs(oy - ty) < 15)) return;
    taken.push([tx, ty]);
    context.font = `11px ${ink.font}`;
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.lineWidth = 3;
    context.strokeStyle = ink.halo;
    const text = neighbors.similarity[i].toFixed(2);
    context.strokeText(text, tx, ty);
    context.fillStyle = ink.text;
    context.fillText(text, tx, ty);
  });
}

function ring(context: CanvasRenderingContext2D, pane: Pane, row: number, radius: number, width: number, ink: Ink): void {
  const [x, y] = pane.screen(row);
  const reach = radius + pane.size / 2 - 1;
  context.beginPath();
  context.arc(x, y, reach, 0, 2 * Math.PI);
  context.strokeStyle = ink.halo;
  context.lineWidth = width + 2;
  context.stroke();
  context.strokeStyle = ink.accent;
  context.lineWidth = width;
  context.stroke();
}

function drawArea(context: CanvasRenderingContext2D, pane: Pane, ink: Ink): void {
  const { area } = pane.app.state;
  const drawn = pane.drawing.length > 1;
  const corners = drawn ? pane.drawing : area?.map === pane.map.key ? area.corners : [];
  if (corners.length < 2) return;
  context.beginPath();
  corners.forEach(([mx, my], i) => {
    const [x, y] = pane.view.toScreen(mx, my);
    if (i) context.lineTo(x, y);
    else context.moveTo(x, y);
  });
  context.closePath();
  context.fillStyle = ink.accent;
  context.globalAlpha = 0.07;
  context.fill("evenodd");
  context.globalAlpha = 0.9;
  context.strokeStyle = ink.accent;
  context.lineWidth = 1.5;
  context.setLineDash(drawn ? [] : [5, 4]);
  context.stroke();
  context.setLineDash([]);
  context.globalAlpha = 1;
}
