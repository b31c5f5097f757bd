/** Entries of a block of EXIF, and the orientation that a file gives. */

import { asText, type Block, type ImageFacts } from "./file";

const MAX_TEXT = 2 ** 20;
// Bytes of one value of each type of TIFF 6.0.
const SIZES = [0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8];
const ORIENTATION = 0x0112;

export class Exif {
  private readonly view: DataView;
  private readonly little: boolean;

  private constructor(
    private readonly block: Uint8Array,
    order: string,
  ) {
    this.view = new DataView(block.buffer, block.byteOffset, block.byteLength);
    this.little = order === "II";
  }

  /** Null where the block does not begin as EXIF does. The methods throw RangeError where it ends too early. */
  static open(block: Uint8Array): Exif | null {
    const order = asText(block.subarray(0, 2));
    return order === "II" || order === "MM" ? new Exif(block, order) : null;
  }

  /** The bytes of an entry of the directory at `start`, by default the first one. */
  bytes(tag: number, start = this.view.getUint32(4, this.little)): Uint8Array | null {
    const { view, little } = this;
    const count = view.getUint16(start, little);
    for (let place = 0; place < count; place++) {
      const at = start + 2 + 12 * place;
      if (view.getUint16(at, little) !== tag) continue;
      const size = (SIZES[view.getUint16(at + 2, little)] ?? 0) * view.getUint32(at + 4, little);
      const from = size <= 4 ? at + 8 : view.getUint32(at + 8, little);
      return this.block.subarray(from, from + Math.min(size, MAX_TEXT));
    }
    return null;
  }

  /** An entry of the first directory, or of the one at `start`, that is a whole number of 2 or 4 bytes. */
  number(tag: number, start?: number): number | null {
    const bytes = this.bytes(tag, start);
    if (!bytes || (bytes.length !== 2 && bytes.length !== 4)) return null;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return bytes.length === 2 ? view.getUint16(0, this.little) : view.getUint32(0, this.little);
  }
}

export interface Orientation {
  value: number;
  /** The block of EXIF that gives it; null if it is XMP that does. */
  exif: Uint8Array | null;
}

/** What Pillow takes as the orientation: EXIF's, else XMP's; null if neither gives one. */
export function orientationOf({ blocks }: ImageFacts): Orientation | null {
  const exif = blocks.find(({ kind }) => kind === "exif")?.body;
  try {
    const value = exif && Exif.open(exif)?.number(ORIENTATION);
    if (exif && value !== null && value !== undefined) return { value, exif };
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    return null; // Python takes such images as they are
  }
  const found = blocks.map(xmpOf).find((text) => text !== null);
  const value = found && /tiff:Orientation(?:="|>)([0-9])/.exec(found)?.[1];
  return value ? { value: Number(value), exif: null } : null;
}

function xmpOf({ kind, body }: Block): string | null {
  const text = () => asText(body.subarray(0, MAX_TEXT));
  if (kind === "xmp") return text();
  return kind === "text" && asText(body.subarray(0, 18)) === "XML:com.adobe.xmp\0" ? text() : null;
}

/** The matrix (a, b, c, d, e, f of a canvas) that turns an image of this size upright; null if it is. */
export function turnOf(orientation: number, width: number, height: number) {
  const turns: Record<number, readonly [number, number, number, number, number, number]> = {
    2: [-1, 0, 0, 1, width, 0],
    3: [-1, 0, 0, -1, width, height],
    4: [1, 0, 0, -1, 0, height],
    5: [0, 1, 1, 0, 0, 0],
    6: [0, 1, -1, 0, height, 0],
    7: [0, -1, -1, 0, height, width],
    8: [0, -1, 1, 0, 0, width],
  };
  return turns[orientation] ?? null;
}
