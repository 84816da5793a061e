// Mouse, touch and wheel on a map.
import type { Pane } from "./pane";
import type { View } from "./view";

export type Tool = "pan" | "box" | "lasso";

export interface Hands {
  tool(): Tool;
  /** Change where one looks. */
  move(pane: Pane, change: (view: View) => void): void;
  hovered(pane: Pane, row: number, px: number, py: number): void;
  clicked(pane: Pane, row: number): void;
  drawn(pane: Pane, corners: [number, number][]): void;
}

const CLICK_PX = 4;

export function attach(pane: Pane, hands: Hands): void {
  const target = pane.over;
  const fingers = new Map<number, [number, number]>();
  let start: [number, number] | null = null;
  let drawing: Tool = "pan";
  let travelled = 0;

  const at = (event: MouseEvent): [number, number] => {
    const box = target.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const corner = ([px, py]: [number, number]): [number, number] => {
    const { x, y } = pane.view.toMap(px, py);
    return [x, y];
  };
  target.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    target.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, at(event));
    travelled = 0;
    if (fingers.size > 1) {
      pane.drawing = [];
      start = null;
      return;
    }
    start = at(event);
    drawing = event.shiftKey ? "lasso" : hands.tool();
    hands.hovered(pane, -1, 0, 0);
  });

  target.addEventListener("pointermove", (event) => {
    const here = at(event);
    const before = fingers.get(event.pointerId);
    if (!before) {
      if (event.pointerType !== "touch") hands.hovered(pane, pane.rowAt(...here), ...here);
      return;
    }
    travelled += Math.hypot(here[0] - before[0], here[1] - before[1]);
    if (fingers.size === 2) {
      const other = [...fingers].find(([id]) => id !== event.pointerId)?.[1] as [number, number];
      const gap = (p: [number, number]): number => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
      hands.move(pane, (view) => {
        view.pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
        view.zoomAt(gap(here) / gap(before), (here[0] + other[0]) / 2, (here[1] + other[1]) / 2);
      });
    } else if (drawing === "pan") {
      hands.move(pane, (view) => view.pan(here[0] - before[0], here[1] - before[1]));
    } else if (start) {
      if (drawing === "box") {
        const [a, b] = [start, here];
        pane.drawing = [[a[0], a[1]], [b[0], a[1]], [b[0], b[1]], [a[0], b[1]]].map((p) => corner(p as [number, number]));
      } else if (pane.drawing.length === 0) pane.drawing = [corner(start), corner(here)];
      else pane.drawing.push(corner(here));
      pane.drawOver();
    }
    fingers.set(event.pointerId, here);
  });

  const up = (event: PointerEvent, cancelled: boolean): void => {
    if (!fingers.delete(event.pointerId)) return;
    const corners = pane.drawing;
    pane.drawing = [];
    if (fingers.size > 0) return;
    if (!cancelled && start && travelled < CLICK_PX) {
      hands.clicked(pane, pane.rowAt(...at(event), event.pointerType === "touch" ? 20 : 9));
    } else if (!cancelled && start && drawing !== "pan" && corners.length > 2) {
      hands.drawn(pane, thinned(corners, 2 / pane.view.scale));
    }
    start = null;
    pane.drawOver();
  };
  target.addEventListener("pointerup", (event) => up(event, false));
  target.addEventListener("pointercancel", (event) => up(event, true));
  target.addEventListener("pointerleave", () => hands.hovered(pane, -1, 0, 0));

  target.addEventListener("wheel", (event) => {
    event.preventDefault();
    const unit = event.deltaMode === 1 ? 18 : event.deltaMode === 2 ? 120 : 1;
    const delta = Math.max(-240, Math.min(240, event.deltaY * unit));
    hands.hovered(pane, -1, 0, 0);
    hands.move(pane, (view) => view.zoomAt(Math.exp(-delta * (event.ctrlKey ? 0.01 : 0.0022)), ...at(event)));
  }, { passive: false });

  target.addEventListener("dblclick", (event) => {
    hands.move(pane, (view) => view.zoomAt(event.altKey ? 0.5 : 2, ...at(event)));
  });
}

/** A lasso without the corners that stand closer than `gap`: it has to fit in an address. */
function thinned(corners: [number, number][], gap: number): [number, number][] {
  let most = gap;
  for (;;) {
    const kept: [number, number][] = [corners[0]];
    for (const corner of corners) {
      const last = kept[kept.length - 1];
      if (Math.hypot(corner[0] - last[0], corner[1] - last[1]) >= most) kept.push(corner);
    }
    if (kept.length <= 120) return kept.length > 2 ? kept : corners;
    most *= 1.5;
  }
}
