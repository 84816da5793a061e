// Elements. Whatever comes from the data goes through `textContent`, never through markup.

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | ((event: never) => void) | undefined>;

/** el("button", { class: "x", onclick: f, "aria-label": "..." }, "text", child): an element. */
export function el<K extends keyof HTMLElementTagNameMap>(tag: K, attributes: Attributes = {}, ...children: Child[]): HTMLElementTagNameMap[K] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.slice(2), value as EventListener);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  add(element, ...children);
  return element;
}

export function add(parent: Element, ...children: Child[]): void {
  for (const child of children) if (child) parent.append(child);
}

/** Replace what an element holds. */
export function fill(parent: Element, ...children: Child[]): void {
  parent.textContent = "";
  add(parent, ...children);
}

const ICONS: Record<string, string> = {
  pan: "M12 3v18M3 12h18M12 3l-2.5 2.5M12 3l2.5 2.5M12 21l-2.5-2.5M12 21l2.5-2.5M3 12l2.5-2.5M3 12l2.5 2.5M21 12l-2.5-2.5M21 12l-2.5 2.5",
  box: "M4 8V4h4M16 4h4v4M20 16v4h-4M8 20H4v-4M11 4h2M11 20h2M4 11v2M20 11v2",
  lasso: "M7 16.5C4.500 15 3 13 3 10.500 3 6.500 7 4 12 4s9 2.500 9 6.500-4 6.500-9 6.500c-.8 0-1.600 0-2.300-.2M7 14.500a2 2 0 1 0 .01 0M8.500 17.500c.8 1.500 0 2.700-1.500 3.500",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  theme: "M12 3a9 9 0 1 0 0 18zM12 3a9 9 0 0 1 0 18",
  image: "M12 4v10M8 10.500l4 4 4-4M4 17v3h16v-3",
  table: "M4 5h16v14H4zM4 10h16M4 14.500h16M10 5v14",
  info: "M12 3a9 9 0 1 0 .01 0M12 11v5.500M12 7.500v.5",
  keys: "M3 7h18v10H3zM6.500 10.500h.5M10 10.500h.5M13.500 10.500h.5M17 10.500h.5M8 13.800h8",
  close: "M6 6l12 12M18 6L6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  link: "M10 14a4 4 0 0 0 6 .4l3-3a4 4 0 0 0-5.700-5.700L12 7M14 10a4 4 0 0 0-6-.4l-3 3a4 4 0 0 0 5.700 5.700L12 17",
};

export function icon(name: keyof typeof ICONS | string): SVGSVGElement {
  const space = "http://www.w3.org/2000/svg";
  const svg = document.createElementNS(space, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(space, "path");
  path.setAttribute("d", ICONS[name]);
  svg.append(path);
  return svg;
}

export function iconButton(name: string, label: string, onclick: () => void, more: Attributes = {}): HTMLButtonElement {
  return el("button", { type: "button", class: "icon", "aria-label": label, title: label, onclick, ...more }, icon(name));
}
