/** The face finder, as `unmask.imaging.faces`: BlazeFace over a short cascade of views. */

import type { FacePolicy } from "./bundle";
import { type Box, type Raster, resize, resizeLarge, roundEven } from "./resample";

export interface Face {
  box: Box;
  score: number;
}

interface View {
  x: number;
  y: number;
  side: number;
}

/** Runs the network on pixels [count, 192, 192, 3]. */
export type Look = (pixels: Uint8Array, count: number) => Promise<{ boxes: Float32Array; scores: Float32Array }>;

interface Size {
  width: number;
  height: number;
}

type Seen = Map<Face, View>;

export const VIEW_SIDE = 192;
const WORKING_SIDE = 1024;
const SMALL = 24;
const MOST_CANDIDATES = 64;
const MOST_WINDOWS = 64;

/** All faces of an upright image, largest first; empty if there is none. */
export async function findFaces(image: Raster, policy: FacePolicy, look: Look): Promise<Face[]> {
  for (const views of cascade(image, policy)) {
    const faces = await search(image, views, policy, look);
    if (faces.length > 0) return faces;
  }
  return [];
}

function* cascade({ width, height }: Size, policy: FacePolicy): Generator<View[]> {
  const [long, short] = [Math.max(width, height), Math.min(width, height)];
  for (const padding of policy.paddings) {
    const side = long * (1 + 2 * padding);
    if (padding === 0 && long > 2 * short) yield windows(width, height, short);
    else yield [{ x: (width - side) / 2, y: (height - side) / 2, side }];
  }
  if (policy.zoom && long > 2 * VIEW_SIDE) yield windows(width, height, Math.min(long / 2, short));
}

export function windows(width: number, height: number, side: number): View[] {
  const starts = (length: number) => {
    const steps = Math.min(Math.max(roundEven((length - side) / (side / 2)), 0), MOST_WINDOWS - 1);
    return steps === 0 ? [0] : Array.from({ length: steps + 1 }, (_, step) => ((length - side) * step) / steps);
  };
  return starts(height)
    .flatMap((y) => starts(width).map((x) => ({ x, y, side })))
    .slice(0, MOST_WINDOWS);
}

async function search(image: Raster, views: readonly View[], policy: FacePolicy, look: Look): Promise<Face[]> {
  const seen = await run(image, views, policy, look);
  const small = new Map<Face, View>();
  for (const [face, view] of seen)
    if (sideOf(face.box) < (view.side * SMALL) / VIEW_SIDE) small.set(face, around(face.box));
  const closer: Seen = small.size > 0 ? await run(image, [...small.values()], policy, look) : new Map<Face, View>();
  const faces = [...seen.keys()].filter((face) => !small.has(face));
  for (const [face, view] of small) {
    const framed = [...closer].filter(([other, window]) => window === view && isCentral(other.box, view));
    const [best] = framed.map(([other]) => other).sort((a, b) => b.score - a.score || compareBoxes(b.box, a.box));
    faces.push(best ?? face);
  }
  return suppress(faces, policy.iou_threshold)
    .sort((a, b) => areaOf(b.box) - areaOf(a.box) || compareBoxes(a.box, b.box))
    .slice(0, policy.max_faces);
}

