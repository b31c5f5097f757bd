/** From a face to the square that the network sees, as `unmask.imaging.preprocessing`. */

import type { Preprocessing } from "./bundle";
import type { Face } from "./faces";
import { type Box, roundEven } from "./resample";

interface Size {
  width: number;
  height: number;
}

function squareCrop([x0, y0, x1, y1]: Box, margin: number, { width, height }: Size): Box {
  const side = Math.min(Math.max(x1 - x0, y1 - y0) * (1 + 2 * margin), width, height);
  const left = Math.min(Math.max((x0 + x1 - side) / 2, 0), width - side);
  const top = Math.min(Math.max((y0 + y1 - side) / 2, 0), height - side);
  return [left, top, Math.min(left + side, width), Math.min(top + side, height)];
}

/** The crop for a face, or the whole image for none. */
export function cropOf(face: Face | null, size: Size, { size: wanted, face_margin, native }: Preprocessing): Box {
  if (face === null) return [0, 0, size.width, size.height];
  const crop = squareCrop(face.box, face_margin, size);
  const ratio = (crop[2] - crop[0]) / wanted;
  if (native === 1 || wanted > Math.min(size.width, size.height) || ratio < 1 / native || ratio > native) return crop;
  const start = (from: number, to: number, length: number) =>
    Math.min(Math.max(0, roundEven((from + to - wanted) / 2)), length - wanted);
  const [left, top] = [start(crop[0], crop[2], size.width), start(crop[1], crop[3], size.height)];
  return [left, top, left + wanted, top + wanted];
}
