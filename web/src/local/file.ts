/** What an image file says before it is decoded: format, size, whether it is whole, and its blocks of metadata. */

import { Problem } from "../api/problem";

export type Format = "JPEG" | "PNG" | "WEBP" | "GIF" | "BMP" | "AVIF";

export interface Block {
  kind: "exif" | "xmp" | "photoshop" | "text" | "jumbf" | "icc";
  body: Uint8Array;
}

export interface ImageFacts {
  format: Format;
  width: number;
  height: number;
  blocks: Block[];
}

const MAX_BYTES = 256 * 2 ** 20;
/** A canvas holds four bytes a pixel, and browsers keep two or three copies. */
export const MAX_PIXELS = 64_000_000;
export const MAX_SIDE = 16_384;
const MIN_SIDE = 16;
const MOST_BLOCKS = 2048;

const latin1 = (bytes: Uint8Array) => {
  let text = "";
  for (let at = 0; at < bytes.length; at += 32_768) text += String.fromCharCode(...bytes.subarray(at, at + 32_768));
  return text;
};
export const asText = latin1;

const refused = (code: string) => new Problem(422, code, "");

/** Reads the facts and checks them against the limits, before a pixel is decoded. */
export function readFacts(bytes: Uint8Array): ImageFacts {
  if (bytes.length === 0) throw refused("empty");
  if (bytes.length > MAX_BYTES) throw refused("file_too_large");
  const facts = factsOf(bytes);
  if (facts === null) throw refused("unsupported_format");
  const { width, height } = facts;
  if (width === 0 || height === 0) throw refused("corrupt");
  if (Math.max(width, height) > MAX_SIDE) throw refused("side_too_long");
  if (width * height > MAX_PIXELS) throw refused("too_many_pixels");
  if (Math.min(width, height) < MIN_SIDE) throw refused("too_small");
  return facts;
}

function factsOf(bytes: Uint8Array): ImageFacts | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const start = latin1(bytes.subarray(0, 16));
  try {
    if (start.startsWith("\xff\xd8\xff")) return jpeg(bytes, view);
    if (start.startsWith("\x89PNG\r\n\x1a\n")) return png(bytes, view);
    if (start.startsWith("RIFF") && start.slice(8, 12) === "WEBP") return webp(bytes, view);
    if (/^GIF8[79]a/.test(start))
      return { format: "GIF", width: view.getUint16(6, true), height: view.getUint16(8, true), blocks: [] };
    if (start.startsWith("BM")) return bmp(view);
    if (start.slice(4, 8) === "ftyp" && /avi[fs]/.test(latin1(bytes.subarray(8, 64)))) return avif(bytes, view);
  } catch (error) {
    if (error instanceof RangeError) throw refused("truncated");
    throw error;
  }
  return null;
}

function jpeg(bytes: Uint8Array, view: DataView): ImageFacts {
  const blocks: Block[] = [];
  let [width, height] = [0, 0];
  let at = 2;
  for (let count = 0; ; count++) {
    if (count > MOST_BLOCKS) throw refused("too_complex");
    while (view.getUint8(at) !== 0xff) at++;
    while (view.getUint8(at) === 0xff) at++;
    const marker = view.getUint8(at++);
    if (marker === 0xd9 || marker === 0xda) break;
    if (marker >= 0xd0 && marker <= 0xd8) continue;
    const length = view.getUint16(at);
    const body = bytes.subarray(at + 2, at + length);
    if (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker)) {
      height = view.getUint16(at + 3);
      width = view.getUint16(at + 5);
    }
    const head = latin1(body.subarray(0, 40));
    if (marker === 0xe1 && head.startsWith("Exif\0\0")) blocks.push({ kind: "exif", body: body.subarray(6) });
    // eslint-disable-next-line no-restricted-syntax -- the name of XMP's segments
    else if (marker === 0xe1 && head.startsWith("http://ns.adobe.com/x")) blocks.push({ kind: "xmp", body });
    else if (marker === 0xe2 && head.startsWith("ICC_PROFILE\0")) blocks.push({ kind: "icc", body: body.subarray(14) });
    else if (marker === 0xeb && head.startsWith("JP")) blocks.push({ kind: "jumbf", body: body.subarray(8) });
    else if (marker === 0xed) blocks.push({ kind: "photoshop", body });
    at += length;
  }
  // Cameras append other data, so the end is searched for and not expected at the last byte.
  let end = bytes.length - 2;
  while (end > at && !(bytes[end] === 0xff && bytes[end + 1] === 0xd9)) end--;
  if (end <= at) throw refused("truncated");
  return { format: "JPEG", width, height, blocks };
}