async function run(image: Raster, views: readonly View[], policy: FacePolicy, look: Look): Promise<Seen> {
  const longest = Math.max(image.width, image.height);
  let factor = Math.min(1, WORKING_SIDE / longest);
  let source = image;
  if (views.length === 1 && factor < 1 && (views[0]?.side ?? 0) >= longest) {
    const [width, height] = [image.width, image.height].map((side) => Math.max(1, roundEven(side * factor)));
    source = resizeLarge(image, width ?? 1, height ?? 1, "bilinear", 2);
  } else factor = 1;
  const pixels = new Uint8Array(views.length * VIEW_SIDE * VIEW_SIDE * 3);
  views.forEach((view, place) => {
    render(source, view, factor, pixels.subarray(place * VIEW_SIDE * VIEW_SIDE * 3));
  });
  const { boxes, scores } = await look(pixels, views.length);
  const each = scores.length / views.length;
  const found: Seen = new Map();
  views.forEach((view, place) => {
    const side = Math.fround(view.side);
    for (let index = place * each; index < (place + 1) * each; index++) {
      const score = scores[index] ?? 0;
      if (!(score >= policy.score_threshold)) continue;
      const corner = (at: number, origin: number) => Math.fround((boxes[4 * index + at] ?? NaN) * side) + origin;
      const box = clip([corner(0, view.x), corner(1, view.y), corner(2, view.x), corner(3, view.y)], image);
      if (box) found.set({ box, score }, view);
    }
  });
  const kept = suppress([...found.keys()], policy.iou_threshold).slice(0, MOST_CANDIDATES);
  return new Map(kept.map((face) => [face, found.get(face) as View]));
}

/** The view at the network's size, black where it reaches outside the image. */
function render(image: Raster, view: View, factor: number, canvas: Uint8Array): void {
  const scale = VIEW_SIDE / (view.side * factor);
  const [x0, y0] = [Math.max(view.x * factor, 0), Math.max(view.y * factor, 0)];
  const x1 = Math.min((view.x + view.side) * factor, image.width);
  const y1 = Math.min((view.y + view.side) * factor, image.height);
  const [width, height] = [Math.max(1, roundEven((x1 - x0) * scale)), Math.max(1, roundEven((y1 - y0) * scale))];
  const part = resize(image, width, height, "bilinear", [x0, y0, x1, y1]);
  const left = Math.min(roundEven((x0 - view.x * factor) * scale), VIEW_SIDE - width);
  const top = Math.min(roundEven((y0 - view.y * factor) * scale), VIEW_SIDE - height);
  copyRgb(part, canvas, VIEW_SIDE, left, top);
}

/** Puts an image into rows of `side` pixels of three bytes. */
export function copyRgb({ width, height, data }: Raster, into: Uint8Array, side: number, left = 0, top = 0): void {
  for (let y = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const [from, to] = [(y * width + x) * 4, ((y + top) * side + x + left) * 3];
      into[to] = data[from] ?? 0;
      into[to + 1] = data[from + 1] ?? 0;
      into[to + 2] = data[from + 2] ?? 0;
    }
}

function around(box: Box): View {
  const side = 4 * sideOf(box);
  return { x: (box[0] + box[2]) / 2 - side / 2, y: (box[1] + box[3]) / 2 - side / 2, side };
}

function isCentral(box: Box, view: View): boolean {
  const [x, y] = [(box[0] + box[2]) / 2 - view.x, (box[1] + box[3]) / 2 - view.y];
  return Math.max(Math.abs(x - view.side / 2), Math.abs(y - view.side / 2)) < view.side / 4;
}

function clip(corners: Box, { width, height }: Size): Box | null {
  const box: Box = [
    Math.max(corners[0], 0),
    Math.max(corners[1], 0),
    Math.min(corners[2], width),
    Math.min(corners[3], height),
  ];
  return corners.every(Number.isFinite) && box[2] - box[0] >= 1 && box[3] - box[1] >= 1 ? box : null;
}

export const sideOf = (box: Box) => Math.max(box[2] - box[0], box[3] - box[1]);
const areaOf = (box: Box) => (box[2] - box[0]) * (box[3] - box[1]);

function compareBoxes(a: Box, b: Box): number {
  for (let place = 0; place < 4; place++) {
    const difference = (a[place] ?? 0) - (b[place] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  return (width * height) / (areaOf(a) + areaOf(b) - width * height);
}

export function suppress(faces: readonly Face[], threshold: number): Face[] {
  const kept: Face[] = [];
  for (const face of [...faces].sort((a, b) => b.score - a.score || compareBoxes(a.box, b.box)))
    if (kept.every((other) => overlap(face.box, other.box) <= threshold)) kept.push(face);
  return kept;
}
