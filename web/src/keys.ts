// The keyboard.
import type { App } from "./app";
import type { Panes } from "./stage";

export interface Keys {
  focusSearch(): void;
  table(): void;
  about(): void;
  keys(): void;
  theme(): void;
  tool(name: "pan" | "box" | "lasso"): void;
}

const STEP = 90;

export function listenToKeys(app: App, stage: Panes | null, actions: Keys): void {
  document.addEventListener("keydown", (event) => {
    const target = event.target as HTMLElement;
    const typing = target.matches("input, select, textarea");
    if (document.querySelector("dialog[open]")) return; // it has its own Escape
    if (event.key === "Escape") {
      letGo(app, stage);
      if (typing) target.blur();
      event.preventDefault();
      return;
    }
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    const onButton = target.matches("button, a, summary, [role=region]");
    const step = event.shiftKey ? 3 * STEP : STEP;
    const does: Record<string, (() => void) | undefined> = {
      "/": () => actions.focusSearch(),
      t: () => actions.table(),
      i: () => actions.about(),
      d: () => actions.theme(),
      "?": () => actions.keys(),
    };
    if (stage)
      Object.assign(does, {
        "+": () => stage.zoom(1.5), "=": () => stage.zoom(1.5), "-": () => stage.zoom(1 / 1.5), "_": () => stage.zoom(1 / 1.5),
        "0": () => stage.fit(), b: () => actions.tool("box"), l: () => actions.tool("lasso"), v: () => actions.tool("pan"),
        ...(onButton ? {} : {
          ArrowLeft: () => stage.pan(step, 0), ArrowRight: () => stage.pan(-step, 0),
          ArrowUp: () => stage.pan(0, step), ArrowDown: () => stage.pan(0, -step),
          Enter: () => stage.pickMiddle(),
        }),
      });
    const action = does[event.key.length === 1 ? event.key.toLowerCase() : event.key];
    if (!action) return;
    event.preventDefault();
    action();
  });
}

/** Escape: the last thing first. */
function letGo(app: App, stage: Panes | null): void {
  if (stage?.panes.some((pane) => pane.drawing.length > 0)) for (const pane of stage.panes) pane.drawing = [];
  else if (app.state.picked >= 0) void app.pick(-1);
  else if (app.state.area) app.select(null);
  else if (app.state.query) void app.find("");
  else if (app.filtered) app.clearFilters();
}
