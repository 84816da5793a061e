// Long work in slices, so that the page answers meanwhile.

const SLICE_MS = 10;
const channel = new MessageChannel();
const waiting: (() => void)[] = [];
channel.port1.onmessage = () => waiting.shift()?.();
let since = performance.now();

/** Let events and frames through when this slice of work is over; true when it was. */
export async function breathe(): Promise<boolean> {
  if (performance.now() - since < SLICE_MS) return false;
  await new Promise<void>((resolve) => {
    waiting.push(resolve);
    channel.port2.postMessage(null);
  });
  since = performance.now();
  return true;
}

/** Call once things are quiet, the last call counting. */
export function debounce(ms: number, call: () => void): () => void {
  let timer = 0;
  return () => {
    clearTimeout(timer);
    timer = window.setTimeout(call, ms);
  };
}
