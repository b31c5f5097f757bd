import { expect, it } from "vitest";
import { isEmpty, titleOf } from "./plain";

it.each([
  ["edit_history", "Edit history"],
  ["software", "Software"],
  ["DateTimeOriginal", "DateTimeOriginal"],
  ["", ""],
])("%s is titled %s", (name, title) => {
  expect(titleOf(name)).toBe(title);
});

it.each([
  [null, true],
  ["", true],
  [[], true],
  [{ a: [null], b: { c: "" } }, true],
  [false, false],
  [0, false],
  [{ a: null, b: 0 }, false],
])("%o is empty: %s", (value, empty) => {
  expect(isEmpty(value)).toBe(empty);
});
