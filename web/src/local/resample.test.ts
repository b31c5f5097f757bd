import { describe, expect, it } from "vitest";
import golden from "../../../tests/golden/resample.json";
import { type Box, type Filter, type Raster, resize, resizeLarge, resizeNumbers, roundEven } from "./resample";

const images = golden.images as Record<string, { size: number[]; pixels: string }>;

function unpacked(name: string): Raster {
  const { size, pixels } = images[name] ?? { size: [], pixels: "" };
  const [width = 0, height = 0] = size;
  const data = new Uint8ClampedArray(width * height * 4).fill(255);
  Array.from(atob(pixels)).forEach((letter, place) => {
    data[Math.floor(place / 3) * 4 + (place % 3)] = letter.charCodeAt(0);
  });
  return { width, height, data };
}

const packed = ({ data }: Raster) => Array.from(data.filter((_, place) => place % 4 < 3));

describe("resampling is Pillow's, bit for bit", () => {
  it.each(golden.cases.map((of, place) => ({ ...of, title: `${of.image} by ${of.filter}, case ${place}` })))(
    "$title",
    ({ image, size: [width = 0, height = 0], filter, box, gap, pixels }) => {
      const wanted = Array.from(atob(pixels), (letter) => letter.charCodeAt(0));
      const made =
        gap === null
          ? resize(unpacked(image), width, height, filter as Filter, (box ?? undefined) as Box | undefined)
          : resizeLarge(unpacked(image), width, height, filter as Filter, gap);
      expect([made.width, made.height]).toEqual([width, height]);
      expect(packed(made)).toEqual(wanted);
    },
  );
});

it("resizes numbers: an even map stays even, and a slope keeps its mean", () => {
  const even = resizeNumbers(new Float32Array(4).fill(2.5), { width: 2, height: 2 }, 5, 7, "bicubic");
  expect([even.length, Math.min(...even), Math.max(...even)]).toEqual([35, 2.5, 2.5]);
  const rows = resizeNumbers(Float32Array.of(0, 0, 4, 4), { width: 2, height: 2 }, 1, 4, "bilinear");
  expect([...rows]).toEqual([0, 1, 3, 4]);
});

it.each([
  [0.5, 0],
  [1.5, 2],
  [2.5, 2],
  [-0.5, 0],
  [2.4, 2],
  [2.6, 3],
])("rounds %d to %d, as Python does", (value, rounded) => {
  expect(roundEven(value) + 0).toBe(rounded);
});
