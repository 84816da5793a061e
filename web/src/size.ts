/** Below this diameter, in pixels of the canvas, a point is a square: a soft edge would be all there is of it. */
export const SMALL = 1.8;
