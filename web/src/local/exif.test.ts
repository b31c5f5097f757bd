import { expect, it } from "vitest";
import { Exif, orientationOf, turnOf } from "./exif";
import type { Block } from "./file";

const bytes = (text: string) => Uint8Array.from(text, (letter) => letter.charCodeAt(0));
/** One entry of type SHORT: tag 0x0112, the orientation. */
const little = (value: number) =>
  bytes(`II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0${String.fromCharCode(value)}\0\0\0`);
const big = (value: number) =>
  bytes(`MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0${String.fromCharCode(value)}\0\0`);
const exif = (body: Uint8Array): Block => ({ kind: "exif", body });
const xmp = (text: string): Block => ({ kind: "xmp", body: bytes(text) });

it.each([
  ["neither", [], null],
  ["the bytes of Intel", [exif(little(6))], 6],
  ["the bytes of Motorola", [exif(big(8))], 8],
  ["a value that EXIF does not know, as it is", [exif(little(9))], 9],
  ["XMP, as an attribute", [xmp('<x tiff:Orientation="3"/>')], 3],
  ["XMP, as an element", [xmp("<tiff:Orientation>5</tiff:Orientation>")], 5],
  [
    "XMP among the texts of PNG",
    [{ kind: "text" as const, body: bytes('XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation="3"/>') }],
    3,
  ],
  ["EXIF before XMP", [xmp('<x tiff:Orientation="3"/>'), exif(big(8))], 8],
  ["EXIF that ends early", [exif(big(8).subarray(0, 12)), xmp('<x tiff:Orientation="3"/>')], null],
  ["EXIF that is none", [exif(bytes("no EXIF"))], null],
])("takes the orientation of %s", (_, blocks, value) => {
  const found = orientationOf({ format: "WEBP", width: 16, height: 16, blocks });
  expect(found?.value ?? null).toBe(value);
});

it("gives the block that holds the orientation", () => {
  const body = little(6);
  expect(orientationOf({ format: "WEBP", width: 16, height: 16, blocks: [exif(body)] })?.exif).toBe(body);
  expect(Exif.open(body)?.number(0x0112)).toBe(6);
  expect(Exif.open(body)?.number(0x0113)).toBeNull();
});

// EXIF 2.32, tag 274: where row 0 and column 0 of the stored image are in the upright one. Stored: 3 wide, 2 high.
it.each([
  [2, [3, 0], "top right"],
  [3, [3, 2], "bottom right"],
  [4, [0, 2], "bottom left"],
  [5, [0, 0], "left top"],
  [6, [2, 0], "right top"],
  [7, [2, 3], "right bottom"],
  [8, [0, 3], "left bottom"],
])("orientation %d puts the first corner at %j, %s", (orientation, corner) => {
  const [a, b, c, d, e, f] = turnOf(orientation, 3, 2) ?? [];
  expect([e, f]).toEqual(corner);
  // Rows stay rows up to 4, and become columns from 5.
  expect([a, b, c, d].map((value) => Math.abs(value ?? NaN))).toEqual(orientation < 5 ? [1, 0, 0, 1] : [0, 1, 1, 0]);
});

it.each([0, 1, 9])("orientation %d is upright", (orientation) => {
  expect(turnOf(orientation, 3, 2)).toBeNull();
});
