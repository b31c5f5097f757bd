import { expect, it } from "vitest";
import { canZoom, scrollKeepingMiddle, zoomed } from "./zoom";

it.each([
  ["one step in", 1, "in", 1.5],
  ["the last step", 6, "in", 8],
  ["not beyond the last", 8, "in", 8],
  ["one step out", 3, "out", 2],
  ["not beyond the whole image", 1, "out", 1],
] as const)("zooms %s: %f %s is %f", (_, from, direction, to) => {
  expect(zoomed(from, direction)).toBe(to);
  expect(canZoom(from, direction)).toBe(from !== to);
});

it.each([
  ["the middle of all", 0, 100, 100, 200, 50],
  ["a place within", 50, 100, 200, 400, 150],
  ["the start, where there is nothing before it", 0, 100, 200, 150, 0],
  ["the end, where there is nothing after it", 100, 100, 200, 100, 0],
  ["nothing, before the first layout", 0, 0, 0, 0, 0],
])("keeps %s in the middle", (_, scroll, view, before, after, to) => {
  expect(scrollKeepingMiddle(scroll, view, before, after)).toBe(to);
});
