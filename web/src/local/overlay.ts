/** Evidence in the colours of `unmask.detect.overlay`. */

import { resizeNumbers } from "./resample";
import type { Region } from "./verdict";

const SIDE = 256;
const TOWARDS_FAKE = [230, 97, 1] as const;
const TOWARDS_REAL = [94, 60, 153] as const;
const MOST_OPAQUE = 0.65;
const STRONG_EVIDENCE = 4;
const LEAST_SURE = 0.4;

/** The overlay of one region: RGBA, 256 x 256. */
export function overlayOf({ evidence: { cells, width, height }, probability }: Region) {
  const smooth = resizeNumbers(cells, { width, height }, SIDE, SIDE, "bicubic");
  const sureness = LEAST_SURE + (1 - LEAST_SURE) * Math.abs(2 * probability - 1);
  const data = new Uint8ClampedArray(SIDE * SIDE * 4);
  smooth.forEach((value, place) => {
    const strength = sureness * Math.tanh(Math.abs(value) / STRONG_EVIDENCE);
    data.set(value > 0 ? TOWARDS_FAKE : TOWARDS_REAL, 4 * place);
    data[4 * place + 3] = Math.round(MOST_OPAQUE * strength * 255);
  });
  return new ImageData(data, SIDE, SIDE);
}
