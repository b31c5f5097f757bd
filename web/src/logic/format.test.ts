import { describe, expect, it } from "vitest";
import { bytes, dateTime, digitsApart, figure, ofHundred, percent } from "./format";

describe("percent", () => {
  it.each([
    [0.5, 0, "50\u00a0%"],
    [0.972, 0, "97\u00a0%"],
    [0.9724, 1, "97.2\u00a0%"],
    [0.99996, 1, "> 99.9\u00a0%"],
    [1, 0, "> 99\u00a0%"],
    [0.994, 0, "99\u00a0%"],
    [0.00001, 0, "< 1\u00a0%"],
    [0, 1, "< 0.1\u00a0%"],
    [0.005, 0, "1\u00a0%"],
  ])("%f with %i digits is %s", (share, digits, text) => {
    expect(percent(share, "en", digits)).toBe(text);
  });

  it("follows the language", () => {
    expect(percent(0.5, "de")).toBe("50\u00a0%");
    expect(percent(0.5, "tr")).toBe("%50");
  });
});

it.each([
  ["far apart", 0.9, [0.7], 1],
  ["near", 0.6996, [0.7], 2],
  ["very near", 0.69999, [0.5, 0.7], 3],
  ["the same", 0.7, [0.7], 1],
  ["nearer than can be shown", 0.6999999, [0.7], 4],
  ["without limits", 0.7, [], 1],
])("digits that keep numbers apart: %s", (_, share, limits, digits) => {
  expect(digitsApart(share, limits)).toBe(digits);
});

it("counts per hundred", () => {
  expect([0, 0.001, 0.05, 0.787, 1].map(ofHundred)).toEqual([0, 1, 5, 79, 100]);
});

it("sizes", () => {
  expect([0, 999, 1536, 67_108_864, 2.5 * 2 ** 30].map((count) => bytes(count, "en"))).toEqual([
    "0\u00a0bytes",
    "999\u00a0bytes",
    "2\u00a0KiB",
    "64\u00a0MiB",
    "2.5\u00a0GiB",
  ]);
});

it("times", () => {
  expect(dateTime("2026-01-02T03:04:05Z", "en")).toMatch(/Jan \d, 2026/);
});

it("measured values", () => {
  expect([0.123456, 12345.6, 0].map((value) => figure(value, "en"))).toEqual(["0.123", "12,300", "0"]);
});