const PNG_KINDS: Record<string, Block["kind"]> = {
  tEXt: "text",
  iTXt: "text",
  zTXt: "text",
  eXIf: "exif",
  iCCP: "icc",
  caBX: "jumbf",
};

function png(bytes: Uint8Array, view: DataView): ImageFacts {
  const blocks: Block[] = [];
  let [at, ended] = [8, false];
  while (!ended && at + 12 <= bytes.length) {
    const length = view.getUint32(at);
    const name = latin1(bytes.subarray(at + 4, at + 8));
    const kind = PNG_KINDS[name];
    if (kind && blocks.length < MOST_BLOCKS) blocks.push({ kind, body: bytes.subarray(at + 8, at + 8 + length) });
    ended = name === "IEND";
    at += 12 + length;
  }
  if (!ended) throw refused("truncated");
  return { format: "PNG", width: view.getUint32(16), height: view.getUint32(20), blocks };
}

const WEBP_KINDS: Record<string, Block["kind"]> = { EXIF: "exif", "XMP ": "xmp", ICCP: "icc", C2PA: "jumbf" };

function webp(bytes: Uint8Array, view: DataView): ImageFacts {
  if (view.getUint32(4, true) + 8 > bytes.length) throw refused("truncated");
  const blocks: Block[] = [];
  let [width, height] = [0, 0];
  for (let at = 12; at + 8 <= bytes.length && blocks.length < MOST_BLOCKS;) {
    const name = latin1(bytes.subarray(at, at + 4));
    const length = view.getUint32(at + 4, true);
    const from = at + 8;
    if (name === "VP8X") {
      width = 1 + (view.getUint32(from + 4, true) & 0xffffff);
      height = 1 + (view.getUint32(from + 6, true) >>> 8);
    } else if (name === "VP8 " && width === 0) {
      width = view.getUint16(from + 6, true) & 0x3fff;
      height = view.getUint16(from + 8, true) & 0x3fff;
    } else if (name === "VP8L" && width === 0) {
      const packed = view.getUint32(from + 1, true);
      width = 1 + (packed & 0x3fff);
      height = 1 + ((packed >>> 14) & 0x3fff);
    }
    const kind = WEBP_KINDS[name];
    const body = bytes.subarray(from, from + length);
    const exif = kind === "exif" && latin1(body.subarray(0, 6)) === "Exif\0\0";
    if (kind) blocks.push({ kind, body: exif ? body.subarray(6) : body });
    at = from + length + (length % 2);
  }
  return { format: "WEBP", width, height, blocks };
}

function bmp(view: DataView): ImageFacts {
  const old = view.getUint32(14, true) === 12;
  const width = old ? view.getUint16(18, true) : Math.abs(view.getInt32(18, true));
  const height = old ? view.getUint16(20, true) : Math.abs(view.getInt32(22, true));
  return { format: "BMP", width, height, blocks: [] };
}

/** The largest of the sizes that the file's boxes `ispe` name. */
function avif(bytes: Uint8Array, view: DataView): ImageFacts {
  const head = latin1(bytes.subarray(0, 65_536));
  let [width, height] = [0, 0];
  for (let at = head.indexOf("ispe"); at >= 0; at = head.indexOf("ispe", at + 4)) {
    const [across, down] = [view.getUint32(at + 8), view.getUint32(at + 12)];
    if (across * down > width * height) [width, height] = [across, down];
  }
  return { format: "AVIF", width, height, blocks: [{ kind: "icc", body: bytes.subarray(0, 65_536) }] };
}

/** Whether the file has a colour profile that does not say it is sRGB. */
export function hasOtherColours({ format, blocks }: ImageFacts): boolean {
  if (format === "AVIF") return true; // its colours may be described without a profile
  const profiles = blocks.filter(({ kind }) => kind === "icc");
  // PNG compresses its profile, and names it before.
  return (
    profiles.length > 0 &&
    !profiles.some(({ body }) => /sRGB/i.test(latin1(body.subarray(0, 4096)).replaceAll("\0", "")))
  );
}
