import { expect, it } from "vitest";
import { cropOf } from "./crop";
import { type Face, findFaces, suppress, windows } from "./faces";
import type { Box } from "./resample";

const face = (box: Box, score = 0.9): Face => ({ box, score });

it("covers an image with half-overlapping windows, and a strip with at most 64", () => {
  expect(windows(200, 100, 100).map(({ x, y }) => [x, y])).toEqual([
    [0, 0],
    [50, 0],
    [100, 0],
  ]);
  expect(windows(100_000, 100, 100)).toHaveLength(64);
});

it("keeps the better one of faces that overlap, and both that do not", () => {
  const [best, same, apart] = [face([0, 0, 10, 10], 0.9), face([1, 1, 11, 11], 0.8), face([20, 0, 30, 10], 0.7)];
  expect(suppress([apart, same, best], 0.3)).toEqual([best, apart]);
});

const preprocessing = { size: 160, resample: "bicubic", face_margin: 0.3, native: 1.5, faces: null } as const;
const size = { width: 500, height: 400 };

it.each<[string, Face | null, Box]>([
  ["no face: the whole image", null, [0, 0, 500, 400]],
  // 100 px and margins are 160 px
  ["exactly the network's size", face([200, 100, 300, 200]), [170, 70, 330, 230]],
  // 120 px and margins are 192 px: narrowed; its middle is 260, 160
  ["near it: whole pixels, nothing resampled", face([200, 100, 320, 220]), [180, 80, 340, 240]],
  ["near it at a corner: moved inside", face([0, 0, 110, 110]), [8, 8, 168, 168]],
  // 200 px and margins are 320 px: resampled
  ["larger", face([150, 100, 350, 300]), [90, 40, 410, 360]],
  ["larger than the image: shrunk to fit", face([0, 0, 400, 400]), [0, 0, 400, 400]],
])("crops: %s", (_, of, box) => {
  expect(cropOf(of, size, preprocessing).map((edge) => Math.round(edge * 1e6) / 1e6)).toEqual(box);
});

const policy = { score_threshold: 0.5, paddings: [0, 0.25], zoom: true, iou_threshold: 0.3, max_faces: 16 };
const grey = { width: 320, height: 320, data: new Uint8ClampedArray(320 * 320 * 4).fill(128) };

it("tries views in turn until one shows a face, and places it in the image", async () => {
  let looks = 0;
  const found = await findFaces(grey, policy, (pixels, count) => {
    expect(pixels).toHaveLength(count * 192 * 192 * 3);
    looks += 1;
    // The border of the second view is black.
    expect(pixels[0]).toBe(looks === 1 ? 128 : 0);
    return Promise.resolve({
      boxes: Float32Array.of(0.25, 0.25, 0.75, 0.75),
      scores: Float32Array.of(looks === 1 ? 0.4 : 0.8),
    });
  });
  // The view has 480 px and begins at -80.
  expect(found).toEqual([{ box: [40, 40, 280, 280], score: Math.fround(0.8) }]);
  expect(looks).toBe(2);
});

it("finds nothing where no view shows a face", async () => {
  const nothing = () => Promise.resolve({ boxes: new Float32Array(4), scores: new Float32Array(1) });
  expect(await findFaces(grey, policy, nothing)).toEqual([]);
});
