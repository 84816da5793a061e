// Which labels fit: the finest of this magnification first, coarser ones where room is left.
import type { Label } from "./data";
import type { View } from "./view";

export interface Placed {
  text: string;
  x: number;
  y: number;
  size: number;
  width: number;
}

const MOST = 60;
/** Below this width, in CSS pixels, labels are short: the points are to be seen too. */
const NARROW = 520;
let ruler: CanvasRenderingContext2D | null = null;

export function placeLabels(labels: Label[], view: View, unit: (share: number) => number): Placed[] {
  ruler ??= document.createElement("canvas").getContext("2d");
  const area = view.area(20);
  const narrow = view.width - view.inset.left - view.inset.right < NARROW;
  const wanted = labels
    .filter((label) => {
      const x = unit(label.x);
      const y = unit(label.y);
      return label.zoom <= view.zoom * 1.02 && x > area.left && x < area.right && y > area.bottom && y < area.top;
    })
    .sort((a, b) => b.zoom - a.zoom || b.n - a.n);
  const placed: Placed[] = [];
  const boxes: [number, number, number, number][] = [];
  for (const label of wanted) {
    if (placed.length >= MOST) break;
    const [at, y] = view.toScreen(unit(label.x), unit(label.y));
    const size = (narrow ? 11 : 12) + Math.min(narrow ? 2 : 3, Math.log10(Math.max(1, label.n)) * 0.8);
    const text = narrow ? label.text.split(", ").slice(0, 2).join(", ") : label.text;
    const width = measure(text, size);
    const x = inside(at, y, width / 2 + 8, size / 2 + 5, view);
    if (x === null) continue;
    const box: [number, number, number, number] = [x - width / 2 - 8, y - size / 2 - 5, x + width / 2 + 8, y + size / 2 + 5];
    if (boxes.some((o) => box[0] < o[2] && box[2] > o[0] && box[1] < o[3] && box[3] > o[1])) continue;
    boxes.push(box);
    placed.push({ text, x, y, size, width });
  }
  return placed;
}

/** Where to write so that neither the screen's edge nor a panel cuts a label; null where its place is covered. */
function inside(at: number, y: number, half: number, tall: number, view: View): number | null {
  let low = half;
  let high = view.width - half;
  if (low > high) return at;
  for (const panel of view.covered) {
    if (y + tall < panel.top || y - tall > panel.bottom) continue;
    if (at >= panel.right) low = Math.max(low, panel.right + half);
    else if (at <= panel.left) high = Math.min(high, panel.left - half);
    else return null;
  }
  return low > high ? null : Math.min(Math.max(at, low), high);
}

function measure(text: string, size: number): number {
  if (!ruler) return text.length * size * 0.55;
  ruler.font = `600 ${size}px system-ui, sans-serif`;
  return ruler.measureText(text).width;
}
