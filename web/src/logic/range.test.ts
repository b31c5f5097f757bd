import { expect, it } from "vitest";
import { placeOnRange } from "./range";

it.each([
  ["within", 3, 2, 4, { value: 0.5, low: 0.25, high: 0.75 }],
  ["just outside", 5, 2, 4, { value: 1, low: 0.25, high: 0.75 }],
  ["far outside", 9, 2, 4, { value: 1, low: 0.125, high: 0.375 }],
  ["far below", -7, 2, 4, { value: 0, low: 0.75, high: 11 / 12 }],
  ["range of one value", 2, 2, 2, { value: 0.5, low: 0.5, high: 0.5 }],
  ["range of nothing", 0, 0, 0, { value: 0.5, low: 0.5, high: 0.5 }],
])("%s", (_, value, low, high, places) => {
  const found = placeOnRange(value, low, high);
  expect(found?.value).toBeCloseTo(places.value);
  expect(found?.low).toBeCloseTo(places.low);
  expect(found?.high).toBeCloseTo(places.high);
});

it("gives no bar without a range", () => {
  expect(placeOnRange(1, null, null)).toBeNull();
});
